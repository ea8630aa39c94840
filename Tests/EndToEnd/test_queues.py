"""Queues and counters from the command line."""

import json
import os
import subprocess
import time
import unittest

from commands import FAILED, OK, USAGE, CommandLineTest


class QueueTest(CommandLineTest):
    def test_jobs_are_paged(self):
        ids = self.godwit("publish", "q", "--lines", stdin="1\n" * 250).stdout.split()
        self.publish("other", "{}")
        done = self.godwit("jobs", "--queue", "q")
        self.assertEqual([line.split("\t")[0] for line in done.stdout.splitlines()], ids[:149:-1])
        cursor = done.stderr.split("--cursor ")[1].split(",")[0]
        rest = self.godwit("jobs", "--queue", "q", "--cursor", cursor, "--limit", "1000")
        self.assertEqual([line.split("\t")[0] for line in rest.stdout.splitlines()], ids[149::-1])
        self.assertEqual(rest.stderr, "")
        self.godwit("cancel", ids[3])
        self.assertEqual(self.godwit("jobs", "--state", "cancelled").stdout.split("\t")[:2], [ids[3], "cancelled"])

    def test_settings(self):
        queue = json.loads(self.godwit("queue", "set", "q", "--max-jobs", "10", "--lease", "5s", "--json").stdout)
        self.assertEqual((queue["settings"]["max_jobs"], queue["settings"]["lease"]), (10, "5s"))
        self.godwit("queue", "set", "q", "--retain-succeeded", "1h", "--retain-count", "5", "--default", "max-jobs")
        settings = json.loads(self.godwit("queue", "show", "q", "--json").stdout)["settings"]
        self.assertEqual((settings["max_jobs"], settings["lease"]), (1_000_000, "5s"))
        self.assertEqual(settings["retention"], {"succeeded": "1h", "failed": "7d", "count": 5})
        self.godwit("queue", "set", "q", "--retention", "none")
        self.assertIn("retention\tnone", self.godwit("queue", "show", "q").stdout)
        self.godwit("queue", "set", "q", "--max-jobs", "0", expect=USAGE)
        self.godwit("queue", "show", "missing", expect=FAILED)

    def test_pause_resume_purge_delete(self):
        job = self.publish("q", "{}")
        self.godwit("queue", "pause", "q")
        self.assertTrue(json.loads(self.godwit("queues", "--json").stdout)["paused"])
        self.assertIn("paused", self.godwit("queues").stdout)
        self.worker("q", "--", "cat")
        time.sleep(0.3)
        self.assertEqual(self.state(job), "queued")
        self.godwit("queue", "resume", "q")
        self.await_state(job, "succeeded")
        self.publish("idle", "{}")
        self.godwit("queue", "delete", "idle", expect=FAILED)
        self.assertEqual(self.godwit("queue", "purge", "idle", "--yes").stdout.strip(), "1")
        self.godwit("queue", "delete", "idle")
        self.publish("idle", "{}")
        self.godwit("queue", "delete", "idle", "--purge", "--yes")
        self.assertNotIn("idle", self.godwit("queues").stdout)


class CounterTest(CommandLineTest):
    def test_steps_are_counted_and_what_follows_is_published(self):
        then = os.path.join(self.folder, "then.json")
        with open(then, "w") as file:
            file.write('[\n  {"enqueue": {"queue": "after", "payload": "all"}}\n]\n')
        follows = '[{"add": {"key": "c", "step": "job", "at": 3}}, {"enqueue": {"queue": "sad", "payload": 1}, "when": "failed"}]'
        job = self.publish("q", "{}", "--on-final", follows)
        self.assertEqual(self.godwit("counter", "add", "c", "one", "--at", "3", "--then", "@" + then).stdout.strip(), "1/3")
        self.assertEqual(self.godwit("counter", "add", "c", "one", "--at", "3").stdout.strip(), "1/3 not counted: it was before")
        self.godwit("counter", "add", "c", "none", "--at", "3", "--n", "0")
        self.assertEqual(json.loads(self.godwit("counter", "show", "c", "--json").stdout), {"key": "c", "count": 1, "at": 3, "complete": False})
        waiting = self.start_godwit("counter", "show", "c", "--wait", server=self.server, stdout=subprocess.PIPE)
        self.godwit("cancel", job)
        self.assertEqual(self.godwit("counter", "show", "c").stdout.strip(), "2/3")
        lines = self.godwit("counter", "add", "c", "two", "--at", "3").stdout.split()
        self.assertEqual(lines[0], "3/3")
        self.assertEqual(self.godwit("payload", lines[1]).stdout, '"all"')
        self.assertEqual(waiting.communicate(timeout=60)[0].strip(), "3/3")
        self.assertNotIn("sad", self.godwit("queues").stdout)
        self.godwit("counter", "delete", "c")
        self.godwit("counter", "show", "c", expect=FAILED)
        self.godwit("counter", "add", "c", "one", "--at", "0", expect=USAGE)
        self.godwit("counter", "add", "c", "one", "--at", "1", "--then", "[", expect=USAGE)
        self.godwit("publish", "q", "{}", "--on-final", "@" + os.path.join(self.folder, "missing"), expect=USAGE)

    def test_what_follows_may_be_long(self):
        file = self.folder / "after.json"
        file.write_text(json.dumps([{"enqueue": {"queue": "after", "payload": "x" * 200_000}, "when": "cancelled"}]))
        options = ("--on-final", f"@{file}", "--key", "once", "--name", "long", "--delay", "1h", "--content-type", "text/plain")
        for _ in range(2):
            done = self.run_godwit("publish", "q", "a payload", *options, server=self.server)
            self.assertEqual(done.returncode, OK, done)
        job = done.stdout.strip()
        client = self.client(self.server)
        self.assertEqual(len(client.jobs("q")), 1)
        self.assertEqual((client.get(f"/v1/jobs/{job}").json["name"], client.get(f"/v1/jobs/{job}/payload").body), ("long", b"a payload"))
        self.assertEqual(self.run_godwit("cancel", job, server=self.server).returncode, OK)
        self.assertEqual(len(client.get("/v1/queues/after/browse").json["jobs"][0]["payload"]), 200_000)
        # What is wrong is still named as the option is.
        file.write_text(json.dumps([{"enqueue": {"queue": "after", "payload": "x" * 20_000, "priority": 1_000}}]))
        done = self.run_godwit("publish", "q", "1", "--on-final", f"@{file}", server=self.server)
        self.assertEqual(done.returncode, USAGE, done)

    def test_lines_have_what_follows_each(self):
        follows = '[{"enqueue": {"queue": "after", "payload": 1}}]'
        jobs = self.godwit("publish", "q", "--lines", "--on-final", follows, stdin="1\n2\n").stdout.split()
        self.assertEqual(len(jobs), 2)
        for job in jobs:
            self.godwit("cancel", job)
        self.assertEqual(json.loads(self.godwit("queue", "show", "after", "--json").stdout)["counts"]["queued"], 2)


if __name__ == "__main__":
    unittest.main()
