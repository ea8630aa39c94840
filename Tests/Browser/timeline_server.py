"""Starts the example `timeline`, and ends it whatever happens."""

import http.client
import json
import os
import pathlib
import selectors
import signal
import subprocess
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]


def build():
    """Builds the program (at once when it is built) and returns its path; TIMELINE_BINARY names one that is built already."""
    if path := os.environ.get("TIMELINE_BINARY"):
        return path
    subprocess.run(["swift", "build", "--product", "timeline"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    folder = subprocess.run(["swift", "build", "--show-bin-path"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
    return os.path.join(folder, "timeline")


class Timeline:
    """A running timeline; used with `with`."""

    def __init__(self, binary, data, *, pace=150, port=0):
        # Its log goes to a file: a pipe that nobody reads would stop it.
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [binary, "--port", str(port), "--data", str(data), "--pace", str(pace)],
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        try:
            self.url = self._read_url()
        except BaseException:
            self.kill()
            raise
        self.address = urllib.parse.urlparse(self.url).netloc
        self.connection = http.client.HTTPConnection(self.address, timeout=30)

    def _read_url(self, seconds=30):
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            line = self.process.stdout.readline().strip() if selector.select(seconds) else ""
        if not line.startswith("http://"):
            self.log.seek(0)
            raise AssertionError(f"timeline did not start: {line}{self.log.read()}")
        return line

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def kill(self):
        """SIGKILL: the program notices nothing."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()
        if hasattr(self, "connection"):
            self.connection.close()

    def stop(self, with_signal=signal.SIGTERM, seconds=20):
        """Ends it in peace; returns its exit status and how many seconds that took."""
        began = time.monotonic()
        self.process.send_signal(with_signal)
        status = self.process.wait(seconds)
        return status, time.monotonic() - began

    def request(self, method, path, value=None, headers=None):
        """Returns (status, headers, value of the JSON)."""
        body = None if value is None else value if isinstance(value, (bytes, str)) else json.dumps(value)
        headers = {"Content-Type": "application/json", **(headers or {})} if body is not None else headers or {}
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        content = response.read()
        is_json = "json" in response.headers.get("Content-Type", "")
        return response.status, response.headers, json.loads(content) if is_json else content

    def publish(self, id, text="The tide is out.", author=0):
        """Posts until it is accepted; returns the address of the post's job."""
        while True:
            post = {"id": id, "author": author, "text": text, "writtenAt": 1_700_000_000_000}
            status, headers, answer = self.request("POST", "/posts", post)
            if status == 202:
                return headers["Location"]
            assert status == 503, (status, answer)
            time.sleep(answer["retry_after_ms"] / 1000)

    def timeline(self, person):
        status, _, page = self.request("GET", f"/timelines/{person}")
        assert status == 200, (status, page)
        return page

    def delivered(self, id):
        """How many followers the post has reached."""
        return next((post["delivered"] for post in self.timeline(0)["posts"] if post["id"] == id), 0)


def wait(what, condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds} s still not: {what}")
        time.sleep(0.01)
    return value
