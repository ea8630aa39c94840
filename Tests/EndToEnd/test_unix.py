"""What every command does as Unix programs do: help, usage, streams, servers that are not there."""

import json
import os
import shutil
import socket
import subprocess
import threading
import unittest

from commands import OK, UNREACHABLE, USAGE
from support import GODWIT, EndToEndTest, eventually, free_port


class UnixTest(EndToEndTest):
    def test_help_version_and_completions(self):
        self.assertRegex(self.run_godwit("--version").stdout, r"^\d+\.\d+\.\d+")
        commands = ["serve", "publish", "work", "status", "result", "payload", "cancel", "retry", "forget", "jobs", "queues", "queue", "workers",
                    "schedules", "ready"]
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


if __name__ == "__main__":
    unittest.main()
