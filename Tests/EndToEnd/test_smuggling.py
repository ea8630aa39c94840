"""Requests whose end two readers could see in two places: each is refused, the connection closed, and what hides behind it never carried out."""

import unittest

from hostile import Peer, Watched, statuses
from support import EndToEndTest

POST = "POST /v1/queues/open/jobs HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = POST + "Transfer-Encoding: chunked\r\n\r\n"

# What is wrong with the framing, and the bytes up to where the hidden request begins.
REFUSED = {
    "two lengths": POST + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "two equal lengths": POST + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "two lengths, one in lower case": POST + "Content-Length: 5\r\ncontent-length: 0\r\n\r\nhello",
    "a list of lengths": POST + "Content-Length: 5, 5\r\n\r\nhello",
    "a list of lengths that differ": POST + "Content-Length: 5, 0\r\n\r\nhello",
    "a length with a sign": POST + "Content-Length: +5\r\n\r\nhello",
    "a negative length": POST + "Content-Length: -5\r\n\r\nhello",
    "a length in hexadecimal": POST + "Content-Length: 0x5\r\n\r\nhello",
    "a length with a space in it": POST + "Content-Length: 5 0\r\n\r\nhello",
    "no length in its header": POST + "Content-Length: \r\n\r\nhello",
    "a length beyond 64 bits": POST + "Content-Length: 18446744073709551621\r\n\r\nhello",
    "a length and chunks": POST + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and a length": POST + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "chunks and a length of nothing": POST + "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n",
    "chunks that are not the last coding": POST + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "identity": POST + "Transfer-Encoding: identity\r\n\r\n",
    "chunked twice": POST + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked in two headers": POST + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked, then identity, in two headers": POST + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "identity, then chunked, in two headers": POST + "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a coding that nobody knows": POST + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a coding that is not undone": POST + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a coding behind a control character": POST + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a coding in quotes": POST + "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
    "an empty coding": POST + "Transfer-Encoding: \r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": "POST /v1/queues/open/jobs HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a space before the colon of a length": POST + "Content-Length : 5\r\n\r\nhello",
    "a space before the colon of a coding": POST + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a folded coding": POST + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a coding folded into another header": POST + "X: 1\r\n Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
    "a folded length": POST + "Content-Length:\r\n\t5\r\n\r\nhello",
    "a space before the first header": "POST /v1/queues/open/jobs HTTP/1.1\r\n Host: localhost\r\nContent-Length: 0\r\n\r\n",
    "a bare CR in a header": POST + "X: 1\rTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
    "a NUL in a header's value": POST + "X: a\x00b\r\nContent-Length: 0\r\n\r\n",
    "a NUL in a header's name": POST + "Content-Length\x00: 5\r\nContent-Length: 0\r\n\r\n",
    "a header without a colon": POST + "Content-Length\r\n\r\n",
    "a chunk's size with a prefix": CHUNKED + "0x5\r\nhello\r\n0\r\n\r\n",
    "a chunk's size with a sign": CHUNKED + "+5\r\nhello\r\n0\r\n\r\n",
    "a negative chunk": CHUNKED + "-1\r\nhello\r\n0\r\n\r\n",
    "a space before a chunk's size": CHUNKED + " 5\r\nhello\r\n0\r\n\r\n",
    "a chunk without a size": CHUNKED + "\r\nhello\r\n0\r\n\r\n",
    "a chunk's size that is no number": CHUNKED + "five\r\nhello\r\n0\r\n\r\n",
    "a chunk's size beyond 64 bits": CHUNKED + "10000000000000005\r\nhello\r\n0\r\n\r\n",
    "a chunk's size that ends in a bare LF": CHUNKED + "5\nhello\r\n0\r\n\r\n",
    "a chunk that is longer than it says": CHUNKED + "4\r\nhello\r\n0\r\n\r\n",
    "a chunk without its end": CHUNKED + "5\r\nhello0\r\n\r\n",
    "a last chunk whose end is a bare CR": CHUNKED + "0\r\n\rX",
    "a NUL in a trailer": CHUNKED + "0\r\nX: \x00\r\n\r\n",
    "a length in a trailer": CHUNKED + "5\r\n\"abc\"\r\n0\r\nContent-Length: 50\r\n\r\n",
    "a target with another authority than Host": "GET http://evil.example/v1/queues HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a target whose authority has a user": "GET http://localhost@evil.example/v1/queues HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a target of another scheme": "GET ftp://localhost/v1/queues HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a target that is no path": "GET v1/queues HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a target with a space in it": "GET /v1/queues /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "two hosts": "GET /v1/queues HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    "no host": "GET /v1/queues HTTP/1.1\r\n\r\n",
    "an authority as a target": "CONNECT evil.example:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
}

# What looks odd and is right.
TAKEN = {
    "chunks in capitals": POST + "TRANSFER-ENCODING: CHUNKED\r\n\r\n5\r\n\"abc\"\r\n0\r\n\r\n",
    "an extension of a chunk": POST + "Transfer-Encoding: chunked\r\n\r\n5;a=b\r\n\"abc\"\r\n0\r\n\r\n",
    "a chunk's size with zeroes": POST + "Transfer-Encoding: chunked\r\n\r\n0005\r\n\"abc\"\r\n000\r\n\r\n",
    "a target with the authority of Host": "POST http://localhost/v1/queues/open/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n\"abc\"",
    "a length with zeroes": POST + "Content-Length: 005\r\n\r\n\"abc\"",
}


def hidden(number):
    return f"POST /v1/queues/hidden-{number}/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{{}}"


class SmugglingTest(EndToEndTest):
    def setUp(self):
        super().setUp()
        self.server = self.serve()
        self.watched = Watched(self.server)
        self.addCleanup(self.watched.close)

    def ask(self, text):
        peer = Peer(self.server)
        try:
            peer.send(text)
            return peer.read(5)
        finally:
            peer.close()

    def carried_out(self):
        queues = self.watched.client.get("/v1/queues").json["queues"]
        return sorted(queue["name"] for queue in queues if queue["name"].startswith("hidden-"))

    def test_what_hides_behind_an_unclear_end_is_never_carried_out(self):
        for number, (name, text) in enumerate(REFUSED.items()):
            with self.subTest(name):
                received, closed = self.ask(text + hidden(number))
                self.assertEqual(statuses(received)[:1], [400], received[:300])
                self.assertEqual(len(statuses(received)), 1, received[:600])
                self.assertTrue(closed, received[:300])
                self.assertIn(b"application/problem+json", received)
        self.assertEqual([f"{name}: {list(REFUSED)[int(name[7:])]}" for name in self.carried_out()], [])
        self.watched.alone()

    def test_what_is_odd_and_right_is_taken_with_what_follows_it(self):
        for number, (name, text) in enumerate(TAKEN.items()):
            with self.subTest(name):
                received, _ = self.ask(text + hidden(number).replace("Host: localhost", "Host: localhost\r\nConnection: close"))
                self.assertEqual(statuses(received), [202, 202], received[:600])
        # Who offers another protocol, as some clients do with their first request, is answered in this one and comes again.
        upgrade = POST + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: \r\nContent-Length: 5\r\n\r\n\"abc\""
        received, closed = self.ask(upgrade + hidden(len(TAKEN)))
        self.assertEqual((statuses(received), closed), ([202], True), received[:600])
        payloads = {self.watched.client.get(f"/v1/jobs/{job['id']}/payload").body for job in self.watched.client.jobs("open")}
        self.assertEqual(payloads, {b'"abc"'})
        self.assertEqual(len(self.carried_out()), len(TAKEN))


if __name__ == "__main__":
    unittest.main()
