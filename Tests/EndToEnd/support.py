"""What the end-to-end tests share: the built program, servers in folders of their own, and a small HTTP client.

Python's standard library alone. Every process that a test starts is ended by its id, and every wait has an end.
"""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parent.parent.parent
GODWIT = os.environ.get("GODWIT_BIN", str(ROOT / ".build" / "debug" / "godwit"))


def free_port():
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def eventually(condition, timeout=20, interval=0.02, what="the condition"):
    """The condition's first true value; fails when there is none in time."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not hold within {timeout} s")
        time.sleep(interval)


def environment(**extra):
    """This process's environment without what would steer the program; its servers do not wait long for clients when they stop."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GODWIT_")}
    env["GODWIT_DRAIN"] = "500ms"
    env.update(extra)
    return env


def end(process, patience=20):
    """Ends a process: SIGTERM, and SIGKILL when it goes on."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(patience)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream:
            stream.close()
    return process.returncode


def children_of(pid):
    """The ids of a process's children."""
    children = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            children.append(int(stat.parent.name))
    return children


class Unreachable(Exception):
    """The server went away before it answered."""


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


class Client:
    """One connection to a server, kept alive; opened again when it broke."""

    def __init__(self, port, timeout=70):
        self.port = port
        self.timeout = timeout
        self.connection = None

    def request(self, method, path, body=None, headers=None):
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        try:
            self.connection.request(method, path, body, headers)
            response = self.connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Unreachable(str(error)) from error

    def get(self, path, **headers):
        return self.request("GET", path, headers=headers)

    def post(self, path, body=None, headers=None):
        return self.request("POST", path, body, headers)

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def jobs(self, queue):
        """All jobs of a queue, newest first."""
        jobs, cursor = [], None
        while True:
            path = f"/v1/jobs?queue={quote(queue)}&limit=1000" + (f"&cursor={quote(cursor)}" if cursor else "")
            answer = self.get(path)
            assert answer.status == 200, answer
            jobs += answer.json["jobs"]
            cursor = answer.json["next_cursor"]
            if cursor is None:
                return jobs


class Server:
    """`godwit serve` on a folder."""

    def __init__(self, data, port=None, arguments=(), wrapper=(), env=None):
        self.data = str(data)
        self.port = port or free_port()
        self.log = open(f"{self.data}.log", "ab")
        command = [*wrapper, GODWIT, "serve", "--data", self.data, "--http", f"127.0.0.1:{self.port}", *arguments]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, env=environment(**(env or {})))
        self.url = f"http://127.0.0.1:{self.port}"

    def ready(self, timeout=30):
        client = Client(self.port, timeout=5)

        def answers():
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.output()}")
            try:
                return client.get("/readyz").status == 200
            except Unreachable:
                return False

        eventually(answers, timeout, 0.01, f"readiness of the server on port {self.port}")
        client.close()
        return self

    def output(self):
        self.log.flush()
        return Path(f"{self.data}.log").read_text(errors="replace")

    def kill(self):
        """SIGKILL: nothing is flushed, nobody is told."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)
        self.log.close()

    def stop(self):
        code = end(self.process)
        self.log.close()
        return code


class EndToEndTest(unittest.TestCase):
    """A test with a folder of its own, whose processes end with it."""

    def setUp(self):
        if not os.access(GODWIT, os.X_OK):
            self.fail(f"{GODWIT} is not there: build it (swift build --product godwit) or name it in GODWIT_BIN")
        self.folder = Path(tempfile.mkdtemp(prefix="godwit-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def serve(self, name="data", ready=True, **options):
        server = Server(self.folder / name, **options)
        self.addCleanup(lambda: server.process.poll() is None and server.stop())
        return server.ready() if ready else server

    def client(self, server, **options):
        client = Client(server.port, **options)
        self.addCleanup(client.close)
        return client

    def run_godwit(self, *arguments, stdin=None, server=None, env=None, timeout=60, binary=False, **options):
        """Runs the command line to its end; its standard streams are text unless `binary`."""
        env = environment(**(env or {}))
        if server is not None:
            env["GODWIT_SERVER"] = server.url
        if isinstance(stdin, str) and binary:
            stdin = stdin.encode()
        return subprocess.run(
            [GODWIT, *arguments], input=stdin if stdin is not None else (b"" if binary else ""), capture_output=True,
            text=not binary, env=env, timeout=timeout, check=False, **options)

    def start_godwit(self, *arguments, server=None, env=None, **options):
        """Starts the command line; it is ended with the test."""
        env = environment(**(env or {}))
        if server is not None:
            env["GODWIT_SERVER"] = server.url
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
        process = subprocess.Popen([GODWIT, *arguments], env=env, **options)
        self.addCleanup(end, process)
        return process
