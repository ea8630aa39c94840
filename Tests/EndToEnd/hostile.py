"""What the tests of hostile peers share: sockets by hand, and what a server says of its connections and its memory."""

import re
import socket
import time

from commands import resident
from support import Client, eventually


class Peer:
    """A connection of which every byte is written by hand."""

    def __init__(self, server, reads=True, address=None):
        self.socket = socket.socket()
        if not reads:
            # What nobody reads is to fill the server's side, not this one.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 10)
        if address:
            self.socket.bind((address, 0))
        self.socket.settimeout(30)
        self.socket.connect(("127.0.0.1", server.port))

    def send(self, data):
        """Sends; false where the server has closed, which those who mean harm must expect."""
        try:
            self.socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def flood(self, pieces, seconds=5, most=1 << 30):
        """Sends for as long as it is taken; how many bytes were. Ends where the server has closed, or has taken nothing for so long."""
        self.socket.settimeout(seconds)
        sent = 0
        try:
            for piece in pieces:
                view = memoryview(piece)
                while view:
                    count = self.socket.send(view)
                    sent += count
                    view = view[count:]
                if sent >= most:
                    break
        except OSError:
            pass
        return sent

    def read(self, seconds=10):
        """All that comes until the server closes; and whether it did."""
        self.socket.settimeout(seconds)
        received = b""
        try:
            while True:
                part = self.socket.recv(1 << 16)
                if not part:
                    return received, True
                received += part
        except (ConnectionResetError, BrokenPipeError):
            return received, True
        except TimeoutError:
            return received, False

    def close(self):
        self.socket.close()


class Watched:
    """A server, and what it says of itself."""

    def __init__(self, server):
        self.server = server
        self.client = Client(server.port, timeout=60)
        # The first requests load what all others use.
        for _ in range(20):
            self.client.get("/metrics")
        self.base = resident(server.process)

    def metric(self, name):
        text = self.client.get("/metrics").body.decode()
        return float(re.search(rf"^{name} (\S+)$", text, re.MULTILINE)[1])

    def grown(self):
        """Bytes by which the server has grown."""
        return resident(self.server.process) - self.base

    def largest(self, seconds):
        """The most by which it had grown at any time within so many seconds."""
        largest, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            largest = max(largest, self.grown())
            time.sleep(0.05)
        return largest

    def alone(self, seconds=30):
        """Waits until there is no connection but the one that asks."""
        eventually(lambda: self.metric("godwit_http_connections") == 1, seconds, 0.1, "the end of all other connections")

    def close(self):
        self.client.close()


def statuses(received):
    """The status of each answer among bytes that came."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]
