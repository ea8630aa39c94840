"""A web process and two workers share a server: 100,000 jobs, the workers and the server killed by turns, each effect made once and none missing."""

import os
import signal
import subprocess
import time
import unittest
from collections import Counter
from pathlib import Path

from support import GODWIT, EndToEndTest, Server, Unreachable, end, environment, eventually, free_port

PROGRAM = str(Path(GODWIT).with_name("two-processes"))
JOBS = int(os.environ.get("GODWIT_SHARED_JOBS", "100000"))


class SharedServerTest(EndToEndTest):
    """Programs that share a server, and the effects of their jobs as files."""

    def setUp(self):
        super().setUp()
        self.effects = self.folder / "effects"
        for shard in range(256):
            (self.effects / str(shard)).mkdir(parents=True)
        self.port = free_port()
        self.log = open(self.folder / "processes.log", "ab")
        self.addCleanup(self.log.close)

    def start(self, *arguments):
        process = subprocess.Popen([PROGRAM, *arguments], stdout=self.log, stderr=self.log, env=environment())
        self.addCleanup(end, process)
        return process

    def worker(self, port=None):
        return self.start("work", "--broker", f"http://127.0.0.1:{port or self.port}", "--effects", str(self.effects))

    def made(self):
        return sum(len(os.listdir(self.effects / str(shard))) for shard in range(256))

    def output(self):
        self.log.flush()
        return (self.folder / "processes.log").read_text(errors="replace")[-4000:]

    def is_settled(self, server):
        """Whether no errand is left to be done."""
        client = self.client(server)
        try:
            counts = client.get("/v1/queues/errands").json["counts"]
        except (Unreachable, KeyError):
            return False
        finally:
            client.close()
        return not any(counts[state] for state in ("queued", "scheduled", "running", "retrying"))

    def runs(self):
        """Each run of an errand: its number, its idempotency key, and which attempt it was."""
        for file in self.effects.glob("runs-*"):
            for line in file.read_text().splitlines():
                number, key, attempt = line.split()
                yield int(number), key, int(attempt)

    def check_effects(self, server, jobs, most_again):
        """Each errand has one effect, and no due time two; how many due times there are, how many errands nobody knows of, and how many ran again."""
        names, ticks, runs, numbers = Counter(), Counter(), 0, {}
        for number, key, _ in self.runs():
            runs, numbers[key] = runs + 1, number
        for shard in range(256):
            for file in (self.effects / str(shard)).iterdir():
                if file.name.startswith("tick-"):
                    ticks[file.name.split("-")[1]] += 1
                else:
                    names[numbers[file.name]] += 1
        self.log.flush()
        lines = (self.folder / "processes.log").read_text(errors="replace").splitlines()
        # Every fourth errand has no key. What became of one may be unknown; then it was done once or not at all.
        unknown = {int(line.split()[1]) for line in lines if line.startswith("unknown ")}
        self.assertEqual([number for number in unknown if number % 4], [])
        self.assertEqual([number for number in range(jobs) if number not in names and number not in unknown], [], "jobs have no effect")
        self.assertEqual([number for number, count in names.items() if count > 1], [], "an errand was published twice, or ran under two keys")
        self.assertEqual([due for due, count in ticks.items() if count > 1], [], "a due time was fired twice")
        counts = self.client(server).get("/v1/queues/errands").json["counts"]
        self.assertEqual((counts["succeeded"], counts["failed"]), (len(names), 0))
        again = runs - len(numbers)
        self.assertLessEqual(again, most_again, "more ran again than those who were killed can have held")
        return len(ticks), len(unknown), again

    def stop_workers(self, workers):
        for process in workers:
            process.terminate()
        for process in workers:
            self.assertEqual(process.wait(40), 0, self.output())


class TwoProcessesTest(SharedServerTest):
    def test_nothing_is_lost_and_nothing_happens_twice(self):
        server = self.serve(port=self.port)
        workers = [self.worker(), self.worker()]
        web = self.start("web", "--broker", f"http://127.0.0.1:{self.port}", "--jobs", str(JOBS))
        killed = Counter()
        started = time.monotonic()

        victims = ["worker", "server", "other worker"]
        next_kill = time.monotonic() + 3
        deadline = time.monotonic() + 600
        while web.poll() is None or not self.is_settled(server):
            self.assertLess(time.monotonic(), deadline, f"not done: {self.made()} effects, killed {dict(killed)}\n{self.output()}")
            if web.poll() is not None:
                self.assertEqual(web.returncode, 0, self.output())
            if time.monotonic() >= next_kill and sum(killed.values()) < 12:
                victim = victims[sum(killed.values()) % 3]
                killed[victim] += 1
                if victim == "server":
                    server.kill()
                    server = self.serve(port=self.port)
                else:
                    index = 0 if victim == "worker" else 1
                    workers[index].send_signal(signal.SIGKILL)
                    workers[index].wait(20)
                    workers[index] = self.worker()
                next_kill = time.monotonic() + 3
            # A poll: what is waited for lies in other processes.
            time.sleep(0.2)
        took = time.monotonic() - started
        self.assertGreaterEqual(sum(killed.values()), 3, "it was over before anybody was killed: use more jobs")
        # A worker of four slots has 64 jobs at most that it holds or that are not confirmed.
        ticks, unknown, again = self.check_effects(server, JOBS, 64 * (killed["worker"] + killed["other worker"]) + 128 * killed["server"])
        self.assertGreaterEqual(ticks, 3)
        print(f"{JOBS} jobs in {took:.0f} s, {dict(killed)} killed, {unknown} unknown, {again} ran again, {ticks} due times", flush=True)
        self.stop_workers(workers)


if __name__ == "__main__":
    unittest.main()
