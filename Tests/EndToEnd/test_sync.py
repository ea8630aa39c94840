"""Under strace: every confirmation follows the fdatasync that covers it. (SIGKILL keeps the page cache, so it proves nothing of this.)"""

import os
import re
import shutil
import signal
import tempfile
import threading
import unittest

from support import Client, EndToEndTest, Server, children_of

CALL = re.compile(r"^(?P<pid>\d+)\s+(?P<name>\w+)\((?P<fd>\d+)(?P<rest>.*)$")
RESUMED = re.compile(r"^(?P<pid>\d+)\s+<\.\.\. (?P<name>\w+) resumed>(?P<rest>.*)$")
RESULT = re.compile(r"=\s+(-?\d+)[^=]*$")
WRITES = ("write", "writev", "pwrite64", "pwritev", "pwritev2", "sendto", "sendmsg")
SYNCS = ("fdatasync", "fsync")


class Call:
    def __init__(self, name, fd, text, start):
        self.name, self.fd, self.text, self.start, self.finish, self.succeeded = name, fd, text, start, None, False


def read_trace(path):
    """The calls in the order of their beginnings; a call's beginning and end are line numbers."""
    calls, pending = [], {}
    with open(path, errors="replace") as trace:
        for number, line in enumerate(trace):
            line = line.rstrip("\n")
            if match := RESUMED.match(line):
                call = pending.pop(match["pid"], None)
                if call is not None:
                    call.text += match["rest"]
                    finish(call, line, number)
            elif match := CALL.match(line):
                call = Call(match["name"], int(match["fd"]), match["rest"], number)
                calls.append(call)
                if line.endswith("<unfinished ...>"):
                    pending[match["pid"]] = call
                else:
                    finish(call, line, number)
    return calls


def finish(call, line, number):
    result = RESULT.search(line)
    call.finish = number
    call.succeeded = result is not None and int(result[1]) >= 0


def assert_covered(test, calls, marker, confirmation):
    """That the marker was written to a file, then synced, and that only then the confirmation was begun."""
    written = [call for call in calls if call.name.startswith("pwrite") and marker in call.text and call.succeeded]
    test.assertTrue(written, f"{marker} was never written to the journal")
    answers = [call for call in calls if not call.name.startswith("pwrite") and confirmation(call)]
    test.assertEqual(len(answers), 1, f"{marker} was confirmed {len(answers)} times")
    answer, record = answers[0], written[0]
    test.assertLess(record.finish, answer.start, f"{marker} was confirmed before it was written")
    covering = [
        call for call in calls
        if call.name in SYNCS and call.fd == record.fd and call.succeeded and call.start > record.finish and call.finish < answer.start
    ]
    test.assertTrue(covering, f"{marker} was confirmed without an fdatasync between its write and the answer")


class CheckerTest(unittest.TestCase):
    """That the check can fail: traces of servers that confirm too early."""

    WRITE = '1 pwritev(9, [{iov_base="m-1-end", iov_len=7}], 1, 4096) = 4096\n'
    BEGIN, RESUME = "2 fdatasync(9 <unfinished ...>\n", "2 <... fdatasync resumed>) = 0\n"
    SYNC = "2 fdatasync(9) = 0\n"
    ANSWER = '3 sendto(12, "HTTP/1.1 202 m-1-end", 20, 0, NULL, 0) = 20\n'

    def check(self, *lines):
        with tempfile.NamedTemporaryFile("w", suffix=".trace") as trace:
            trace.write("".join(lines))
            trace.flush()
            assert_covered(self, read_trace(trace.name), "m-1-end", lambda call: "HTTP/1.1 202" in call.text)

    def test_the_right_order_passes(self):
        self.check(self.WRITE, self.SYNC, self.ANSWER)
        self.check(self.WRITE, self.BEGIN, self.RESUME, self.ANSWER)

    def test_every_wrong_order_fails(self):
        for lines in (
            [self.WRITE, self.ANSWER],
            [self.WRITE, self.ANSWER, self.SYNC],
            [self.SYNC, self.WRITE, self.ANSWER],
            [self.BEGIN, self.WRITE, self.RESUME, self.ANSWER],
            [self.WRITE, self.BEGIN, self.ANSWER, self.RESUME],
            [self.WRITE, self.SYNC.replace("9", "8"), self.ANSWER],
            [self.WRITE, self.SYNC.replace("= 0", "= -1 EIO (Input/output error)"), self.ANSWER],
            [self.SYNC, self.ANSWER],
        ):
            with self.assertRaises(AssertionError, msg=lines):
                self.check(*lines)


@unittest.skipUnless(shutil.which("strace"), "strace is not installed")
class SyncTest(EndToEndTest):
    def serve_traced(self):
        trace = self.folder / "trace"
        wrapper = ["strace", "-f", "-qq", "-o", str(trace), "-s", "65536", "-e", "signal=none", "-e", "trace=" + ",".join(WRITES + SYNCS)]
        server = Server(self.folder / "data", wrapper=wrapper)
        self.addCleanup(self.stop_traced, server)
        return server.ready(60), trace

    def stop_traced(self, server):
        """Asks the server itself to stop, not its tracer, which ends with it."""
        if server.process.poll() is not None:
            return
        for child in children_of(server.process.pid):
            os.kill(child, signal.SIGTERM)
        server.process.wait(30)
        server.log.close()

    def test_every_confirmation_follows_the_fdatasync_that_covers_it(self):
        server, trace = self.serve_traced()
        markers, completed, problems = [], [], []
        lock = threading.Lock()

        def run(client_number, count):
            client = Client(server.port)
            for number in range(count):
                marker = f"publish-{client_number}-{number}-end"
                answer = client.post(f"/v1/queues/sync/jobs?name={marker}", {"payload": marker})
                with lock:
                    (markers if answer.status == 202 else problems).append(marker)
                if number % 3 == 0:
                    for lease in client.post("/v1/queues/sync/leases?max=1&lease=60s").json["leases"]:
                        # The answer to a completion says no more than the job's state: a result that names its connection finds it.
                        marker = f"complete-{client_number}-{number}-end"
                        answer = client.post(f"/v1/leases/{lease['lease']}/complete", {"result": marker})
                        with lock:
                            (completed if answer.status == 200 else problems).append((marker, lease["job"]["id"]))
            client.close()

        run(0, 20)
        threads = [threading.Thread(target=run, args=(number, 20)) for number in range(1, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
            self.assertFalse(thread.is_alive())
        self.assertEqual(problems, [])
        client = self.client(server)
        for marker, job in completed:
            self.assertIn(marker, client.get(f"/v1/jobs/{job}/result").body.decode())
        client.close()
        self.stop_traced(server)

        calls = read_trace(trace)
        for marker in markers:
            assert_covered(self, calls, marker, lambda call: "HTTP/1.1 202" in call.text and f'\\"{marker}\\"' in call.text)
        self.assertEqual(len(markers), 100)
        self.assertGreater(len(completed), 20)
        syncs = sum(call.name in SYNCS for call in calls)
        print(f"\n{len(markers)} publishes, each after its fdatasync; {len(completed)} completions; {syncs} syncs in all")

    def test_a_completion_is_confirmed_after_its_fdatasync(self):
        server, trace = self.serve_traced()
        client = self.client(server)
        for number in range(10):
            client.post("/v1/queues/sync/jobs", {"number": number})
        for number, lease in enumerate(client.post("/v1/queues/sync/leases?max=10&lease=60s").json["leases"]):
            answer = client.post(f"/v1/leases/{lease['lease']}/complete", {"result": f"complete-{number}-end"})
            self.assertEqual(answer.status, 200)
            # One request at a time: the next answer on the wire after this marker is the confirmation.
        client.close()
        self.stop_traced(server)
        calls = read_trace(trace)
        for number in range(10):
            marker = f"complete-{number}-end"
            record = next(call for call in calls if call.name.startswith("pwrite") and marker in call.text)
            answer = next(call for call in calls if call.start > record.start and not call.name.startswith("pwrite") and "HTTP/1.1 200" in call.text)
            assert_covered(self, calls, marker, lambda call: call is answer)


if __name__ == "__main__":
    unittest.main()
