"""A server with few descriptors: it starts or says why not, goes on serving under more connections than it can have, and loses nothing."""

import json
import os
import socket
import unittest

from support import Client, EndToEndTest, Unreachable, eventually

# The store's own files, the listener, the event loops, standard streams: what a server needs without a single connection fits well into it.
FEW = 64


class DescriptorsTest(EndToEndTest):
    def few(self, limit):
        return {"wrapper": ("sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh")}

    def test_more_connections_than_descriptors_cost_nobody_a_job(self):
        server = self.serve(**self.few(FEW))
        early = self.client(server)
        payload = os.urandom(900 << 10)
        confirmed = [early.post("/v1/queues/q/jobs", payload).json["id"]]
        idle = []
        for _ in range(4 * FEW):
            connection = socket.socket()
            connection.settimeout(5)
            idle.append(connection)
            try:
                connection.connect(("127.0.0.1", server.port))
            except OSError:
                break
        # Who is connected goes on, while the store goes through several segments, each a file more.
        for _ in range(160):
            answer = early.post("/v1/queues/q/jobs", payload)
            self.assertEqual(answer.status, 202, server.output()[-2_000:])
            confirmed.append(answer.json["id"])
        self.assertEqual(early.get("/readyz").status, 200)
        for connection in idle:
            connection.close()

        def answers():
            late = Client(server.port, timeout=5)
            try:
                return late.get("/readyz").status == 200
            except Unreachable:
                return False
            finally:
                late.close()

        eventually(answers, what="a new connection, once there are descriptors again")
        server.kill()
        again = self.client(self.serve(**self.few(FEW)))
        self.assertEqual({job["id"] for job in again.jobs("q")}, set(confirmed))

    def test_a_server_starts_or_says_that_descriptors_are_lacking(self):
        for limit in (8, 12, 16, 24, 32, 48):
            server = self.serve(f"data-{limit}", ready=False, **self.few(limit))
            outcome = eventually(lambda: self.outcome(server), 30, 0.05, f"a start with {limit} descriptors, or an end")
            if outcome == "ended":
                self.assertIn("ulimit -n", server.output(), f"{limit} descriptors")
                self.assertNotEqual(server.process.returncode, 0)
                self.assertNotIn("Fatal error", server.output())
            else:
                client = self.client(server)
                self.assertEqual(client.post("/v1/queues/q/jobs", json.dumps({"a": 1})).status, 202)

    def outcome(self, server):
        if server.process.poll() is not None:
            return "ended"
        client = Client(server.port, timeout=5)
        try:
            return "ready" if client.get("/readyz").status == 200 else None
        except Unreachable:
            return None
        finally:
            client.close()


if __name__ == "__main__":
    unittest.main()
