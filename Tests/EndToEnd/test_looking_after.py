"""Looking after a server from the command line: many jobs at once, workers, schedules, and whether it is ready."""

import json
import os
import pty
import unittest

from commands import BUSY, FAILED, OK, UNREACHABLE, USAGE, CommandLineTest, ToolsTest
from support import eventually


class ManyAtOnceTest(CommandLineTest):
    def test_one_that_is_refused_keeps_no_other_from_it(self):
        jobs = [self.publish("q", "{}") for _ in range(3)]
        self.godwit("cancel", *jobs[1:])
        # The first one is not final, and cannot be forgotten.
        done = self.godwit("forget", *jobs, expect=FAILED)
        self.assertIn(jobs[0], done.stderr)
        self.assertIn("1 of 3 jobs", done.stderr)
        for job in jobs[1:]:
            self.assertIn("no longer kept", self.godwit("status", job, expect=FAILED).stderr)
        self.assertEqual(self.state(jobs[0]), "queued")
        done = self.godwit("redrive", "nothing", jobs[0], "--json", expect=FAILED)
        lines = [json.loads(line) for line in done.stderr.splitlines()]
        self.assertEqual([line.get("job") for line in lines], ["nothing", jobs[0], None])
        self.assertEqual([line["code"] for line in lines], ["job_not_found", "wrong_state", "some_refused"])

    def test_all_jobs_of_a_filter(self):
        jobs = [self.publish("q", "{}", "--name", name) for name in ("a", "a", "b")]
        other = self.publish("other", "{}")
        done = self.godwit("cancel", "--state", "queued", "--queue", "q", "--name", "a", expect=USAGE)
        self.assertIn("Cancel 2 jobs of q called a that are queued?", done.stderr)
        self.assertEqual(self.state(jobs[0]), "queued", "nobody was asked, so nothing was done")
        self.assertEqual(self.godwit("cancel", "--state", "queued", "--queue", "q", "--name", "a", "--yes").stdout, "2\n")
        self.assertEqual([self.state(job) for job in [*jobs, other]], ["cancelled", "cancelled", "queued", "queued"])
        self.assertEqual(json.loads(self.godwit("retry", "--state", "cancelled", "--yes", "--json").stdout), {"done": 2, "refused": 0})
        self.godwit("cancel", "--state", "queued", "--yes")
        self.assertEqual(self.godwit("forget", "--state", "cancelled", "--queue", "q", "--yes").stdout, "3\n")
        self.assertEqual(self.godwit("jobs", "--all").stdout.split("\t")[0], other)
        # With nothing to do nobody is asked.
        self.assertEqual(self.godwit("retry", "--state", "failed").stdout, "0\n")
        self.godwit("retry", expect=USAGE)

    def test_what_empties_a_queue_is_not_done_unasked(self):
        self.publish("q", "{}")
        self.assertIn("1 jobs that wait", self.godwit("queue", "purge", "q", expect=USAGE).stderr)
        self.assertIn("1 unfinished", self.godwit("queue", "delete", "q", "--purge", expect=USAGE).stderr)
        self.assertEqual(self.godwit("queue", "pause", "q").stdout, "q\tpaused\n")
        self.assertEqual(self.godwit("queue", "resume", "q").stdout, "q\tdelivering\n")
        self.assertEqual(self.godwit("queue", "delete", "q", "--purge", "--yes").stdout, "q\tdeleted\n")


    def test_on_a_terminal_it_is_asked(self):
        self.publish("q", "{}")
        for answer, code, waiting in (("n", FAILED, 1), ("y", OK, 0)):
            ours, theirs = pty.openpty()
            process = self.start_godwit("queue", "purge", "q", server=self.server, stdin=theirs, stderr=theirs)
            os.close(theirs)
            os.write(ours, f"{answer}\n".encode())
            self.assertEqual(process.wait(30), code)
            self.assertIn(b"Purge q? 1 jobs that wait will be cancelled. [y/N]", os.read(ours, 4096))
            os.close(ours)
            self.assertEqual(json.loads(self.godwit("queue", "show", "q", "--json").stdout)["counts"]["queued"], waiting)


class WorkersTest(CommandLineTest):
    def test_who_holds_what(self):
        self.assertEqual(self.godwit("workers").stdout.split(), ["holder", "jobs", "since", "queues"])
        gate = self.folder / "gate"
        os.mkfifo(gate)
        job = self.publish("q", "{}")
        self.worker("q", "--", "cat", str(gate))
        self.await_state(job, "running")
        worker = json.loads(self.godwit("workers", "--json").stdout)
        self.assertEqual((worker["held"], worker["queues"], [held["id"] for held in worker["jobs"]]), (1, ["q"], [job]))
        self.assertIn(worker["holder"], self.godwit("workers").stdout)
        gate.write_text("done")
        self.await_state(job, "succeeded")
        eventually(lambda: self.godwit("workers", "--json").stdout == "", what="nobody holds anything")


class SchedulesTest(ToolsTest):
    def test_schedules_are_listed_and_forgotten(self):
        data, export = self.folder / "data", self.folder / "export.jsonl"
        self.fill(data, 1)
        lines = self.godwit("export", "-", "--data", data).stdout.splitlines()
        firing = json.dumps({"last": "2020-01-01T00:00:00Z", "next": "2020-01-02T00:00:00Z"})
        record = {"type": "record", "queue": "q", "name": "schedule:nightly", "value": firing}
        queue = next(number for number, line in enumerate(lines) if json.loads(line)["type"] == "queue")
        lines.insert(queue + 1, json.dumps(record))
        end = json.loads(lines[-1])
        end["records"] = end.get("records", 0) + 1
        export.write_text("\n".join([*lines[:-1], json.dumps(end)]) + "\n")
        store = self.folder / "other"
        self.godwit("import", export, "--data", store)
        listed = self.godwit("schedules", "--data", store).stdout
        self.assertEqual(listed.splitlines()[1].split(), ["nightly", "q", "2020-01-01T00:00:00.000Z", "2020-01-02T00:00:00.000Z", "late"])
        self.assertEqual(json.loads(self.godwit("schedules", "list", "--json", "--data", store).stdout)["name"], "nightly")
        self.assertEqual(self.godwit("schedules", "forget", "nightly", "--data", store).stdout, "nightly\tforgotten\n")
        self.godwit("schedules", "forget", "nightly", "--data", store, expect=FAILED)
        self.assertEqual(self.godwit("schedules", "list", "--json", "--data", store).stdout, "")


class ReadyTest(ToolsTest):
    def test_a_server_is_ready_until_it_stops(self):
        server = self.serve()
        self.assertEqual(self.godwit("ready", server=server).stdout, "ready\n")
        self.assertEqual(json.loads(self.godwit("ready", "--json", server=server).stdout), {"ready": True})
        # A connection that is open, and a job that runs, keep it draining.
        client = self.client(server)
        self.assertEqual(client.post("/v1/queues/q/jobs", {}).status, 202)
        self.assertEqual(client.post("/v1/queues/q/leases", b"").status, 200)
        server.process.terminate()
        eventually(lambda: self.run_godwit("ready", server=server).returncode == BUSY, what="a server that drains is not ready")
        server.process.wait(30)
        self.godwit("ready", server=server, expect=UNREACHABLE)
        self.godwit("ready", "--data", self.folder, expect=USAGE)


if __name__ == "__main__":
    unittest.main()
