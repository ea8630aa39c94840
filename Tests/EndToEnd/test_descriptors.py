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
        # Who is connected is answered, while the store would go through several segments, each a file more: taken in, or told to come back.
        for _ in range(160):
            answer = early.post("/v1/queues/q/jobs", payload)
            self.assertIn(answer.status, (202, 503), server.output()[-2_000:])
            if answer.status == 202:
                confirmed.append(answer.json["id"])
            else:
                self.assertIn(answer.json["code"], ("disk_full", "busy"))
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

        def publishes():
            answer = early.post("/v1/queues/q/jobs", payload)
            if answer.status == 202:
                confirmed.append(answer.json["id"])
            return answer.status == 202

        for _ in range(70):
            eventually(publishes, what="a publish that is taken in, once there are descriptors again")
        server.kill()
        again = self.client(self.serve(**self.few(FEW)))
        self.assertEqual({job["id"] for job in again.jobs("q")}, set(confirmed))

    def test_a_store_without_descriptors_says_what_lacks_and_a_few_are_enough(self):
        server = self.serve("data-8", ready=False, **self.few(8))
        self.assertEqual(eventually(lambda: self.outcome(server), 30, 0.05, "an end"), "ended")
        self.assertIn("ulimit -n", server.output())
        self.assertNotEqual(server.process.returncode, 0)
        client = self.client(self.serve("data-48", **self.few(48)))
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
