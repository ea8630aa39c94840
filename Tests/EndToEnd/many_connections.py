"""10,000 connections that stand idle after a request: the server takes less than 300 MB. The figure for HTTPS is printed, from fewer connections by default.

dev/check-release runs this on the release build. GODWIT_TLS_CONNECTIONS says how many. docs/performance.md has the figures of the release build."""

import os
import resource
import selectors
import socket
import ssl
import subprocess
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from commands import resident
from support import Client, EndToEndTest

# One is left for whoever asks how the server is.
CONNECTIONS = 9_999
TLS_CONNECTIONS = int(os.environ.get("GODWIT_TLS_CONNECTIONS", "1000"))
MOST_BYTES = 300_000_000
REQUEST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


class ManyConnectionsTest(EndToEndTest):
    def setUp(self):
        super().setUp()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        needed = CONNECTIONS + 500
        if hard != resource.RLIM_INFINITY and hard < needed:
            self.fail(f"a process may have {hard} descriptors here: {needed} are needed (ulimit -Hn)")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        self.sockets = []
        self.addCleanup(lambda: [one.close() for one in self.sockets])

    def connect(self, server):
        """Opens all connections, a few hundred at a time, each with a request that is answered."""
        waiting = selectors.DefaultSelector()
        answered = 0
        end = time.monotonic() + 120
        while answered < CONNECTIONS:
            self.assertLess(time.monotonic(), end, f"{answered} of {len(self.sockets)} connections were answered: {server.output()[-500:]}")
            while len(self.sockets) < CONNECTIONS and len(self.sockets) - answered < 200:
                one = socket.socket()
                one.connect(("127.0.0.1", server.port))
                one.sendall(REQUEST)
                one.setblocking(False)
                waiting.register(one, selectors.EVENT_READ)
                self.sockets.append(one)
            for key, _ in waiting.select(1):
                answer = key.fileobj.recv(4_096)
                self.assertTrue(answer.startswith(b"HTTP/1.1 200"), answer)
                waiting.unregister(key.fileobj)
                answered += 1
        waiting.close()

    def test_ten_thousand_idle_connections_are_cheap(self):
        server = self.serve()
        before = resident(server.process)
        self.connect(server)
        client = self.client(server)
        metrics = client.get("/metrics").body.decode()
        self.assertIn("godwit_http_connections 10000\n", metrics)
        taken = resident(server.process)
        print(f"\n10,000 idle connections: {taken / 1e6:.0f} MB ({before / 1e6:.0f} MB before), {(taken - before) / CONNECTIONS / 1e3:.1f} kB each", flush=True)
        self.assertLess(taken, MOST_BYTES)
        # One of them is still good, and one more is told that there are enough.
        self.sockets[0].setblocking(True)
        self.sockets[0].sendall(REQUEST)
        self.assertTrue(self.sockets[0].recv(4_096).startswith(b"HTTP/1.1 200"))
        self.assertEqual(Client(server.port).get("/healthz").status, 503)

    def test_idle_connections_with_tls(self):
        certificate, key = self.folder / "cert.pem", self.folder / "key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", certificate,
             "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
        server = self.serve(ready=False, arguments=["--tls-cert", str(certificate), "--tls-key", str(key)])
        context = ssl.create_default_context(cafile=certificate)

        def connect():
            one = context.wrap_socket(socket.create_connection(("127.0.0.1", server.port), timeout=30), server_hostname="localhost")
            self.sockets.append(one)
            one.sendall(REQUEST)
            self.assertTrue(one.recv(4_096).startswith(b"HTTP/1.1 200"))

        end = time.monotonic() + 30
        while True:
            try:
                connect()
                break
            except ConnectionRefusedError:
                self.assertLess(time.monotonic(), end, server.output()[-500:])
                time.sleep(0.05)
        before = resident(server.process)
        # Many at a time: a handshake mostly waits.
        with ThreadPoolExecutor(32) as pool:
            for done in [pool.submit(connect) for _ in range(TLS_CONNECTIONS - 1)]:
                done.result()
        taken = resident(server.process)
        each = (taken - before) / (TLS_CONNECTIONS - 1)
        print(f"\n{TLS_CONNECTIONS:,} idle connections with TLS: {taken / 1e6:.0f} MB ({before / 1e6:.0f} MB before), {each / 1e3:.1f} kB each", flush=True)
        # About twice what was measured.
        self.assertLess(each, 90_000)


if __name__ == "__main__":
    unittest.main()
