"""What the tests of the command line share: exit codes, and tests that run commands and look at how they end."""

import hashlib
import json
import resource
from pathlib import Path

from support import EndToEndTest, eventually

# What exit codes mean; see `godwit --help`.
OK, FAILED, USAGE, DAMAGED, UNREACHABLE, CANNOT_CREATE, BUSY, UNUSABLE = 0, 1, 64, 65, 69, 73, 75, 78


def few_descriptors(limit):
    """Makes a child process live with so many open files."""
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))


def digest(folder):
    """What every file of a folder holds."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in Path(folder).iterdir() if path.is_file()}


def resident(process):
    """Bytes of memory that a process takes."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) << 10
    raise AssertionError("no VmRSS")


class CommandLineTest(EndToEndTest):
    def setUp(self):
        super().setUp()
        self.server = self.serve()

    def godwit(self, *arguments, expect=OK, **options):
        done = self.run_godwit(*arguments, server=self.server, **options)
        self.assertEqual(done.returncode, expect, f"godwit {' '.join(arguments)}: {done.stdout!r} {done.stderr!r}")
        return done

    def publish(self, *arguments, **options):
        return self.godwit("publish", *arguments, **options).stdout.strip()

    def state(self, job):
        return json.loads(self.godwit("status", job, "--json").stdout)["state"]

    def worker(self, *arguments, **options):
        return self.start_godwit("work", *arguments, server=self.server, **options)

    def await_state(self, job, *states):
        return eventually(lambda: self.state(job) in states, 30, what=f"state {' or '.join(states)} of {job}")


class ToolsTest(EndToEndTest):
    def godwit(self, *arguments, expect=OK, **options):
        done = self.run_godwit(*[str(argument) for argument in arguments], **options)
        self.assertEqual(done.returncode, expect, f"godwit {' '.join(map(str, arguments))}: {done.stdout!r} {done.stderr!r}")
        return done

    def fill(self, data, jobs=200, queue="q"):
        """A store that was closed, with jobs in it; their ids."""
        lines = "".join(f'{{"n": {number}}}\n' for number in range(jobs))
        return self.godwit("publish", queue, "--lines", "--data", data, stdin=lines).stdout.split()

    def queues(self, data):
        lines = self.godwit("queues", "--data", data, "--json").stdout.splitlines()
        return {queue["name"]: queue for queue in map(json.loads, lines)}
