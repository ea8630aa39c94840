"""Who may do what: tokens with scopes and queues, their exchange without a restart, wrong tries, HTTPS, and the lines that tell of it."""

import hashlib
import json
import signal
import socket
import subprocess
import time
import unittest

from commands import FAILED, OK, USAGE
from support import GODWIT, EndToEndTest, Server, end, environment, eventually, free_port

WEB, WORKER, OPS = "web-0123456789abcdef", "worker-0123456789abcdef", "ops-0123456789abcdef"


class TokenTest(EndToEndTest):
    def write(self, *tokens):
        self.table = self.folder / "tokens.json"
        self.table.write_text(json.dumps({"tokens": list(tokens)}))
        self.table.chmod(0o600)

    def setUp(self):
        super().setUp()
        self.write(
            {"name": "web", "token": WEB, "scopes": ["publish"], "queues": ["mail", "thumb-*"]},
            {"name": "worker", "sha256": hashlib.sha256(WORKER.encode()).hexdigest(), "scopes": ["work"], "queues": ["mail"]},
            {"name": "ops", "token": OPS, "scopes": ["admin"]},
        )
        self.server = self.serve(arguments=["--tokens", str(self.table)])
        self.http = self.client(self.server)

    def ask(self, token, method, path, body=None):
        return self.http.request(method, path, body, {"Authorization": f"Bearer {token}"} if token else {})

    def test_each_token_does_what_it_is_for(self):
        self.assertEqual(self.ask(None, "GET", "/v1/queues").status, 401)
        self.assertEqual(self.ask("wrong-0123456789abcdef", "GET", "/v1/queues").status, 401)
        published = self.ask(WEB, "POST", "/v1/queues/mail/jobs", {"to": "a"})
        self.assertEqual(published.status, 202, published)
        job = published.json["id"]
        self.assertEqual(self.ask(WEB, "POST", "/v1/queues/thumb-1/jobs", {}).status, 202)
        refused = self.ask(WEB, "POST", "/v1/queues/billing/jobs", {})
        self.assertEqual((refused.status, refused.json["code"]), (403, "forbidden"), refused)
        for method, path in (("POST", "/v1/queues/mail/leases"), ("POST", "/v1/queues/mail/purge"), ("GET", "/v1/jobs"),
                             ("DELETE", "/v1/queues/mail"), ("GET", "/v1/backup"), ("POST", f"/v1/jobs/{job}/cancel")):
            self.assertEqual(self.ask(WEB, method, path).status, 403, (method, path))
        self.assertEqual(self.ask(WEB, "GET", f"/v1/jobs/{job}").status, 200)
        self.assertEqual(self.ask(WORKER, "POST", "/v1/queues/thumb-1/leases").status, 403)
        leased = self.ask(WORKER, "POST", "/v1/queues/mail/leases")
        self.assertEqual(leased.status, 200, leased)
        lease = leased.json["leases"][0]["lease"]
        self.assertEqual(self.ask(WEB, "POST", f"/v1/leases/{lease}/complete").status, 403)
        self.assertEqual(self.ask(WORKER, "POST", f"/v1/leases/{lease}/complete").status, 200)
        self.assertEqual(self.ask(OPS, "POST", "/v1/queues/thumb-1/purge").status, 200)

    def test_a_commit_is_judged_transaction_by_transaction(self):
        commit = {"transactions": [
            {"operations": [{"enqueue": {"queue": "mail", "payload": 1}}]},
            {"operations": [{"enqueue": {"queue": "billing", "payload": 1}}]},
        ]}
        answer = self.ask(WEB, "POST", "/v1/commit", commit)
        self.assertEqual(answer.status, 200, answer)
        first, second = answer.json["outcomes"]
        self.assertNotIn("error", first)
        self.assertIn("forbidden", json.dumps(second))

    def test_tokens_are_exchanged_without_a_restart(self):
        self.assertEqual(self.ask(WEB, "POST", "/v1/queues/mail/jobs", {}).status, 202)
        self.write({"name": "ops", "token": OPS, "scopes": ["admin"]})
        self.server.process.send_signal(signal.SIGHUP)
        eventually(lambda: self.ask(WEB, "POST", "/v1/queues/mail/jobs", {}).status == 401, what="the revocation")
        self.table.write_text("{not json")
        self.server.process.send_signal(signal.SIGHUP)
        eventually(lambda: "stay as they are" in self.server.output(), what="the line that says so")
        self.assertEqual(self.ask(OPS, "GET", "/v1/queues").status, 200)

    def test_a_ticket_shows_one_job_to_a_browser(self):
        job = self.ask(WEB, "POST", "/v1/queues/mail/jobs", {"to": "a"}).json["id"]
        other = self.ask(WEB, "POST", "/v1/queues/mail/jobs", {"to": "b"}).json["id"]
        self.assertEqual(self.ask(None, "GET", f"/v1/jobs/{job}/events").status, 401)
        made = self.ask(WEB, "POST", f"/v1/jobs/{job}/ticket?lifetime=2s")
        self.assertEqual(made.status, 200, made)
        ticket = made.json["ticket"]
        self.assertEqual(made.json["url"], f"/v1/jobs/{job}/events?ticket={ticket}")
        self.assertEqual(self.ask(None, "GET", f"/v1/jobs/{job}?ticket={ticket}").json["state"], "queued")
        for method, path in (("GET", f"/v1/jobs/{other}"), ("GET", f"/v1/jobs/{job}/payload"), ("POST", f"/v1/jobs/{job}/cancel"),
                             ("GET", "/v1/jobs"), ("POST", f"/v1/jobs/{job}/ticket"), ("DELETE", f"/v1/jobs/{job}")):
            self.assertEqual(self.ask(None, method, f"{path}?ticket={ticket}").status, 401, (method, path))
        events = subprocess.Popen(["curl", "-sN", "--max-time", "30", self.server.url + made.json["url"]], stdout=subprocess.PIPE, text=True)
        self.addCleanup(end, events)
        self.assertEqual(events.stdout.readline(), "retry: 1000\n")
        self.assertEqual(self.ask(OPS, "POST", f"/v1/jobs/{job}/cancel").status, 200)
        seen = events.stdout.read()
        self.assertEqual(events.wait(30), 0)
        self.assertIn("cancelled", seen)
        over = eventually(lambda: (reply := self.ask(None, "GET", f"/v1/jobs/{job}?ticket={ticket}")).status == 401 and reply, what="the ticket's end")
        self.assertEqual(over.json["field"], "ticket", over)
        # A stream ends with its ticket, whatever becomes of the job.
        self.assertEqual(self.follow(self.ask(WEB, "POST", f"/v1/jobs/{other}/ticket?lifetime=2s").json["url"]).wait(20), 0)

    def follow(self, path, *arguments):
        """Follows events until the server ends them; anything else is an error of curl's."""
        events = subprocess.Popen(
            ["curl", "-sN", "--max-time", "60", *arguments, self.server.url + path], stdout=subprocess.PIPE, text=True)
        self.addCleanup(end, events)
        self.assertEqual(events.stdout.readline(), "retry: 1000\n")
        return events

    def test_streams_end_with_their_token(self):
        job = self.ask(WEB, "POST", "/v1/queues/mail/jobs", {"to": "a"}).json["id"]
        followed = [self.follow(f"/v1/jobs/{job}/events", "-H", f"Authorization: Bearer {token}") for token in (WEB, OPS)]
        self.write({"name": "ops", "token": OPS, "scopes": ["admin"]})
        self.server.process.send_signal(signal.SIGHUP)
        self.assertEqual(followed[0].wait(20), 0)
        self.assertIsNone(followed[1].poll(), "who may still follow goes on")

    def test_metrics_show_the_queues_that_a_token_is_for(self):
        for queue in ("mail", "billing"):
            self.assertEqual(self.ask(OPS, "POST", f"/v1/queues/{queue}/jobs", {}).status, 202)
        for token, seen in ((WEB, False), (WORKER, False), (OPS, True)):
            metrics = self.ask(token, "GET", "/metrics").body.decode()
            self.assertIn('queue="mail"', metrics)
            self.assertEqual('queue="billing"' in metrics, seen, token)
            # The times of all queues together would tell of those that are none of its business.
            for name in ("godwit_publish_confirm_seconds", "godwit_job_wait_seconds", "godwit_job_run_seconds"):
                self.assertEqual(name in metrics, seen, (token, name))

    def test_guesses_are_slowed_down_and_no_secret_is_logged(self):
        # Who shows no token guesses none: that costs no try, and no line.
        self.assertEqual([self.ask(None, "GET", path).status for path in ("/v1/queues", "/v1/jobs", "/metrics") for _ in range(10)], [401] * 30)
        self.assertNotIn("refused", self.server.output())
        self.assertEqual(self.ask(OPS, "GET", "/v1/queues").status, 200)
        replies = [self.ask(f"guess-{number}-0123456789", "GET", "/v1/queues") for number in range(40)]
        self.assertEqual([reply.status for reply in replies[:20]], [401] * 20)
        late = [reply for reply in replies if reply.status == 429]
        self.assertTrue(late, replies)
        for reply in late:
            self.assertEqual((reply.json["code"], int(reply.headers["Retry-After"])), ("too_many_tries", 1), reply)
        # One that was right from here before stays good; the others wait for their turn.
        self.assertEqual(self.ask(OPS, "GET", "/v1/queues").status, 200)
        eventually(lambda: self.ask(WEB, "POST", "/v1/queues/mail/jobs", {}).status == 202, what="a try for a token that is new here")
        self.assertEqual(self.ask(WEB, "POST", "/v1/queues/mail/jobs", {}).status, 202)
        log = self.server.output()
        lines = [line for line in log.splitlines() if "refused" in line]
        self.assertTrue(1 <= len(lines) <= 10, f"one line a second: {log}")
        for secret in (WEB, WORKER, OPS, "guess-"):
            self.assertNotIn(secret, log)

    def test_what_destroys_leaves_a_line_that_says_who_did_it(self):
        self.ask(WEB, "POST", "/v1/queues/mail/jobs", {})
        self.assertEqual(self.ask(OPS, "POST", "/v1/queues/mail/purge").status, 200)
        self.assertEqual(self.ask(OPS, "DELETE", "/v1/queues/mail").status, 204)
        log = self.server.output()
        for act in ("purge", "delete"):
            line = [line for line in log.splitlines() if f"audit" in line and f"act={act}" in line]
            self.assertEqual(len(line), 1, log)
            self.assertIn("by=ops", line[0])
            self.assertIn("queue=mail", line[0])

    def test_a_worker_keeps_its_token_from_its_commands(self):
        job = self.ask(WEB, "POST", "/v1/queues/mail/jobs", {}).json["id"]
        worker = subprocess.Popen(
            [GODWIT, "work", "mail", "--server", self.server.url, "--", "env"], env=environment(GODWIT_TOKEN=WORKER),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(end, worker)
        eventually(lambda: self.ask(WEB, "GET", f"/v1/jobs/{job}").json["state"] == "succeeded", what="the command's end")
        seen = self.ask(OPS, "GET", f"/v1/jobs/{job}/result").body.decode()
        self.assertIn(f"GODWIT_JOB_ID={job}", seen)
        self.assertNotIn("GODWIT_TOKEN", seen)

    def test_a_file_that_is_wrong_starts_no_server(self):
        self.table.write_text('{"tokens": [{"name": "a", "token": "short", "scopes": ["work"]}]}')
        done = self.run_godwit("serve", "--data", str(self.folder / "d"), "--http", "127.0.0.1:0", "--tokens", str(self.table))
        self.assertEqual(done.returncode, USAGE)
        self.assertIn("tokens[0].token", done.stderr)
        self.assertFalse((self.folder / "d").exists())


class TLSTest(EndToEndTest):
    def make(self, name):
        """A self-signed certificate for this machine."""
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-keyout", str(self.folder / "key.pem"), "-out", str(self.folder / "cert.pem")], check=True, capture_output=True)

    def curl(self, port, *arguments, ca="cert.pem"):
        return subprocess.run(
            ["curl", "-sS", "--max-time", "20", "--cacert", str(self.folder / ca), *arguments, f"https://127.0.0.1:{port}/readyz"],
            capture_output=True, text=True, check=False)

    def test_https_with_a_certificate_that_is_exchanged(self):
        self.make("first")
        (self.folder / "first.pem").write_bytes((self.folder / "cert.pem").read_bytes())
        server = Server(
            self.folder / "data",
            arguments=["--tls-cert", str(self.folder / "cert.pem"), "--tls-key", str(self.folder / "key.pem")])
        self.addCleanup(server.stop)
        eventually(lambda: self.curl(server.port).returncode == 0, what="an answer by HTTPS")
        self.assertEqual(self.curl(server.port).stdout, "ready\n")
        self.assertIn(f"https://127.0.0.1:{server.port}", server.output())
        # OpenSSL 3 itself speaks nothing so old unless its security level allows it: the server must be the one that refuses.
        old = self.curl(server.port, "--tlsv1.1", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0")
        self.assertEqual(old.returncode, 35, old)
        self.assertIn("alert protocol version", old.stderr)
        self.assertEqual(self.curl(server.port, "--tlsv1.2", "--tls-max", "1.2", "--ciphers", "DEFAULT@SECLEVEL=0").returncode, 0)
        plain = subprocess.run(["curl", "-sS", "--max-time", "20", f"http://127.0.0.1:{server.port}/readyz"], capture_output=True, check=False)
        self.assertNotEqual(plain.returncode, 0)
        env = {"GODWIT_SERVER": f"https://localhost:{server.port}"}
        done = self.run_godwit("publish", "q", "{}", env=env)
        self.assertEqual(done.returncode, 69, done)
        self.assertIn("certificate", done.stderr.lower())
        trusting = {**env, "GODWIT_CA_FILE": str(self.folder / "cert.pem")}
        self.assertEqual(self.run_godwit("publish", "q", "{}", env=trusting).returncode, OK)

        self.make("second")
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: self.curl(server.port).returncode == 0, what="the new certificate")
        self.assertNotEqual(self.curl(server.port, ca="first.pem").returncode, 0, "the old one is no longer shown")

    def test_a_crowd_is_told_so_after_the_handshake(self):
        self.make("crowd")
        server = Server(
            self.folder / "data",
            arguments=["--max-connections", "8", "--tls-cert", str(self.folder / "cert.pem"), "--tls-key", str(self.folder / "key.pem")])
        self.addCleanup(server.stop)
        eventually(lambda: self.curl(server.port).stdout == "ready\n", what="an answer by HTTPS")
        for _ in range(8):
            idle = socket.create_connection(("127.0.0.1", server.port), 5)
            self.addCleanup(idle.close)
        told = eventually(lambda: (done := self.curl(server.port)).returncode == 0 and done.stdout != "ready\n" and done, what="a refusal")
        self.assertEqual(json.loads(told.stdout)["code"], "too_many_connections", told)

    def test_a_handshake_that_stalls_is_cut_off(self):
        self.make("stalled")
        server = Server(
            self.folder / "data",
            arguments=["--tls-cert", str(self.folder / "cert.pem"), "--tls-key", str(self.folder / "key.pem")])
        self.addCleanup(server.stop)
        eventually(lambda: self.curl(server.port).stdout == "ready\n", what="an answer by HTTPS")
        # A record of a handshake, of 512 bytes, of which nothing more comes; and nothing at all.
        stalled = []
        for begin in (b"\x16\x03\x01\x02\x00\x01", b""):
            connection = socket.create_connection(("127.0.0.1", server.port), 5)
            self.addCleanup(connection.close)
            connection.sendall(begin)
            stalled.append(connection)
        started = time.monotonic()
        for connection in stalled:
            # Longer than a request may take to come.
            connection.settimeout(60)
            self.assertEqual(connection.recv(1), b"")
        self.assertGreater(time.monotonic() - started, 5)
        self.assertEqual(self.curl(server.port).stdout, "ready\n")

    def test_what_keeps_a_client_from_its_server_is_said_as_it_is(self):
        plain = self.serve()
        done = self.run_godwit("queues", "--server", f"https://127.0.0.1:{plain.port}")
        self.assertEqual(done.returncode, 69, done)
        self.assertIn("TLS", done.stderr)
        self.assertNotIn("certificate", done.stderr)
        self.make("any")
        (self.folder / "empty.pem").write_text("no certificate\n")
        for file in ("empty.pem", "missing.pem", "key.pem"):
            done = self.run_godwit("queues", "--server", f"https://127.0.0.1:{plain.port}", "--ca-file", str(self.folder / file))
            self.assertEqual(done.returncode, USAGE, done)
            self.assertIn(file, done.stderr)
        for where in (("--server", plain.url), ("--data", str(self.folder / "other"))):
            done = self.run_godwit("queues", *where, "--ca-file", str(self.folder / "cert.pem"))
            self.assertEqual(done.returncode, USAGE, done)
            self.assertIn("--ca-file", done.stderr)
        # From the environment it is for those servers that need it.
        done = self.run_godwit("queues", "--server", plain.url, env={"GODWIT_CA_FILE": str(self.folder / "missing.pem")})
        self.assertEqual(done.returncode, OK, done)

    def test_half_of_a_pair_starts_no_server(self):
        self.make("one")
        done = self.run_godwit("serve", "--data", str(self.folder / "d"), "--tls-cert", str(self.folder / "cert.pem"))
        self.assertEqual(done.returncode, USAGE)
        self.assertIn("--tls-key", done.stderr)
        (self.folder / "key.pem").write_text("no key")
        done = self.run_godwit(
            "serve", "--data", str(self.folder / "d"), "--http", f"127.0.0.1:{free_port()}",
            "--tls-cert", str(self.folder / "cert.pem"), "--tls-key", str(self.folder / "key.pem"))
        self.assertEqual(done.returncode, USAGE)
        self.assertIn("key.pem", done.stderr)


if __name__ == "__main__":
    unittest.main()
