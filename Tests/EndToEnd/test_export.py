"""Export and import: everything comes over once, whatever breaks off."""

import json
import os
import signal
import time
import unittest
from pathlib import Path

from commands import CANNOT_CREATE, DAMAGED, UNREACHABLE, USAGE, ToolsTest
from support import eventually


class ExportTest(ToolsTest):
    def lines(self, file):
        return [json.loads(line) for line in Path(file).read_text().splitlines()]

    def jobs(self, lines, queue):
        """The jobs of a queue, without what is another store's own."""
        found = [{key: line[key] for key in ("state", "job", "past")} for line in lines if line["type"] == "job" and line["queue"] == queue]
        for line in found:
            # What is left of it shrinks meanwhile.
            line["job"].pop("expires", None)
            if line["state"] == "running":
                line["state"] = "queued"
        return found

    def test_everything_comes_over_once_however_often_it_is_imported(self):
        server = self.serve()
        client = self.client(server)
        client.request("PUT", "/v1/queues/mail", {"max_jobs": 77, "lease": "5s", "dead_letter_queue": "dead", "max_deliveries": 9})
        client.post("/v1/queues/mail/pause")
        published = [
            client.post(
                "/v1/queues/mail/jobs?name=welcome&priority=9&expires=2h&timeout=90s&max-attempts=4&group=g&claim=c", '{"to":"ada"}',
                {"Content-Type": "application/json", "Idempotency-Key": "first", "Godwit-Header-Color": "blue"}),
            client.post(f"/v1/queues/mail/jobs?run-at={time.gmtime().tm_year + 2}-01-01T00:00:00Z", b"\xff\x00", {"Content-Type": "image/png"}),
            client.post("/v1/queues/mail/jobs", "plain", {"Content-Type": "text/plain"}),
            client.post("/v1/queues/mail/jobs", '{\n  "pretty": true\n}\n', {"Content-Type": "application/json"}),
        ]
        self.assertEqual([answer.status for answer in published], [202] * 4)
        for number in range(1_500):
            client.post("/v1/queues/many/jobs", {"n": number})
        leased = [lease["lease"] for lease in client.post("/v1/queues/many/leases?lease=1h&max=6").json["leases"]]
        self.assertLess(client.post(f"/v1/leases/{leased[0]}/complete", {"sum": 7}).status, 300)
        self.assertLess(client.post(f"/v1/leases/{leased[1]}/fail", {"error": {"message": "no", "code": "bad"}, "retry": False}).status, 300)
        self.assertLess(client.post(f"/v1/leases/{leased[2]}/fail", {"error": {"message": "later"}, "delay": "1h"}).status, 300)
        self.assertLess(client.post(f"/v1/leases/{leased[3]}/dead-letter", {"error": {"message": "evil"}, "to": "dead"}).status, 300)
        cancelled = client.get("/v1/jobs?queue=many&state=queued&limit=1").json["jobs"][0]["id"]
        client.post(f"/v1/jobs/{cancelled}/cancel")
        file = self.folder / "jobs.jsonl"
        self.godwit("export", file, server=server)
        self.godwit("export", file, server=server, expect=CANNOT_CREATE)
        lines = self.lines(file)
        self.assertEqual((lines[0]["type"], lines[0]["format"]), ("export", 1))
        self.assertEqual(lines[-1], {"type": "end", "queues": 3, "records": 0, "jobs": 1_505, "lost": 0, "lost_records": 0})

        other = self.serve("other")
        for count in (1_505, 0):
            told = json.loads(self.godwit("import", file, "--json", server=other).stdout)
            self.assertEqual((told["jobs"], told["queues"]), (count, 3 if count else 0))
            self.assertEqual(told["lines_there_already"], 0 if count else len(lines))
        there = self.client(other)
        queue = there.get("/v1/queues/mail").json
        self.assertEqual((queue["paused"], queue["settings"]["max_jobs"], queue["settings"]["lease"]), (True, 77, "5s"))
        self.assertEqual(queue["settings"], client.get("/v1/queues/mail").json["settings"])
        again = self.folder / "again.jsonl"
        self.godwit("export", again, server=other)
        exported = self.lines(again)
        for name in ("mail", "many", "dead"):
            before = self.jobs(lines, name)
            self.assertEqual(self.jobs(exported, name), before)
            self.assertEqual(
                there.get(f"/v1/queues/{name}").json["counts"] | {"running": 0, "queued": 0},
                client.get(f"/v1/queues/{name}").json["counts"] | {"running": 0, "queued": 0})
        succeeded = there.get("/v1/jobs?queue=many&state=succeeded").json["jobs"][0]
        self.assertEqual(there.get(f"/v1/jobs/{succeeded['id']}/result").json, {"sum": 7})
        failed = there.get("/v1/jobs?queue=many&state=failed&reason=rejected").json["jobs"]
        self.assertEqual({job["error"]["message"] for job in failed}, {"no", "evil"})
        dead = there.get("/v1/jobs?queue=dead").json["jobs"][0]
        self.assertEqual((dead["deaths"][0]["queue"], dead["deaths"][0]["reason"]), ("many", "rejected"))
        self.assertEqual(there.post("/v1/queues/dead/redrive").json["redriven"], 1)
        # --unfinished leaves the finished ones behind; a folder takes it in as a server does.
        self.godwit("export", self.folder / "some.jsonl", "--unfinished", "--queue", "many", server=server)
        told = json.loads(self.godwit("import", self.folder / "some.jsonl", "--json", "--data", self.folder / "third").stdout)
        self.assertEqual(told["jobs"], 1_500 - 4)
        told = json.loads(self.godwit("import", self.folder / "some.jsonl", "--again", "--json", "--data", self.folder / "third").stdout)
        self.assertEqual((told["jobs"], told["queues_there_already"]), (1_500 - 4, 1))

    def test_an_import_that_is_killed_goes_on_where_it_stopped(self):
        data, file, target = self.folder / "data", self.folder / "jobs.jsonl", self.folder / "target"
        self.fill(data, 9_000)
        self.godwit("export", file, "--data", data)
        def is_there(number):
            segments = sorted(target.glob("segment-*"))
            try:
                return any(f'{{"n": {number}}}'.encode() in segment.read_bytes()[:8 << 20] for segment in segments)
            except FileNotFoundError:
                # a file ahead of need has just become another one: the next look sees it
                return False

        ended = []
        for number in (500, 2_500, 6_500):
            process = self.start_godwit("import", str(file), "--data", str(target))
            eventually(lambda: is_there(number) or process.poll() is not None, what="lines taken in")
            process.send_signal(signal.SIGKILL)
            ended.append(process.wait(30))
        self.assertIn(-signal.SIGKILL, ended, "no import was killed in the midst of it")
        self.godwit("import", file, "--data", target)
        self.assertEqual(self.queues(target)["q"]["counts"]["queued"], 9_000)

    def test_what_is_wrong_is_said_with_its_line_and_field_and_what_came_before_is_there(self):
        data, file = self.folder / "data", self.folder / "jobs.jsonl"
        self.fill(data, 300)
        self.godwit("export", file, "--data", data)
        lines = file.read_text().splitlines(keepends=True)
        bad = lines[150].replace('"max_attempts":20', '"max_attempts":0')
        for number, (spoilt, expect, said, queued) in enumerate([
            (lines[:150] + ["nonsense\n"] + lines[150:], USAGE, "line 151: ", 148),
            (lines[:150] + [bad] + lines[151:], USAGE, "line 151, job.max_attempts: ", 148),
            (lines[:150] + ['{"type":"job"}\n'] + lines[150:], USAGE, "line 151, queue: ", 148),
            (lines[:151], DAMAGED, "cut short", 149),
        ]):
            folder = self.folder / f"new-{number}"
            done = self.godwit("import", "--data", folder, stdin="".join(spoilt), expect=expect)
            self.assertIn(said, done.stderr)
            self.assertEqual(self.queues(folder)["q"]["counts"]["queued"], queued)
            # Put right, it goes on.
            self.godwit("import", "--data", folder, stdin="".join(lines))
            self.assertEqual(self.queues(folder)["q"]["counts"]["queued"], 300)
        folder = self.folder / "skipping"
        done = self.godwit("import", "--skip-bad", "--json", "--data", folder, stdin="".join(lines[:150] + [bad] + lines[151:]), expect=DAMAGED)
        self.assertEqual(json.loads(done.stdout)["lines_passed_over"], 1)
        self.assertIn("passed over line 151", done.stderr)
        self.assertEqual(self.queues(folder)["q"]["counts"]["queued"], 299)
        # Who repeats it is told, too.
        done = self.godwit("import", "--skip-bad", "--json", "--data", folder, stdin="".join(lines[:150] + [bad] + lines[151:]), expect=DAMAGED)
        told = json.loads(done.stdout)
        self.assertEqual((told["lines_passed_over"], told["jobs"], told["lines_there_already"]), (1, 0, len(lines) - 1))

    def test_an_export_that_breaks_off_is_none(self):
        server = self.serve()
        client = self.client(server)
        for _ in range(40):
            client.post("/v1/queues/big/jobs", os.urandom(1 << 20))
        process = self.start_godwit("export", "-", server=server, text=False)
        process.stdout.read(1 << 20)
        server.kill()
        process.stdout.read()
        self.assertEqual(process.wait(30), UNREACHABLE)


if __name__ == "__main__":
    unittest.main()
