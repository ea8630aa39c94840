"""Every command through the real program: what it prints, how it exits, how it ends."""

import json
import os
import resource
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time
import unittest

from support import GODWIT, EndToEndTest, Server, end, eventually, free_port


def few_descriptors(limit):
    """Makes a child process live with so many open files."""
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))


OK, FAILED, USAGE, DAMAGED, UNREACHABLE, BUSY = 0, 1, 64, 65, 69, 75


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
        self.godwit("queue", "purge", "full")
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
        self.assertEqual(self.godwit("queue", "purge", "idle").stdout.strip(), "1")
        self.godwit("queue", "delete", "idle")
        self.publish("idle", "{}")
        self.godwit("queue", "delete", "idle", "--purge")
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


class WorkTest(CommandLineTest):
    def test_jobs_of_several_queues_run_side_by_side(self):
        jobs = [self.publish(queue, "{}") for queue in ("a", "b") for _ in range(4)]
        started = time.monotonic()
        worker = self.worker("a", "b", "--concurrency", "8", "--json", "--", "sh", "-c", "cat; sleep 1")
        for job in jobs:
            self.await_state(job, "succeeded")
        self.assertLess(time.monotonic() - started, 6)
        worker.send_signal(signal.SIGTERM)
        out, _ = worker.communicate(timeout=20)
        reports = [json.loads(line) for line in out.splitlines()]
        self.assertEqual({report["id"] for report in reports}, set(jobs))
        self.assertTrue(all(report["outcome"] == "completed" for report in reports))
        self.assertEqual(worker.returncode, OK)

    def test_a_failed_command_is_retried(self):
        marker = self.folder / "once"
        job = self.publish("q", "{}", "--name", "twice")
        self.worker("q", "--", "sh", "-c", f'if [ -e {marker} ]; then echo "$GODWIT_ATTEMPT $GODWIT_JOB_ID $GODWIT_JOB_NAME"; exit 0; fi; '
                    f"touch {marker}; echo first; echo no luck >&2; exit 3")
        self.await_state(job, "succeeded")
        self.assertEqual(self.godwit("result", job).stdout, f"2 {job} twice\n")
        errors = json.loads(self.godwit("status", job, "--json").stdout)["errors"]
        self.assertEqual([(error["message"], error["code"], error["attempt"]) for error in errors], [("no luck", "exit_3", 1)])

    def test_a_long_command_keeps_its_job(self):
        job = self.publish("q", "{}")
        self.worker("q", "--lease", "1s", "--", "sleep", "4")
        self.await_state(job, "succeeded")
        self.assertEqual(json.loads(self.godwit("status", job, "--json").stdout)["attempt"], 1)

    def test_a_cancelled_job_ends_its_command(self):
        marker = self.folder / "terminated"
        job = self.publish("q", "{}")
        worker = self.worker("q", "--lease", "900ms", "--", "sh", "-c", f"trap 'touch {marker}; exit' TERM; sleep 60 & wait")
        self.await_state(job, "running")
        self.godwit("cancel", job)
        eventually(marker.exists, 10)
        self.assertEqual(self.state(job), "cancelled")
        following = self.publish("q", "{}")
        self.await_state(following, "running")
        end(worker, 1)

    def test_an_attempt_that_takes_too_long_is_ended(self):
        job = self.publish("q", "{}", "--timeout", "500ms", "--max-attempts", "1")
        self.worker("q", "--", "sleep", "60")
        self.await_state(job, "failed")
        self.assertEqual(json.loads(self.godwit("status", job, "--json").stdout)["error"]["code"], "timeout")

    def test_sigterm_lets_the_command_finish(self):
        job = self.publish("q", "{}")
        later = self.publish("q", "{}")
        worker = self.worker("q", "--", "sh", "-c", "sleep 1.5; echo done")
        self.await_state(job, "running")
        worker.send_signal(signal.SIGTERM)
        self.assertEqual(worker.wait(20), OK)
        self.assertEqual(self.godwit("result", job).stdout, "done\n")
        self.assertEqual(self.state(later), "queued")

    def test_a_second_signal_gives_the_job_back_uncounted(self):
        job = self.publish("q", "{}")
        worker = self.worker("q", "--", "sleep", "60")
        self.await_state(job, "running")
        worker.send_signal(signal.SIGINT)
        time.sleep(0.3)
        self.assertIsNone(worker.poll())
        worker.send_signal(signal.SIGINT)
        self.assertEqual(worker.wait(20), OK)
        answer = json.loads(self.godwit("status", job, "--json").stdout)
        self.assertEqual((answer["state"], answer["attempt"], answer["errors"]), ("queued", 0, []))

    def test_a_worker_that_is_killed_loses_its_job_within_a_lease_time(self):
        job = self.publish("q", "{}")
        worker = self.worker("q", "--lease", "1s", "--", "sh", "-c", "echo $$ > %s; exec sleep 30" % (self.folder / "pid"))
        self.await_state(job, "running")
        pid = int(eventually(lambda: (self.folder / "pid").exists() and (self.folder / "pid").read_text().strip()))
        self.addCleanup(lambda: os.path.exists(f"/proc/{pid}") and os.kill(pid, signal.SIGKILL))
        worker.kill()
        started = time.monotonic()
        self.await_state(job, "queued")
        self.assertLess(time.monotonic() - started, 5)
        self.worker("q", "--", "cat")
        self.await_state(job, "succeeded")
        self.assertEqual(json.loads(self.godwit("status", job, "--json").stdout)["errors"][0]["code"], "lease_expired")

    def test_a_result_that_is_too_large_fails_for_good(self):
        job = self.publish("q", "{}")
        self.worker("q", "--max-output", "1000", "--", "sh", "-c", "head -c 100000 /dev/zero")
        self.await_state(job, "failed")
        self.assertEqual(json.loads(self.godwit("status", job, "--json").stdout)["error"]["code"], "result_too_large")

    def test_workers_outlive_a_restart_of_the_server(self):
        job = self.publish("q", "{}")
        worker = self.worker("q", "--", "sh", "-c", "sleep 2; echo through")
        self.await_state(job, "running")
        self.server.kill()
        self.server = self.serve(port=self.server.port)
        self.await_state(job, "succeeded")
        self.assertEqual(self.godwit("result", job).stdout, "through\n")
        self.assertEqual(json.loads(self.godwit("status", job, "--json").stdout)["attempt"], 1)
        following = self.publish("q", "{}")
        self.await_state(following, "succeeded")
        self.assertIsNone(worker.poll())

    def test_commands_that_cannot_run(self):
        self.godwit("work", "q", "--", "no-such-program", expect=USAGE)
        self.godwit("work", "q", expect=USAGE)
        self.godwit("work", "--", "cat", expect=USAGE)
        done = self.godwit("work", "q", "--concurrency", "40", "--", "cat", expect=USAGE, preexec_fn=few_descriptors(200))
        self.assertIn("ulimit -n", done.stderr)

    def test_a_worker_whose_program_is_gone_ends_and_gives_its_job_back(self):
        program = self.folder / "program"
        program.write_text("#!/bin/sh\nexec cat\n")
        program.chmod(0o755)
        worker = self.worker("q", "--", str(program))
        self.await_state(self.publish("q", "{}"), "succeeded")
        program.unlink()
        job = self.publish("q", "{}")
        _, err = worker.communicate(timeout=30)
        self.assertEqual(worker.returncode, USAGE)
        self.assertIn(f"cannot start {program}", err)
        answer = json.loads(self.godwit("status", job, "--json").stdout)
        self.assertEqual((answer["state"], answer["attempt"]), ("queued", 0))

    def test_a_script_without_a_first_line_is_run_by_the_shell(self):
        program = self.folder / "program"
        program.write_text("tr a-z A-Z\n")
        program.chmod(0o755)
        self.worker("q", "--", str(program))
        self.assertEqual(self.godwit("publish", "q", "loud", "--wait").stdout, "LOUD")

    def test_a_worker_out_of_descriptors_goes_on_when_there_are_some_again(self):
        # More commands than there are descriptors for: it inherits eighty that are open already.
        with open("/dev/null", "rb") as null:
            inherited = [os.dup(null.fileno()) for _ in range(80)]
            try:
                jobs = self.godwit("publish", "q", "--lines", stdin="1\n" * 24).stdout.split()
                worker = self.worker(
                    "q", "--concurrency", "16", "--", "sh", "-c", "sleep 0.2; cat", preexec_fn=few_descriptors(6 * 16 + 32 + 3 * os.cpu_count()),
                    pass_fds=inherited, stderr=subprocess.PIPE)
            finally:
                for descriptor in inherited:
                    os.close(descriptor)
        for job in jobs:
            self.await_state(job, "succeeded")
        worker.send_signal(signal.SIGTERM)
        _, err = worker.communicate(timeout=30)
        self.assertIn("trying again", err, "it was never out of descriptors: the test tests nothing")

    def test_a_payload_as_deep_as_may_be_is_given_to_its_command(self):
        depth = 100
        payload = "[" * depth + "]" * depth
        other = self.publish("deep", "{}")
        job = self.publish("deep", payload)
        self.worker("deep", "--concurrency", "2", "--", "cat")
        self.await_state(job, "succeeded")
        self.await_state(other, "succeeded")
        self.assertEqual(self.godwit("result", job).stdout, payload)
        self.assertIn(payload, self.godwit("result", job, "--json").stdout)

    def test_a_result_that_the_server_refuses_fails_its_job_for_good(self):
        server = self.serve("small", arguments=["--max-job-bytes", "1000"])
        job = self.run_godwit("publish", "q", "{}", server=server).stdout.strip()
        self.start_godwit("work", "q", "--", "head", "-c", "2000", "/dev/zero", server=server)
        done = self.run_godwit("result", job, "--wait", "--json", server=server)
        self.assertEqual(done.returncode, FAILED)
        answer = json.loads(self.run_godwit("status", job, "--json", server=server).stdout)
        self.assertEqual((answer["state"], answer["attempt"], answer["error"]["code"]), ("failed", 1, "result_too_large"))

    def test_what_a_cancelled_command_started_ends_with_it(self):
        pid_file = self.folder / "pid"
        job = self.publish("q", "{}")
        self.worker("q", "--lease", "900ms", "--kill-after", "500ms", "--", "sh", "-c",
                    f"sh -c 'trap \"\" TERM; echo $$ > {pid_file}; exec sleep 60' & exec sleep 60")
        pid = int(eventually(lambda: pid_file.exists() and pid_file.read_text().strip()))
        self.godwit("cancel", job)

        def gone():
            try:
                with open(f"/proc/{pid}/stat", encoding="utf-8") as status:
                    return status.read().rpartition(")")[2].split()[0] == "Z"
            except FileNotFoundError:
                return True

        eventually(gone, 20, what="the end of what the command started")


class UnixTest(EndToEndTest):
    def test_help_version_and_completions(self):
        self.assertRegex(self.run_godwit("--version").stdout, r"^\d+\.\d+\.\d+")
        commands = ["serve", "publish", "work", "status", "result", "payload", "cancel", "retry", "forget", "jobs", "queues", "queue"]
        text = self.run_godwit("--help").stdout
        for command in commands:
            self.assertIn(command, text)
            done = self.run_godwit(command, "--help")
            self.assertEqual((done.returncode, done.stderr), (OK, ""))
            self.assertIn(f"  godwit {command}", done.stdout, "every command's help has an example")
        self.assertIn("  godwit publish thumbnails", text)

    def test_completions(self):
        for shell in ("bash", "zsh", "fish"):
            done = self.run_godwit("--generate-completion-script", shell)
            self.assertEqual((done.returncode, done.stderr), (OK, ""))
            for word in ("publish", "retry-for", "max-attempts", "work"):
                self.assertIn(word, done.stdout)
            self.assertNotIn("--command", done.stdout, "an option that only the parser uses is not offered")
            if shutil.which(shell):
                self.assertEqual(subprocess.run([shell, "-n"], input=done.stdout, text=True, check=False).returncode, OK)
        script = self.run_godwit("--generate-completion-script", "bash").stdout
        ask = "COMP_WORDS=(godwit pub); COMP_CWORD=1; COMP_TYPE=9; _godwit godwit pub godwit; echo \"${COMPREPLY[@]}\""
        done = subprocess.run(["bash", "--norc"], input=f"{script}\n{ask}\n", text=True, capture_output=True, check=False, env={
            "PATH": os.environ["PATH"], "HOME": str(self.folder)})
        self.assertEqual(done.stdout.split(), ["publish"], done.stderr)
        self.assertNotEqual(self.run_godwit("--generate-completion-script", "tcsh-of-old").returncode, OK)

    def test_wrong_usage(self):
        for arguments in (["nonsense"], ["publish"], ["publish", "q", "x", "--delay", "soon"], ["status"], ["jobs", "--limit", "x"]):
            done = self.run_godwit(*arguments)
            self.assertEqual((done.returncode, done.stdout), (USAGE, ""))
            self.assertTrue(done.stderr)
        for url in ("localhost:8080", "ftp://localhost", "http://"):
            self.assertEqual(self.run_godwit("queues", "--server", url).returncode, USAGE)

    def test_without_a_server(self):
        url = f"http://127.0.0.1:{free_port()}"
        for arguments in (["publish", "q", "x"], ["status", "j"], ["work", "q", "--", "cat"], ["queues"], ["status", "j", "--watch"]):
            done = self.run_godwit(*arguments, env={"GODWIT_SERVER": url})
            self.assertEqual(done.returncode, UNREACHABLE, done.stderr)
            self.assertIn("godwit serve", done.stderr)
            self.assertIn(url, done.stderr)

    def test_a_lost_answer_is_no_refusal(self):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()

            def hang_up():
                for _ in range(3):
                    connection, _ = listener.accept()
                    connection.recv(4_096)
                    connection.close()

            threading.Thread(target=hang_up, daemon=True).start()
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            done = self.run_godwit("publish", "q", "{}", "--server", url, "--json", "--retry-for", "10s")
            self.assertEqual((done.returncode, json.loads(done.stderr)["code"]), (UNREACHABLE, "outcome_unknown"))
            done = self.run_godwit("publish", "q", "--lines", "--server", url, stdin="1\n2\n")
            self.assertEqual((done.returncode, done.stdout), (UNREACHABLE, ""))
            self.assertIn("lines 1 to 2", done.stderr)
            self.assertNotIn("none of these was published", done.stderr)
            done = self.run_godwit("queues", "--server", url)
            self.assertEqual(done.returncode, UNREACHABLE)

    def test_waiting_that_breaks_off_says_which_job_it_was(self):
        server = self.serve()
        waiting = self.start_godwit("publish", "q", "{}", "--wait", server=server)
        client = self.client(server)
        job = eventually(lambda: client.get("/v1/queues/q").status == 200 and client.jobs("q"))[0]["id"]
        server.kill()
        _, err = waiting.communicate(timeout=60)
        self.assertEqual(waiting.returncode, UNREACHABLE)
        self.assertIn(job, err)

    def test_a_name_cannot_steer_the_terminal(self):
        server = self.serve()
        client = self.client(server)
        # A server of another version, or a library in the same process, may have let it through.
        done = client.post("/v1/queues/q/jobs?name=%1B%5B31mred%0Aid%20%20fake", {})
        if done.status == 202:
            text = self.run_godwit("status", done.json["id"], server=server).stdout
            self.assertNotIn("\x1b", text)
            self.assertEqual(sum(line.startswith("id") for line in text.splitlines()), 1)

    def test_the_option_wins_over_the_environment(self):
        server = self.serve()
        done = self.run_godwit("publish", "q", "x", "--server", server.url, env={"GODWIT_SERVER": "http://127.0.0.1:9"})
        self.assertEqual(done.returncode, OK)

    def test_a_reader_that_goes_away_is_no_error(self):
        server = self.serve()
        self.run_godwit("publish", "q", "--lines", stdin="1\n" * 3_000, server=server)
        script = f"{GODWIT} jobs --all --server {server.url} | head -n 1"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual((len(done.stdout.splitlines()), done.stderr), (1, ""))

    def test_nothing_but_results_on_standard_output_and_no_colours(self):
        server = self.serve()
        done = self.run_godwit("publish", "q", "--lines", stdin="1\n2\n", server=server)
        self.assertEqual((len(done.stdout.split()), done.stderr), (2, ""))
        for arguments in (["queues"], ["jobs"]):
            self.assertNotIn("\x1b", self.run_godwit(*arguments, server=server).stdout)


class ServeTest(EndToEndTest):
    def test_says_where_it_is_and_drains_on_sigterm(self):
        process = self.start_godwit("serve", "--http", "127.0.0.1:0", "--json", cwd=self.folder)
        said = json.loads(process.stdout.readline())
        self.assertEqual(said["data"], str((self.folder / "godwit-data").resolve()))
        self.assertNotIn(":0", said["http"][-3:])
        self.assertEqual(self.run_godwit("publish", "q", "{}", env={"GODWIT_SERVER": said["http"]}).returncode, OK)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(20), OK)
        again = self.start_godwit("serve", "--http", "127.0.0.1:0", cwd=self.folder)
        data, url = again.stdout.readline().split(), again.stdout.readline().split()
        self.assertEqual((data, url[0]), (["data", said["data"]], "http"))
        self.assertEqual(len(self.run_godwit("jobs", env={"GODWIT_SERVER": url[1]}).stdout.splitlines()), 1)
        again.send_signal(signal.SIGINT)
        self.assertEqual(again.wait(20), OK)

    def test_a_long_poll_does_not_hold_up_the_end(self):
        server = self.serve()
        job = self.run_godwit("publish", "q", "{}", server=server).stdout.strip()
        self.start_godwit("status", job, "--watch", server=server)
        self.start_godwit("result", job, "--wait", server=server)
        self.start_godwit("work", "other", "--", "cat", server=server)
        time.sleep(0.5)
        started = time.monotonic()
        self.assertEqual(server.stop(), OK)
        self.assertLess(time.monotonic() - started, 8)

    def test_a_port_in_use(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            done = self.run_godwit("serve", "--data", str(self.folder / "d"), "--http", f"127.0.0.1:{taken.getsockname()[1]}")
        self.assertEqual(done.returncode, UNREACHABLE)
        self.assertIn("in use", done.stderr)
        self.assertEqual(done.stdout, "")

    def test_one_process_a_folder(self):
        server = self.serve()
        for arguments in (["serve", "--http", "127.0.0.1:0"], ["queues"], ["publish", "q", "x"]):
            done = self.run_godwit(*arguments, "--data", server.data)
            self.assertEqual(done.returncode, UNREACHABLE, done)
            self.assertIn(str(server.process.pid), done.stderr)
            self.assertIn("godwit serve", done.stderr)

    def test_other_machines_need_a_token(self):
        done = self.run_godwit("serve", "--data", str(self.folder / "d"), "--http", "0.0.0.0:0")
        self.assertEqual(done.returncode, USAGE)
        self.assertIn("--token-file", done.stderr)
        self.assertFalse((self.folder / "d").exists(), "a server that may not start makes no folder")
        for arguments in (["--http", "nonsense:port"], ["--token-file", "/nowhere"], ["--log-level", "loud"], ["--max-job-bytes", "0"]):
            self.assertEqual(self.run_godwit("serve", "--data", str(self.folder / "d"), *arguments).returncode, USAGE)

    def test_tokens(self):
        token = self.folder / "token"
        token.write_text("0123456789abcdef0123\n")
        server = Server(self.folder / "data", arguments=["--token-file", str(token)])
        self.addCleanup(server.stop)
        server.ready()
        done = self.run_godwit("queues", server=server)
        self.assertEqual(done.returncode, FAILED)
        self.assertIn("--token-file", done.stderr)
        self.assertEqual(self.run_godwit("queues", "--token-file", str(token), server=server).returncode, OK)
        self.assertEqual(self.run_godwit("queues", server=server, env={"GODWIT_TOKEN": "0123456789abcdef0123"}).returncode, OK)
        self.assertEqual(self.run_godwit("queues", server=server, env={"GODWIT_TOKEN": "wrong-0123456789abc"}).returncode, FAILED)

    def test_no_auto_create(self):
        server = self.serve(arguments=["--no-auto-create"])
        done = self.run_godwit("publish", "q", "{}", server=server)
        self.assertEqual(done.returncode, FAILED)
        self.assertIn("no queue", done.stderr)
        self.assertEqual(self.run_godwit("work", "q", "--", "cat", server=server).returncode, FAILED)
        self.assertEqual(self.run_godwit("queue", "set", "q", "--max-jobs", "10", server=server).returncode, OK)
        self.assertEqual(self.run_godwit("publish", "q", "{}", server=server).returncode, OK)

    def test_a_damaged_folder_is_refused_and_left_alone(self):
        server = self.serve()
        for number in range(20):
            self.assertEqual(self.run_godwit("publish", "q", f'{{"number": {number}, "text": "damage me"}}', server=server).returncode, OK)
        server.stop()
        folder = self.folder / "data"
        segments = [file for file in sorted(folder.rglob("*")) if file.is_file() and b"damage me" in file.read_bytes()]
        self.assertTrue(segments)
        damaged = segments[0]
        offset = damaged.read_bytes().index(b"damage me")
        with open(damaged, "r+b") as file:
            file.seek(offset)
            file.write(b"DAMAGE")
        before = {file: (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) for file in folder.rglob("*") if file.is_file()}
        for arguments in (["serve", "--http", "127.0.0.1:0"], ["queues"]):
            done = self.run_godwit(*arguments, "--data", str(folder))
            self.assertEqual(done.returncode, DAMAGED, done)
            self.assertIn(damaged.name, done.stderr)
            self.assertRegex(done.stderr, r"at offset \d+")
        after = {file: (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) for file in folder.rglob("*") if file.is_file()}
        self.assertEqual([str(file) for file in before if after.get(file) != before[file] and "lock" not in file.name], [])


class BenchTest(EndToEndTest):
    def test_a_round_does_not_mix_with_what_another_one_left(self):
        broker = ("--broker", f"embedded:{self.folder / 'data'}")
        for raw in (["--raw"], []):
            self.assertEqual(self.run_godwit("bench", *raw, *broker, "--fill", "100").returncode, OK)
            done = self.run_godwit("bench", *raw, *broker, "--jobs", "50")
            self.assertEqual(done.returncode, USAGE, done)
            self.assertIn("--drain", done.stderr)
            done = self.run_godwit("bench", *raw, *broker, "--drain", "--json")
            self.assertEqual((done.returncode, json.loads(done.stdout)["jobs"]), (OK, 100), done)
            done = self.run_godwit("bench", *raw, *broker, "--jobs", "50", "--json")
            self.assertEqual((done.returncode, json.loads(done.stdout)["jobs"]), (OK, 50), done)


class FolderTest(EndToEndTest):
    def test_commands_work_on_a_folder_that_no_server_holds(self):
        data = ("--data", str(self.folder / "data"))
        job = self.run_godwit("publish", "q", '{"a": 1}', *data).stdout.strip()
        self.assertIn(job, self.run_godwit("jobs", *data).stdout)
        ids = self.run_godwit("publish", "q", "--lines", *data, stdin="1\n2\n").stdout.split()
        worker = self.start_godwit("work", "q", "--json", *data, "--", "cat")
        done = [json.loads(worker.stdout.readline())["id"] for _ in range(3)]
        self.assertEqual(done, [job, *ids])
        worker.send_signal(signal.SIGTERM)
        self.assertEqual(worker.wait(20), OK)
        self.assertEqual(self.run_godwit("result", job, *data).stdout, '{"a": 1}')
        self.assertEqual(self.run_godwit("status", job, "--watch", *data).stdout.strip(), "succeeded")
        self.assertEqual(json.loads(self.run_godwit("queues", "--json", *data).stdout)["counts"]["succeeded"], 3)
        self.assertEqual(self.run_godwit("payload", "nonsense", *data).returncode, FAILED)
        server = self.serve()
        self.assertEqual(self.run_godwit("result", job, server=server).stdout, '{"a": 1}')

    def test_a_folder_that_is_not_there_is_not_made_by_reading(self):
        done = self.run_godwit("queues", "--data", str(self.folder / "typo"))
        self.assertEqual(done.returncode, UNREACHABLE)
        self.assertFalse((self.folder / "typo").exists())

    def test_a_folder_without_a_store_does_not_become_one_by_reading(self):
        (self.folder / "letter.txt").write_text("dear store")
        for arguments in (["queues"], ["jobs"], ["export", "-"], ["backup", "-"], ["status", "x"]):
            done = self.run_godwit(*arguments, "--data", str(self.folder))
            self.assertEqual(done.returncode, UNREACHABLE, done)
            self.assertIn("holds no store", done.stderr)
            self.assertEqual([file.name for file in self.folder.iterdir()], ["letter.txt"])


if __name__ == "__main__":
    unittest.main()
