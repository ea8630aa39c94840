"""Publishing and following jobs from the command line: what it prints, how it exits."""

import json
import subprocess
import time
import unittest

from commands import BUSY, FAILED, OK, USAGE, CommandLineTest


class PublishTest(CommandLineTest):
    def test_the_payload_comes_from_the_argument_or_from_standard_input(self):
        for arguments, stdin, payload in (
            (["q", '{"a": 1}'], None, b'{"a": 1}'), (["q"], b"plain words\n", b"plain words\n"), (["q", "-"], b"\xff\x00", b"\xff\x00"),
            (["q", "--", "--json"], None, b"--json"), (["q", ""], None, b""),
        ):
            job = self.godwit("publish", *arguments, stdin=stdin, binary=True).stdout.decode().strip()
            self.assertEqual(self.godwit("payload", job, binary=True).stdout, payload)

    def test_options_reach_the_job(self):
        done = self.godwit(
            "publish", "q", "{}", "--name", "thumbnail", "--delay", "1h", "--priority", "7", "--max-attempts", "3", "--expires", "2h",
            "--timeout", "1m", "--json")
        job = json.loads(done.stdout)
        self.assertEqual((job["name"], job["state"], job["max_attempts"]), ("thumbnail", "scheduled", 3))
        self.assertIsNotNone(job["run_at"])
        year = time.gmtime().tm_year + 2
        job = json.loads(self.godwit("publish", "q", "{}", "--run-at", f"{year}-01-01T00:00:00Z", "--json").stdout)
        self.assertEqual((job["state"], job["run_at"]), ("scheduled", f"{year}-01-01T00:00:00.000Z"))

    def test_a_transient_job_is_gone_when_the_server_starts_again(self):
        gone, kept = self.publish("q", "1", "--transient"), self.publish("q", "2")
        lines = self.godwit("publish", "q", "--lines", "--transient", stdin="3\n4\n").stdout.split()
        self.assertTrue(json.loads(self.godwit("status", gone, "--json").stdout)["transient"])
        self.godwit("publish", "q", "1", "--transient", "--key", "k", expect=USAGE)
        self.server.stop()
        self.server = self.serve()
        for job in [gone, *lines]:
            self.godwit("status", job, expect=FAILED)
        self.assertEqual(self.state(kept), "queued")

    def test_a_key_makes_one_job(self):
        first = self.publish("q", "{}", "--key", 'order "1"')
        self.assertEqual(self.publish("q", "{}", "--key", 'order "1"'), first)
        done = self.godwit("publish", "q", '{"other": 1}', "--key", 'order "1"', expect=USAGE)
        self.assertIn("key", done.stderr)

    def test_lines(self):
        lines = [f'{{"n": {number}}}' for number in range(2_500)] + ["", "plain words"]
        done = self.godwit("publish", "lines", "--lines", stdin="\n".join(lines) + "\n")
        ids = done.stdout.split()
        self.assertEqual((len(ids), len(set(ids)), done.stderr), (2_501, 2_501, ""))
        self.assertEqual(self.godwit("payload", ids[1_700]).stdout, '{"n": 1700}')
        self.assertEqual(self.godwit("payload", ids[-1]).stdout, "plain words")
        listed = self.godwit("jobs", "--queue", "lines", "--all", "--json").stdout.splitlines()
        self.assertEqual([json.loads(line)["id"] for line in listed], ids[::-1])

    def test_lines_of_a_slow_producer_are_published_as_they_come(self):
        process = self.start_godwit("publish", "slow", "--lines", server=self.server, stdin=subprocess.PIPE)
        for number in range(3):
            process.stdin.write(f"{number}\n")
            process.stdin.flush()
            job = process.stdout.readline().strip()
            self.assertEqual(self.godwit("payload", job).stdout, str(number))
        process.stdin.close()
        self.assertEqual(process.wait(20), OK)

    def test_a_line_that_is_refused_is_named(self):
        self.godwit("queue", "set", "small", "--max-jobs", "1000")
        done = self.godwit("publish", "small", "--lines", stdin="1\n" * 1_500, expect=BUSY)
        self.assertEqual(len(done.stdout.split()), 1_000)
        self.assertIn("lines 1001 to 1500", done.stderr)

    def test_a_full_queue_is_busy_and_waiting_for_it_helps(self):
        self.godwit("queue", "set", "full", "--max-jobs", "1")
        self.publish("full", "{}")
        done = self.godwit("publish", "full", "{}", expect=BUSY)
        self.assertIn("full", done.stderr)
        problem = json.loads(self.godwit("publish", "full", "{}", "--json", expect=BUSY).stderr)
        self.assertEqual((problem["code"], problem["status"]), ("busy", 503))
        self.assertGreater(problem["retry_after_ms"], 0)
        self.godwit("publish", "full", "{}", "--retry-for", "100ms", expect=BUSY)
        waiting = self.start_godwit("publish", "full", "{}", "--retry-for", "60s", server=self.server)
        self.assertIsNone(waiting.poll())
        self.godwit("queue", "purge", "full", "--yes")
        self.assertEqual(waiting.wait(30), OK)

    def test_waiting_for_the_result(self):
        self.worker("upper", "fails", "--", "sh", "-c", 'if [ "$GODWIT_QUEUE" = fails ]; then echo broken >&2; exit 1; fi; tr a-z A-Z')
        self.assertEqual(self.godwit("publish", "upper", "hello", "--wait").stdout, "HELLO")
        done = self.godwit("publish", "upper", "hello", "--wait", "--json")
        self.assertEqual(json.loads(done.stdout)["state"], "succeeded")
        done = self.godwit("publish", "fails", "x", "--max-attempts", "1", "--wait", expect=FAILED)
        self.assertIn("broken", done.stderr)
        self.assertEqual(done.stdout, "")
        done = self.godwit("publish", "fails", "x", "--max-attempts", "1", "--wait", "--json", expect=FAILED)
        self.assertEqual(json.loads(done.stdout)["error"]["code"], "exit_1")


class WatchTest(CommandLineTest):
    def test_status_result_and_payload(self):
        job = self.publish("q", '{"a":1}', "--name", "demo")
        text = self.godwit("status", job).stdout
        for part in (job, "demo", "queued", "0 of 20"):
            self.assertIn(part, text)
        self.assertIn("queued", self.godwit("result", job, expect=BUSY).stderr)
        self.worker("q", "--", "sh", "-c", 'printf "[%s]" "$GODWIT_ATTEMPT"; cat >/dev/null')
        self.assertEqual(self.godwit("result", job, "--wait").stdout, "[1]")
        self.assertEqual(json.loads(self.godwit("result", job, "--json").stdout), {"content_type": "application/json", "payload": [1]})
        self.assertEqual(json.loads(self.godwit("payload", job, "--json").stdout)["payload"], {"a": 1})

    def test_watching_shows_each_change_and_ends_with_the_job(self):
        job = self.publish("q", "{}", "--max-attempts", "1")
        watch = self.start_godwit("status", job, "--watch", server=self.server)
        as_json = self.start_godwit("status", job, "--watch", "--json", server=self.server)
        self.assertEqual(watch.stdout.readline().strip(), "queued")
        self.worker("q", "--", "sh", "-c", "sleep 0.2; echo no >&2; exit 9")
        out, err = watch.communicate(timeout=30)
        self.assertEqual((watch.returncode, out.splitlines()[0]), (FAILED, "running"))
        self.assertIn("exit_9", err)
        states = [json.loads(line)["state"] for line in as_json.communicate(timeout=30)[0].splitlines()]
        self.assertEqual(states, ["queued", "running", "failed"])

    def test_an_unknown_job_and_a_forgotten_one(self):
        for command in (["status"], ["status", "--watch"], ["result"], ["payload"], ["cancel"], ["retry"], ["forget"]):
            done = self.godwit(command[0], "nonsense", *command[1:], expect=FAILED)
            self.assertIn("no job", done.stderr)
        job = self.publish("q", "{}")
        self.godwit("forget", job, expect=FAILED)
        self.godwit("cancel", job)
        self.godwit("forget", job)
        self.assertIn("no longer kept", self.godwit("status", job, expect=FAILED).stderr)

    def test_cancel_and_retry(self):
        jobs = [self.publish("q", "{}") for _ in range(2)]
        self.assertEqual(self.godwit("cancel", *jobs).stdout.split(), [jobs[0], "cancelled", jobs[1], "cancelled"])
        self.godwit("result", jobs[0], expect=FAILED)
        self.assertEqual(json.loads(self.godwit("retry", jobs[0], "--json").stdout)["state"], "queued")


if __name__ == "__main__":
    unittest.main()
