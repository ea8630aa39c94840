"""Readers that ask and never read what they asked for: the server stays small, ends their connections by its idle time, and gives back what they had leased.

Each kind has a server of its own, started by default; all stand at the same time, for the idle time is 75 s."""

import os
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from hostile import Peer, Watched
from support import Client, EndToEndTest

MB = 1_000_000
IDLE_SECONDS = 75
HOST = "HTTP/1.1\r\nHost: localhost\r\n"


class Kind:
    """What these readers ask for, and how much the server may grow by it."""

    arguments = ()
    count = 10
    most = 128 * MB

    def prepare(self, client):
        """Puts into the store what they will ask for."""

    def request(self, number):
        raise NotImplementedError

    def ask(self, peer, number):
        peer.send(self.request(number))

    def meanwhile(self, client):
        """What others do, again and again."""
        self.test.assertEqual(client.get("/healthz").status, 200)
        time.sleep(0.2)

    def afterwards(self, client):
        pass


class Payloads(Kind):
    """40 times 15 MiB: more than the server holds for all who do not read."""

    arguments = ("--max-job-bytes", str(15 << 20))
    count = 40
    most = 400 * MB

    def prepare(self, client):
        self.jobs = [client.post("/v1/queues/large/jobs", os.urandom(15 << 20)).json["id"] for _ in range(4)]

    def request(self, number):
        return f"GET /v1/jobs/{self.jobs[number % len(self.jobs)]}/payload {HOST}\r\n"


class Leases(Kind):
    """Answers of up to 16 MiB of payloads, of jobs that others are to get."""

    jobs = 40
    count = 6
    most = 200 * MB

    def prepare(self, client):
        for _ in range(self.jobs):
            client.post("/v1/queues/large/jobs", os.urandom(1 << 20))

    def request(self, number):
        return f"POST /v1/leases?queue=large&max=20&lease=1h {HOST}Content-Length: 0\r\n\r\n"

    def afterwards(self, client):
        counts = client.get("/v1/queues/large").json["counts"]
        self.test.assertEqual((counts["queued"], counts["running"]), (self.jobs, 0))
        self.test.assertEqual({job["attempt"] for job in client.jobs("large")}, {0}, "what was never read was an attempt")


class Archives(Kind):
    """Exports and backups of 40 MB; each reads a page of up to 16 MiB at a time."""

    count = 6
    most = 400 * MB
    jobs = Leases.jobs
    prepare = Leases.prepare

    def request(self, number):
        return f"GET /v1/{('export', 'backup')[number % 2]} {HOST}\r\n"


class Pages(Kind):
    """Pages of 5 MB of waiting payloads."""

    count = 10
    most = 200 * MB

    def prepare(self, client):
        client.post("/v1/queues/large/jobs/batch", [{"payload": "x" * 5_000} for _ in range(1_000)])

    def request(self, number):
        return f"GET /v1/queues/large/browse?limit=1000 {HOST}\r\n"


class Events(Kind):
    """The event stream of a job of which there is always more to say."""

    def prepare(self, client):
        self.job = client.post("/v1/queues/q/jobs?max-attempts=1000", {}).json["id"]
        for _ in range(10):
            self.meanwhile(client)

    def request(self, number):
        return f"GET /v1/jobs/{self.job}/events {HOST}\r\n"

    def meanwhile(self, client):
        for lease in client.post("/v1/queues/q/leases?wait=1s").json["leases"]:
            client.post(f"/v1/leases/{lease['lease']}/fail", {"error": "x" * 50_000, "delay": "10ms"})


class Polls(Kind):
    """Long polls, three on each connection: one is waited for at a time."""

    count = 200

    def prepare(self, client):
        self.job = client.post("/v1/queues/q/jobs", {}).json["id"]

    def request(self, number):
        return f"GET /v1/jobs/{self.job} {HOST}Prefer: wait=2\r\n\r\n" * 3


class Floods(Kind):
    """Requests upon requests, as many as the server takes."""

    def ask(self, peer, number):
        thread = threading.Thread(target=peer.flood, args=([f"GET /openapi.json {HOST}\r\n".encode() * 10_000] * 100,))
        thread.start()


class NeverReadingTest(EndToEndTest):
    def watch(self, kind):
        """Everything about one kind; what it says of it."""
        kind.test = self
        server = self.serve(kind.__class__.__name__.lower(), arguments=kind.arguments)
        watched = Watched(server)
        kind.prepare(watched.client)
        base, largest, over = watched.grown(), 0, threading.Event()
        peers = []
        for number in range(kind.count):
            peer = Peer(server, reads=False)
            self.addCleanup(peer.close)
            peers.append(peer)
            kind.ask(peer, number)
        started, problems = time.monotonic(), []

        def others():
            client = Client(server.port)
            try:
                while not over.is_set():
                    kind.meanwhile(client)
            except Exception as error:  # pylint: disable=broad-except
                problems.append(repr(error))
            client.close()

        thread = threading.Thread(target=others)
        thread.start()
        try:
            while watched.metric("godwit_http_connections") > 2:
                largest = max(largest, watched.grown() - base)
                self.assertEqual(problems, [])
                self.assertLess(time.monotonic() - started, IDLE_SECONDS + 60, f"{kind.__doc__}: connections stay open whose answers nobody takes")
                time.sleep(0.25)
        finally:
            over.set()
            thread.join(90)
        took = time.monotonic() - started
        said = f"{kind.count} connections, {largest / MB:.0f} MB at most, ended after {took:.0f} s: {kind.__doc__}"
        self.assertLess(largest, kind.most, said)
        self.assertEqual(watched.metric("godwit_http_timeouts_total"), len(peers), said)
        kind.afterwards(watched.client)
        watched.close()
        return said

    def test_each_is_ended_in_time_and_costs_little(self):
        kinds = [Payloads(), Leases(), Archives(), Pages(), Events(), Polls(), Floods()]
        with ThreadPoolExecutor(len(kinds)) as pool:
            watches = [(kind, pool.submit(self.watch, kind)) for kind in kinds]
            for kind, watch in watches:
                with self.subTest(kind.__doc__):
                    print(f"\n{watch.result()}", flush=True)


if __name__ == "__main__":
    unittest.main()
