"""`godwit work`: commands as handlers, and every way in which they and their worker end."""

import json
import os
import signal
import subprocess
import time
import unittest
from pathlib import Path

from commands import FAILED, OK, USAGE, CommandLineTest, few_descriptors
from support import GODWIT, end, eventually


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

    def test_a_trace_goes_from_curl_to_the_command_and_on_to_what_that_publishes(self):
        parent, state = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "a=b"
        subprocess.run(["curl", "-sf", "-d", "{}", "-H", f"traceparent: {parent}", "-H", f"tracestate: {state}",
                        f"{self.server.url}/v1/queues/q/jobs?name=curl"], check=True, capture_output=True, timeout=20)
        untraced = self.publish("q", "{}")
        publish = f'echo "$TRACEPARENT $TRACESTATE"; if [ -n "$TRACEPARENT" ]; then "{GODWIT}" publish next 1 >&2; fi'
        mine = {"TRACEPARENT": "00-11111111111111111111111111111111-2222222222222222-01", "TRACESTATE": "mine=1"}
        self.worker("q", "--", "sh", "-c", publish, env=mine)
        self.await_state(untraced, "succeeded")
        self.assertEqual(self.godwit("result", untraced).stdout, " \n")
        traced = json.loads(self.godwit("jobs", "--queue", "q", "--name", "curl", "--json").stdout.splitlines()[0])["id"]
        self.await_state(traced, "succeeded")
        self.assertEqual(self.godwit("result", traced).stdout, f"{parent} {state}\n")
        headers = self.client(self.server).post("/v1/queues/next/leases?wait=10s").json["leases"][0]["headers"]
        self.assertEqual(headers, {"traceparent": parent, "tracestate": state})

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

    def test_sigtstp_makes_a_worker_quiet_until_sigcont(self):
        running = self.publish("q", "{}")
        worker = self.worker("q", "--lease", "1s", "--concurrency", "2", "--json", "--", "sh", "-c", f"while [ ! -e {self.folder}/go ]; do sleep 0.05; done")
        self.await_state(running, "running")
        worker.send_signal(signal.SIGTSTP)
        self.assertIn("no more jobs are taken", worker.stderr.readline())
        waiting = self.publish("q", "{}")
        # Longer than its lease, and than a request for jobs that was under way: it lives, beats, and leaves alone what waits.
        time.sleep(1.5)
        status = Path(f"/proc/{worker.pid}/status").read_text()
        self.assertNotIn("State:\tT", status, "it is quiet, not stopped")
        self.assertEqual((self.state(running), self.state(waiting)), ("running", "queued"))
        (self.folder / "go").touch()
        self.await_state(running, "succeeded")
        self.assertEqual(json.loads(self.godwit("status", running, "--json").stdout)["attempt"], 1)
        self.assertEqual(self.state(waiting), "queued")
        self.assertIsNone(worker.poll())
        worker.send_signal(signal.SIGCONT)
        self.await_state(waiting, "succeeded")
        self.assertEqual(json.loads(self.godwit("status", waiting, "--json").stdout)["attempt"], 1)
        worker.send_signal(signal.SIGTSTP)
        worker.send_signal(signal.SIGTERM)
        self.assertEqual(worker.wait(20), OK)

    def test_a_quiet_worker_ends_on_sigterm(self):
        worker = self.worker("q", "--", "cat")
        self.await_state(self.publish("q", "{}"), "succeeded")
        worker.send_signal(signal.SIGTSTP)
        self.assertIn("quiet", "".join(worker.stderr.readline() for _ in range(2)))
        self.assertIsNone(worker.poll())
        worker.send_signal(signal.SIGTERM)
        self.assertEqual(worker.wait(20), OK)

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


if __name__ == "__main__":
    unittest.main()
