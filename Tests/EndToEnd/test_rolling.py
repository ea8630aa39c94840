"""A server is restarted 20 times, as a deployment does it, while programs elsewhere publish and work, some of them through a bad network: no job is lost, none has two
effects, each due time fires once."""

import itertools
import os
import random
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path

from support import end, eventually, free_port
from test_processes import SharedServerTest

RESTARTS = int(os.environ.get("GODWIT_RESTARTS", "20"))
SEED = int(os.environ.get("GODWIT_SEED", str(random.randrange(1_000_000))))
# What one web process publishes before the next one goes on.
ROUND = 2_000
MOST_SECONDS = 120 + 6 * RESTARTS


class RollingRestartTest(SharedServerTest):
    def proxy(self):
        """The port of a bad network between whoever connects there and the server."""
        port = free_port()
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("proxy.py")), str(port), str(self.port), str(SEED)], stdout=self.log, stderr=self.log)
        self.addCleanup(end, process)
        return port

    def test_nothing_is_lost_and_nothing_happens_twice(self):
        print(f"\nGODWIT_SEED={SEED}", flush=True)
        generator = random.Random(SEED)
        server = self.serve(port=self.port)
        bad = self.proxy()
        workers = [self.worker(), self.worker(bad)]
        published = 0
        ports = itertools.cycle((self.port, bad))
        web = None

        def publish():
            """Keeps a web process going."""
            nonlocal web, published
            if web is not None and web.poll() is None:
                return
            if web is not None:
                self.assertEqual(web.returncode, 0, self.output())
            web = self.start("web", "--broker", f"http://127.0.0.1:{next(ports)}", "--first", str(published), "--jobs", str(ROUND))
            published += ROUND

        longest, started = 0, time.monotonic()
        for _ in range(RESTARTS):
            until = time.monotonic() + generator.uniform(0.3, 1.5)
            while time.monotonic() < until:
                publish()
                time.sleep(0.02)
            before = self.made()
            begun = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(server.process.wait(30), 0, server.output()[-2_000:])
            longest = max(longest, time.monotonic() - begun)
            server.log.close()
            server = self.serve(port=self.port)
            # The clients have found it again.
            eventually(lambda seen=before: self.made() > seen or self.is_settled(server), 30, 0.05, "work after the restart")
        self.assertEqual(web.wait(90), 0, self.output())
        eventually(lambda: self.is_settled(server), 90, 0.2, "the end of all jobs")
        took = time.monotonic() - started
        ticks, _, again = self.check_effects(server, published, 32 * RESTARTS)
        # Somebody was there to fire all the time, but while the server was down and the workers found it again.
        self.assertGreater(ticks, RESTARTS / 4)
        print(f"{published} jobs in {took:.0f} s, {RESTARTS} restarts, the longest end took {longest:.1f} s, {again} ran again, {ticks} due times", flush=True)
        self.assertLess(took, MOST_SECONDS)
        self.stop_workers(workers)


if __name__ == "__main__":
    unittest.main()
