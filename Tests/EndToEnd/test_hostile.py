"""Peers that mean harm, each against the real server as it is started by default: it ends their connections in time, stays small, and serves all others meanwhile.

Those who take their time are given what the server gives everybody: 30 s for a request, 75 s for taking an answer. So these tests mostly wait."""

import json
import os
import threading
import time
import unittest

from hostile import Peer, Watched, statuses
from support import EndToEndTest

MB = 1_000_000
GET = b"GET /v1/queues HTTP/1.1\r\nHost: localhost\r\n\r\n"
HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = b"POST /v1/queues/q/jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
REQUEST_SECONDS, IDLE_SECONDS = 30, 75


class HostileTest(EndToEndTest):
    def start(self, *arguments):
        server = self.serve(arguments=arguments)
        watched = Watched(server)
        self.addCleanup(watched.close)
        return server, watched

    def peer(self, server, **options):
        peer = Peer(server, **options)
        self.addCleanup(peer.close)
        return peer


class BombTest(HostileTest):
    def test_heads_that_do_not_end_are_cut_off_where_they_are_too_large(self):
        server, watched = self.start()
        padding = b"x" * (64 << 10)
        bombs = {
            "many headers": ([HEAD], (b"X-%d: 1\r\n" % number for number in range(2_000_000)), 431),
            "one long header": ([HEAD, b"X: "], (padding for _ in range(1_000)), 431),
            "one long name": ([HEAD], (padding for _ in range(1_000)), 431),
            "a long target": ([b"GET /"], (padding for _ in range(1_000)), 431),
            "a long method": ([], (b"G" * (64 << 10) for _ in range(1_000)), 501),
            "many trailers": ([CHUNKED, b"2\r\n{}\r\n0\r\n"], (b"X-%d: 1\r\n" % number for number in range(2_000_000)), None),
            "one long trailer": ([CHUNKED, b"2\r\n{}\r\n0\r\nX: "], (padding for _ in range(1_000)), None),
        }
        told = 0
        for name, (beginning, rest, status) in bombs.items():
            with self.subTest(name):
                peer = self.peer(server)
                sent = peer.flood([*beginning, *rest])
                received, closed = peer.read(5)
                self.assertTrue(closed, f"{sent} bytes were taken, and it is still open")
                # The sockets of both sides hold a few MB.
                self.assertLess(sent, 24 * MB)
                # What was said may be lost with a connection that is reset because more came.
                if status and received:
                    self.assertEqual(statuses(received), [status])
                    told += 1
                self.assertLess(watched.grown(), 64 * MB)
        self.assertGreater(told, 0, "none was told why")
        watched.alone()
        self.assertEqual(watched.client.get("/v1/queues").json["queues"], [], "nothing of it was carried out")

    def test_what_is_dropped_as_it_comes_takes_no_memory(self):
        """An extension of a chunk means nothing and is kept nowhere; its request has the time that every one has."""
        server, watched = self.start()
        peer = self.peer(server)
        peer.flood([CHUNKED, b"2;x=", *[b"x" * (64 << 10)] * 1_000])
        self.assertLess(watched.grown(), 64 * MB)

    def test_heads_within_the_limits_are_taken_and_just_beyond_them_refused(self):
        server, _ = self.start()
        cases = [
            (b"".join(b"X-%d: 1\r\n" % number for number in range(150)), 200),
            (b"".join(b"X-%d: 1\r\n" % number for number in range(250)), 431),
            (b"X: " + b"x" * (15 << 10) + b"\r\n", 200),
            (b"X: " + b"x" * (17 << 10) + b"\r\n", 431),
            (b"".join(b"X-%d: %s\r\n" % (number, b"x" * (15 << 10)) for number in range(4)), 200),
            (b"".join(b"X-%d: %s\r\n" % (number, b"x" * (15 << 10)) for number in range(5)), 431),
        ]
        for headers, status in cases:
            peer = self.peer(server)
            peer.send(HEAD + headers + b"Connection: close\r\n\r\n")
            received, closed = peer.read()
            self.assertEqual((statuses(received), closed), ([status], True), headers[:40])


class FloodTest(HostileTest):
    def test_ten_thousand_requests_in_one_write_are_answered_in_their_order(self):
        server, watched = self.start()
        peer = self.peer(server)
        count = 10_000
        requests = b"".join(b"POST /v1/counters/flood HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                            % (len(body), body) for body in (b'{"step":"%d","at":%d}' % (number, 2 * count) for number in range(count)))
        sender = threading.Thread(target=peer.send, args=(requests,))
        sender.start()
        received, expected = b"", 0
        peer.socket.settimeout(60)
        while expected < count:
            received += peer.socket.recv(1 << 16)
            while (at := received.find(b'"count":')) >= 0 and b"}" in received[at:]:
                expected += 1
                self.assertEqual(int(received[at + 8:received.index(b",", at)]), expected)
                received = received[received.index(b"}", at):]
        sender.join(10)
        self.assertLess(watched.grown(), 64 * MB)


class SlowTest(HostileTest):
    def test_who_sends_byte_by_byte_is_cut_off_and_keeps_nobody_from_being_served(self):
        server, watched = self.start()
        body = b"POST /v1/queues/slow/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\r\n1"
        beginnings = [b"GET /", b"GET / HTTP/1.1\r\nX: ", body, CHUNKED.replace(b"/q/", b"/slow/")]
        peers = [self.peer(server) for _ in range(200)]
        for number, peer in enumerate(peers):
            peer.send(beginnings[number % 4])
        started, over = time.monotonic(), threading.Event()
        ended = {}

        def trickle():
            while not over.is_set():
                for number, peer in enumerate(peers):
                    if number in ended:
                        continue
                    piece = [b"x", b"x", b"1", b"1\r\n1\r\n"][number % 4]
                    if not peer.send(piece) or peer.read(0.0001)[1]:
                        ended[number] = time.monotonic() - started
                over.wait(0.5)

        sender = threading.Thread(target=trickle)
        sender.start()
        try:
            while len(ended) < len(peers) and time.monotonic() - started < REQUEST_SECONDS + 30:
                begun = time.monotonic()
                self.assertEqual(watched.client.post("/v1/queues/fast/jobs", {}).status, 202)
                self.assertLess(time.monotonic() - begun, 5)
                time.sleep(0.2)
        finally:
            over.set()
            sender.join(30)
        self.assertEqual(len(ended), len(peers))
        self.assertGreater(min(ended.values()), REQUEST_SECONDS - 2)
        self.assertLess(watched.grown(), 64 * MB)
        self.assertEqual([queue["name"] for queue in watched.client.get("/v1/queues").json["queues"]], ["fast"])
        watched.alone()


if __name__ == "__main__":
    unittest.main()
