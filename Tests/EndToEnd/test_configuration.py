"""How `godwit serve` is told what to do, what it logs, and how it stops."""

import json
import signal
import socket
import time
import unittest
from pathlib import Path

from commands import FAILED, OK, USAGE
from support import EndToEndTest, end, eventually

TOKEN = "s3cr3t-0123456789abcdef"


class SettingsTest(EndToEndTest):
    def config(self, **settings):
        path = self.folder / "config.json"
        path.write_text(json.dumps(settings))
        return str(path)

    def shown(self, *arguments, env=None):
        done = self.run_godwit("serve", *arguments, "--print-config", "--json", env=env)
        self.assertEqual(done.returncode, OK, done)
        return json.loads(done.stdout)

    def test_flags_come_before_the_environment_before_the_file(self):
        config = self.config(max_queues=1, max_connections=2, drain="3s", allow_host=["a", "b"])
        shown = self.shown("--config", config, "--max-queues", "10", env={"GODWIT_MAX_QUEUES": "20", "GODWIT_MAX_CONNECTIONS": "30", "GODWIT_DRAIN": ""})
        self.assertEqual(shown["max_queues"], {"value": 10, "source": "flag", "origin": "--max-queues"})
        self.assertEqual(shown["max_connections"], {"value": 30, "source": "environment", "origin": "GODWIT_MAX_CONNECTIONS"})
        self.assertEqual(shown["drain"], {"value": "3s", "source": "file", "origin": config})
        self.assertEqual(shown["allow_host"]["value"], ["a", "b"])
        self.assertEqual(shown["log_format"], {"value": "text", "source": "default", "origin": None})
        self.assertEqual(shown["config"]["source"], "flag")
        self.assertEqual(self.shown(env={"GODWIT_CONFIG": config})["max_queues"]["value"], 1)
        self.assertEqual([path.name for path in self.folder.iterdir()], ["config.json"], "nothing was started")

    def test_the_token_is_not_shown(self):
        for json_too in ([], ["--json"]):
            done = self.run_godwit("serve", "--print-config", *json_too, env={"GODWIT_TOKEN": TOKEN})
            self.assertEqual(done.returncode, OK, done)
            self.assertIn("GODWIT_TOKEN", done.stdout)
            self.assertNotIn(TOKEN, done.stdout + done.stderr)

    def test_a_server_does_what_the_file_says(self):
        config = self.config(auto_create=False, max_job_bytes=10, token_file=str(self.folder / "token"), log_level="debug")
        (self.folder / "token").write_text(TOKEN)
        server = self.serve(arguments=["--config", config])
        self.assertEqual(self.run_godwit("queues", server=server).returncode, FAILED)
        env = {"GODWIT_TOKEN": TOKEN}
        done = self.run_godwit("publish", "q", "{}", server=server, env=env)
        self.assertEqual(done.returncode, FAILED)
        self.assertIn("no queue", done.stderr)
        self.assertEqual(self.run_godwit("queue", "set", "q", "--max-jobs", "10", server=server, env=env).returncode, OK)
        done = self.run_godwit("publish", "q", '{"long": "payload"}', server=server, env=env)
        self.assertIn("larger than 10 bytes", done.stderr)
        self.assertNotIn(TOKEN, server.output())

    def test_what_is_wrong_is_said_with_its_place(self):
        for settings, words in (
                ({"max_connections": "many"}, ("max_connections", "config.json", "from 1 to")), ({"max-connections": 1}, ("config.json", "max_connections")),
                ({"drain": "soon"}, ("drain", "config.json", "5s")), ({"token": TOKEN}, ("config.json", "token_file"))):
            done = self.run_godwit("serve", "--data", str(self.folder / "d"), "--config", self.config(**settings), env={"GODWIT_DRAIN": ""})
            self.assertEqual(done.returncode, USAGE, done)
            for word in words:
                self.assertIn(word, done.stderr)
            self.assertNotIn(TOKEN, done.stderr)
        done = self.run_godwit("serve", "--config", str(self.folder / "nowhere.json"))
        self.assertEqual(done.returncode, USAGE)
        self.assertIn("nowhere.json", done.stderr)
        done = self.run_godwit("serve", env={"GODWIT_MAX_QUEUES": "few"})
        self.assertEqual(done.returncode, USAGE)
        self.assertIn("GODWIT_MAX_QUEUES", done.stderr)
        self.assertFalse((self.folder / "d").exists())

    def test_a_variable_that_is_no_setting_is_warned_of(self):
        env = {"GODWIT_MAXQUEUES": TOKEN, "GODWIT_JOB_ID": "1"}
        for json_too in ([], ["--json"]):
            done = self.run_godwit("serve", "--print-config", *json_too, env=env)
            self.assertEqual(done.returncode, OK, done)
            self.assertEqual(done.stderr.count("GODWIT_MAXQUEUES is no setting"), 1, done)
            self.assertIn("is GODWIT_MAX_QUEUES meant?", done.stderr)
            self.assertNotIn("GODWIT_JOB_ID", done.stderr)
            self.assertIn("GODWIT_MAXQUEUES", done.stdout)
            self.assertNotIn(TOKEN, done.stdout + done.stderr)
        server = self.serve(env=env)
        self.assertIn("GODWIT_MAXQUEUES is no setting", server.output())

    def test_an_address_has_as_many_connections_as_is_said(self):
        server = self.serve(arguments=["--max-connections-per-address", "1"])

        def connected():
            connection = socket.create_connection(("127.0.0.1", server.port))
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            if b" 200 " in connection.recv(100):
                return connection
            return connection.close()

        # The one that asked whether the server is ready may not be gone yet.
        with eventually(connected, what="the only connection"), socket.create_connection(("127.0.0.1", server.port)) as second:
            answer = b""
            while data := second.recv(10_000):
                answer += data
        self.assertIn(b" 503 ", answer)
        self.assertIn(b"max_connections_per_address", answer)


class LogTest(EndToEndTest):
    def test_lines_of_json_with_the_audit_among_them(self):
        process = self.start_godwit(
            "serve", "--data", str(self.folder / "data"), "--http", "127.0.0.1:0", "--json", env={"GODWIT_LOG_FORMAT": "json", "GODWIT_LOG_LEVEL": "debug"})
        url = json.loads(process.stdout.readline())["http"]
        env = {"GODWIT_SERVER": url}
        self.assertEqual(self.run_godwit("publish", "q", "{}", env=env).returncode, OK)
        self.assertEqual(self.run_godwit("queue", "purge", "q", "--yes", env=env).returncode, OK)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=20)
        self.assertEqual(process.returncode, OK)
        lines = [json.loads(line) for line in said.splitlines()]
        for line in lines:
            self.assertRegex(line["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
            self.assertLessEqual({"time", "level", "label", "message", "source"}, set(line))
        audit = next(line for line in lines if line["label"] == "godwit.audit")
        self.assertEqual((audit["level"], audit["metadata"]["act"], audit["metadata"]["queue"]), ("notice", "purge", "q"))
        self.assertTrue(any(line["message"] == "Listening" and line["metadata"] == {"url": url} for line in lines))

    def test_text_is_the_default(self):
        server = self.serve()
        server.stop()
        self.assertRegex(Path(f"{server.data}.log").read_text(), r"info godwit: .*Listening")


class StoppingTest(EndToEndTest):
    def test_settles_and_renewals_are_taken_on_new_connections_while_it_drains(self):
        server = self.serve(arguments=["--drain", "30s"])
        client = self.client(server)
        for _ in range(2):
            self.assertEqual(client.post("/v1/queues/q/jobs", {"a": 1}).status, 202)
        leases = [lease["lease"] for lease in client.post("/v1/queues/q/leases?max=2&lease=1m").json["leases"]]
        client.close()
        server.process.send_signal(signal.SIGTERM)
        # Each on a connection of its own: what answers while the server drains is closed after it.
        eventually(lambda: client.get("/readyz").status == 503)
        for path in ("/v1/queues/q/jobs", "/v1/queues/q/leases?wait=20s"):
            answer = client.post(path, {} if path.endswith("jobs") else None)
            self.assertEqual((answer.status, answer.headers["Retry-After"]), (503, "1"), path)
        # Longer than the drain would last if nobody were there: it goes on for those who are.
        time.sleep(1)
        answer = client.post("/v1/leases/renew", {"renewals": [{"lease": lease} for lease in leases]})
        self.assertEqual(answer.status, 200, answer)
        self.assertNotIn(b"error", answer.body)
        self.assertEqual(client.post(f"/v1/leases/{leases[0]}/complete", {"done": 1}).status, 200)
        self.assertIsNone(server.process.poll(), "one job runs yet")
        started = time.monotonic()
        self.assertEqual(client.post(f"/v1/leases/{leases[1]}/complete", {"done": 2}).status, 200)
        client.close()
        self.assertEqual(server.process.wait(20), OK)
        server.stop()
        self.assertLess(time.monotonic() - started, 10, "nobody has anything to settle: it does not wait")
        again = self.serve(port=server.port)
        self.assertEqual(self.client(again).get("/v1/queues/q").json["counts"]["succeeded"], 2)

    def test_a_second_signal_stops_at_once_and_loses_nothing(self):
        server = self.serve(arguments=["--drain", "60s"])
        client = self.client(server)
        job = client.post("/v1/queues/q/jobs", {"a": 1}).json["id"]
        client.post("/v1/queues/q/leases?lease=1m")
        watcher = self.start_godwit("status", job, "--watch", server=server)
        eventually(lambda: watcher.stdout.readline())
        server.process.send_signal(signal.SIGINT)
        eventually(lambda: self.client(server).get("/readyz").status == 503)
        started = time.monotonic()
        server.process.send_signal(signal.SIGINT)
        self.assertEqual(server.process.wait(20), OK)
        self.assertLess(time.monotonic() - started, 8)
        self.assertIn("at once", server.output())
        server.stop()
        end(watcher)
        again = self.serve(port=server.port)
        self.assertEqual(self.client(again).get(f"/v1/jobs/{job}").json["state"], "running", "its lease outlives the restart")

    def test_nobody_there_means_no_wait(self):
        server = self.serve(arguments=["--drain", "60s"])
        self.assertEqual(self.run_godwit("publish", "q", "{}", server=server).returncode, OK)
        started = time.monotonic()
        server.process.send_signal(signal.SIGINT)
        self.assertEqual(server.process.wait(20), OK)
        server.stop()
        self.assertLess(time.monotonic() - started, 8)


if __name__ == "__main__":
    unittest.main()
