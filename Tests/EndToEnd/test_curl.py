"""The HTTP interface with real curl, as people use it. (The examples in the documents are run by dev/check-docs.)"""

import json
import re
import shutil
import socket
import subprocess
import time
import unittest

from support import EndToEndTest, eventually


@unittest.skipUnless(shutil.which("curl"), "curl is not installed")
class CurlTest(EndToEndTest):
    def setUp(self):
        super().setUp()
        self.server = self.serve()

    def curl(self, *arguments, path="", stdin=None, timeout=60):
        """Status, headers and body of the last answer."""
        command = ["curl", "-sS", "-i", "--max-time", str(timeout), *arguments, self.server.url + path]
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=timeout + 10, check=True)
        head, body = None, done.stdout
        while head is None or head.startswith("HTTP/1.1 100"):
            head, _, body = body.partition(b"\r\n\r\n")
            head = head.decode()
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head.split("\r\n")[1:])}
        return int(head.split()[1]), headers, body

    def publish(self, *arguments, queue="mail", query=""):
        status, headers, body = self.curl(*arguments, path=f"/v1/queues/{queue}/jobs{query}")
        self.assertEqual(status, 202, body)
        job = json.loads(body)
        self.assertEqual(headers["location"], f"/v1/jobs/{job['id']}")
        return job

    def lease(self, queue="mail"):
        status, _, body = self.curl("-X", "POST", path=f"/v1/queues/{queue}/leases?wait=5s")
        self.assertEqual(status, 200, body)
        return json.loads(body)["leases"][0]

    def assert_problem(self, answer, status, code, field=None):
        self.assertEqual(answer[0], status, answer)
        self.assertEqual(answer[1]["content-type"], "application/problem+json")
        problem = json.loads(answer[2])
        self.assertEqual((problem["status"], problem["code"]), (status, code))
        self.assertTrue(problem["detail"])
        if field:
            self.assertEqual(problem["field"], field)
        return problem

    def test_the_main_job(self):
        job = self.publish("-d", '{"to": "ada@example.org"}')
        self.assertEqual((job["queue"], job["state"], job["attempt"]), ("mail", "queued", 0))
        self.assertRegex(job["created_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        path = f"/v1/jobs/{job['id']}"
        self.assertEqual(self.curl(path=path + "/result")[0], 202)
        lease = self.lease()
        self.assertEqual((lease["payload"], lease["content_type"]), ({"to": "ada@example.org"}, "application/json"))
        self.assertEqual(lease["job"]["state"], "running")
        status, _, body = self.curl("-d", '{"fraction": 0.5, "note": "half"}', path=f"/v1/leases/{lease['lease']}/progress")
        self.assertEqual((status, json.loads(body)["cancel_requested"]), (200, False))
        self.assertEqual(json.loads(self.curl(path=path)[2])["progress"], {"fraction": 0.5, "note": "half"})
        self.assertEqual(self.curl("-d", '{"sent": true}', path=f"/v1/leases/{lease['lease']}/complete")[0], 200)
        self.assertEqual(json.loads(self.curl(path=path)[2])["state"], "succeeded")
        self.assertEqual(self.curl(path=path + "/result")[2], b'{"sent": true}')
        self.assertEqual(self.curl(path=path + "/payload")[2], b'{"to": "ada@example.org"}')
        self.assert_problem(self.curl("-d", "{}", path=f"/v1/leases/{lease['lease']}/complete"), 409, "stale_lease")
        self.assertEqual(self.curl("-X", "DELETE", path=path)[0], 204)
        self.assert_problem(self.curl(path=path), 410, "job_forgotten")

    def test_what_curl_sends_without_being_told_is_what_it_looks_like(self):
        for body, content_type in (("[1, 2]", "application/json"), ("plain words", "text/plain; charset=utf-8")):
            self.publish("-d", body)
            lease = self.lease()
            self.assertEqual(lease["content_type"], content_type)
            self.assertEqual(lease["payload"], [1, 2] if body == "[1, 2]" else body)
        self.publish("-H", "Content-Type: image/png", "--data-binary", "@" + str(self.binary()))
        self.assertEqual(self.lease()["payload_base64"], "iVAA/w==")

    def binary(self):
        file = self.folder / "image.png"
        file.write_bytes(b"\x89P\x00\xff")
        return file

    def test_idempotency_keys(self):
        first = self.publish("-H", 'Idempotency-Key: "order-1"', "-d", "{}")
        status, headers, body = self.curl("-H", "Idempotency-Key: order-1", "-d", "{}", path="/v1/queues/mail/jobs")
        self.assertEqual((status, json.loads(body)["id"], headers["idempotency-replayed"]), (202, first["id"], "true"))
        answer = self.curl("-H", "Idempotency-Key: order-1", "-d", '{"other": 1}', path="/v1/queues/mail/jobs")
        self.assert_problem(answer, 422, "key_conflict")

    def test_waiting_for_the_end(self):
        job = self.publish("-d", "{}")
        watcher = subprocess.Popen(
            ["curl", "-sS", "-N", "--max-time", "30", f"{self.server.url}/v1/jobs/{job['id']}/events"], stdout=subprocess.PIPE, text=True)
        self.addCleanup(watcher.stdout.close)
        self.addCleanup(watcher.wait, 10)
        self.addCleanup(lambda: watcher.poll() is None and watcher.terminate())
        waiter = subprocess.Popen(
            ["curl", "-sS", "-i", "-H", "Prefer: wait=20", f"{self.server.url}/v1/jobs/{job['id']}"], stdout=subprocess.PIPE, text=True)
        lease = self.lease()
        self.curl("-d", '{"fraction": 0.25}', path=f"/v1/leases/{lease['lease']}/progress")
        self.curl("-d", '"done"', path=f"/v1/leases/{lease['lease']}/complete")
        answer, _ = waiter.communicate(timeout=10)
        self.assertIn('"state":"succeeded"', answer)
        self.assertRegex(answer.lower(), r"preference-applied: wait=20")
        stream, _ = watcher.communicate(timeout=10)
        states = [json.loads(data)["state"] for data in re.findall(r"^data: (.*)$", stream, re.M)]
        self.assertIn(states[0], ("queued", "running"))
        self.assertEqual(states[-1], "succeeded")
        version = re.findall(r"^id: (.*)$", stream, re.M)[-1]
        self.assertEqual(self.curl("-H", f"Last-Event-ID: {version}", path=f"/v1/jobs/{job['id']}/events")[0], 204)

    def test_a_full_queue(self):
        self.assertEqual(self.curl("-X", "PUT", "-d", '{"max_jobs": 1}', path="/v1/queues/small")[0], 201)
        self.publish("-d", "{}", queue="small")
        answer = self.curl("-d", "{}", path="/v1/queues/small/jobs")
        problem = self.assert_problem(answer, 503, "busy")
        self.assertEqual(problem["retry_after_ms"], 5_000)
        self.assertEqual(answer[1]["retry-after"], "5")

    def test_bad_input_gets_a_clear_answer(self):
        job = "/v1/queues/mail/jobs"
        post = ("-d", "{}")
        self.publish(*post)
        self.assert_problem(self.curl(*post, path="/v1/queues/a%20b/jobs"), 400, "invalid_argument", "queue")
        self.assert_problem(self.curl(*post, path=f"/v1/queues/{'x' * 201}/jobs"), 400, "invalid_argument", "queue")
        self.assert_problem(self.curl(*post, path=job + "?delay=soon"), 400, "invalid_argument", "delay")
        self.assert_problem(self.curl(*post, path=job + "?delay=-5s"), 400, "invalid_argument", "delay")
        self.assert_problem(self.curl(*post, path=job + "?run-at=tomorrow"), 400, "invalid_argument", "run-at")
        self.assert_problem(self.curl(*post, path=job + "?priority=256"), 400, "invalid_argument", "priority")
        self.assert_problem(self.curl(*post, path=job + "?colour=red"), 400, "unknown_option", "colour")
        self.assert_problem(self.curl("-H", "Content-Type: application/json", "-d", "{", path=job), 400, "invalid_json")
        self.assert_problem(self.curl("-d", "{}", path=job + "/batch"), 400, "invalid_argument")
        self.assert_problem(self.curl("-X", "PUT", "-d", '{"colour": 1}', path="/v1/queues/mail"), 400, "unknown_setting", "colour")
        self.assert_problem(self.curl(path="/v1/jobs/nonsense"), 404, "job_not_found")
        self.assert_problem(self.curl(path="/v1/nonsense"), 404, "not_found")
        answer = self.curl("-X", "DELETE", path=job)
        self.assert_problem(answer, 405, "method_not_allowed")
        self.assertEqual(answer[1]["allow"], "POST")
        self.assert_problem(self.curl(*post, path="/v1/leases/nonsense/complete"), 409, "stale_lease")
        self.assert_problem(self.curl("-X", "DELETE", path="/v1/queues/mail"), 409, "queue_not_empty")

    def test_a_body_over_the_limit_is_refused_in_a_way_that_the_sender_can_read(self):
        body = self.folder / "large"
        body.write_bytes(b"x" * (12 << 20))
        for expect in ((), ("-H", "Expect:")):
            answer = self.curl(*expect, "--data-binary", f"@{body}", path="/v1/queues/mail/jobs")
            self.assert_problem(answer, 413, "too_large")
        self.assertEqual(self.curl("-d", "{}", path="/v1/queues/mail/jobs")[0], 202)

    def test_no_web_page_reaches_a_local_server(self):
        self.assertEqual(self.curl("-H", "Origin: https://evil.example", "-d", "{}", path="/v1/queues/mail/jobs")[0], 403)
        self.assertEqual(self.curl("-H", "Host: evil.example", "-d", "{}", path="/v1/queues/mail/jobs")[0], 403)
        self.assertEqual(self.curl("-H", "Host: localhost:1", "-d", "{}", path="/v1/queues/mail/jobs")[0], 202)
        self.assertEqual(self.curl("-H", "Host: evil.example", path="/healthz")[0], 200)

    def test_clients_that_disconnect_or_dawdle_leave_nothing_behind(self):
        head = b"POST /v1/queues/slow/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        with socket.create_connection(("127.0.0.1", self.server.port)) as connection:
            connection.sendall(head)
        started = time.monotonic()
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=60) as connection:
            # A byte now and then, as the slow-loris does: the server's time for a request counts, not the time between bytes.
            try:
                for byte in head[:-1]:
                    connection.sendall(bytes([byte]))
                    time.sleep(0.5)
                    if time.monotonic() - started > 50:
                        self.fail("a slow client was not sent away within 50 s")
                    connection.setblocking(False)
                    try:
                        received = connection.recv(4_096)
                        if not received or b"408" in received:
                            break
                    except BlockingIOError:
                        pass
                    connection.setblocking(True)
            except OSError:
                pass
        self.assertLess(time.monotonic() - started, 50)
        status, _, body = self.curl(path="/v1/queues")
        self.assertEqual(status, 200)
        self.assertNotIn("slow", [queue["name"] for queue in json.loads(body)["queues"]], "half a request made a queue")

    def test_jobs_leased_by_a_client_that_hung_up_are_given_back(self):
        with socket.create_connection(("127.0.0.1", self.server.port)) as connection:
            connection.sendall(b"POST /v1/queues/gone/leases?wait=30s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
            time.sleep(0.3)
        job = self.publish("-d", "{}", queue="gone")
        lease = eventually(lambda: json.loads(self.curl("-X", "POST", path="/v1/queues/gone/leases?wait=1s")[2])["leases"], 10)[0]
        self.assertEqual((lease["job"]["id"], lease["job"]["attempt"]), (job["id"], 1))


if __name__ == "__main__":
    unittest.main()
