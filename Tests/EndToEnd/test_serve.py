"""`godwit serve`, and commands that work on a folder without a server: starting, stopping, tokens, damage, the bench."""

import json
import signal
import socket
import stat
import time
import unittest

from commands import DAMAGED, FAILED, OK, UNREACHABLE, USAGE
from support import EndToEndTest, Server


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
        named = {"GODWIT_TOKEN_FILE": str(token), "GODWIT_TOKEN": "wrong-0123456789abc"}
        self.assertEqual(self.run_godwit("queues", server=server, env=named).returncode, OK, "as for the server, the file comes first")

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


if __name__ == "__main__":
    unittest.main()
