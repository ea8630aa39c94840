"""The served OpenAPI document against the server that serves it: schemathesis makes requests that the document allows, and such that it does not, and checks every answer.

What the document cannot say is in openapi_hooks.py. GODWIT_SEED is the seed (a fixed one by default), GODWIT_OPENAPI_SECONDS how long each server is tried. schemathesis comes from .build/tools, where `dev/test e2e`
installs it, or from the path; without it the tests are skipped, and fail where CI=true."""

import hashlib
import json
import os
import shutil
import subprocess
import unittest
from pathlib import Path

from support import ROOT, EndToEndTest, environment

FOLDER = Path(__file__).resolve().parent
SEED = os.environ.get("GODWIT_SEED", "1")
SECONDS = int(os.environ.get("GODWIT_OPENAPI_SECONDS", "40"))
TOKEN = "all-of-it-0123456789abcdef"


def program():
    """Where schemathesis is, or None."""
    installed = ROOT / ".build" / "tools" / "bin" / "schemathesis"
    return str(installed) if os.access(installed, os.X_OK) else shutil.which("schemathesis")


class OpenAPITest(EndToEndTest):
    def setUp(self):
        super().setUp()
        self.program = program()
        if self.program is None:
            message = "schemathesis is not here: pip install -r Tests/EndToEnd/requirements.txt"
            if os.environ.get("CI") == "true":
                self.fail(message)
            self.skipTest(message)

    def check(self, server, *arguments):
        command = [
            self.program, "run", f"{server.url}/openapi.json", "--checks", "all", "--seed", SEED, "--max-time", str(SECONDS),
            # Two threads of it get into each other's way in the parser of Python 3.11.
            "--workers", "1",
            "--request-timeout", "20", "--generation-database", "none", "--no-color",
            # An event stream has no end that could be waited for: Tests/GodwitHTTPTests/WatchTests.swift reads it.
            "--exclude-path", "/v1/watch", *arguments]
        done = subprocess.run(command, cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS + 120, check=False,
                              env=environment(PYTHONPATH=str(FOLDER), PYTHONDONTWRITEBYTECODE="1", SCHEMATHESIS_HOOKS="openapi_hooks"))
        print(f"\nseed {SEED}: " + "\n".join(done.stdout.strip().splitlines()[-12:]), flush=True)
        self.assertEqual(done.returncode, 0, f"{done.stdout[-20_000:]}\n{done.stderr[-2_000:]}")

    def test_without_tokens(self):
        self.check(self.serve())

    def test_with_tokens(self):
        table = self.folder / "tokens.json"
        table.write_text(json.dumps({"tokens": [
            {"name": "all", "sha256": hashlib.sha256(TOKEN.encode()).hexdigest(), "scopes": ["publish", "work", "admin"]}]}))
        table.chmod(0o600)
        self.check(self.serve(arguments=["--tokens", str(table)]), "--header", f"Authorization: Bearer {TOKEN}")


if __name__ == "__main__":
    unittest.main()
