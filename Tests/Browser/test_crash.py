#!/usr/bin/env python3
"""Kills the example `timeline` with SIGKILL in the middle of deliveries, starts it again, and compares all 10,000 timelines.

usage: Tests/Browser/test_crash.py [--help] [unittest options]

The program is built first; TIMELINE_BINARY names one that is built already.
"""

import collections
import http.client
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

from timeline_server import Timeline, build, wait

FOLLOWERS = range(1, 10_001)
SOME = range(1, 10_001, 97)
KILLS = 3


class CrashTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.binary = build()

    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def start(self, **options):
        return self.enterContext(Timeline(self.binary, self.folder, **options))

    def compare(self, timeline, expected, served=FOLLOWERS):
        """Every follower's timeline in the file, and those of `served` as they are served, have each post once."""
        # In the order in which they came to it: a post whose process was killed before it was shown comes when its job runs again, perhaps
        # after a later one.
        self.assertEqual(sorted(post["id"] for post in timeline.timeline(0)["posts"]), sorted(expected))
        for follower in served:
            page = timeline.timeline(follower)
            ids = [post["id"] for post in page["posts"] if post["author"]["number"] == 0]
            self.assertEqual(sorted(ids), sorted(expected), f"the timeline of follower {follower}")
            self.assertEqual(page["count"], len(expected))
        entries = collections.Counter()
        for line in (self.folder / "timelines.jsonl").read_text().splitlines():
            for delivery in json.loads(line)["deliveries"]:
                entries.update((delivery["post"], follower) for follower in delivery["to"])
        self.assertEqual(len(entries), len(expected) * len(FOLLOWERS))
        self.assertEqual(set(entries.values()), {1}, "nothing was written twice")

    def test_after_kills_in_mid_delivery_every_timeline_has_every_post_once(self):
        expected = []
        for kill in range(KILLS):
            timeline = self.start(pace=200)
            ids = [f"kill-{kill}-{number}" for number in range(3)]
            for id in ids:
                timeline.publish(id)
            expected += ids
            # At another point of the delivery each time.
            least = 500 * (1 + 7 * kill)
            wait("the delivery is on its way", lambda: timeline.delivered(ids[0]) >= least)
            progress = [timeline.delivered(id) for id in ids]
            timeline.kill()
            self.assertLess(min(progress), 10_000, f"it was killed before the end: {progress}")
        timeline = self.start(pace=0)
        wait("everything is delivered", lambda: all(timeline.delivered(id) == 10_000 for id in expected))
        self.compare(timeline, expected)
        status, seconds = timeline.stop()
        self.assertEqual(status, 0)

    def test_killed_as_soon_as_a_post_is_accepted(self):
        expected = []
        for number in range(3):
            timeline = self.start(pace=0)
            timeline.publish(f"post-{number}")
            timeline.kill()
            expected.append(f"post-{number}")
        timeline = self.start(pace=0)
        wait("everything is delivered", lambda: all(timeline.delivered(id) == 10_000 for id in expected))
        self.compare(timeline, expected)

    def test_a_post_that_is_sent_again_is_the_same_post(self):
        timeline = self.start(pace=0)
        first = timeline.publish("once")
        self.assertEqual(timeline.publish("once"), first)
        wait("it is delivered", lambda: timeline.delivered("once") == 10_000)
        self.assertEqual(timeline.publish("once"), first)
        timeline.kill()
        timeline = self.start(pace=0)
        self.assertEqual(timeline.publish("once"), first)
        self.compare(timeline, ["once"], SOME)
        # With other words it is refused, and says so.
        status, _, problem = timeline.request("POST", "/posts", {"id": "once", "author": 0, "text": "Other words", "writtenAt": 0})
        self.assertEqual((status, problem["code"]), (422, "id_taken"))

    def test_it_stops_in_peace_with_an_open_page_and_a_delivery_under_way(self):
        for with_signal in (signal.SIGINT, signal.SIGTERM):
            timeline = self.start(pace=200)
            stream = self.open_stream(timeline)
            id = f"peace-{with_signal.name}"
            timeline.publish(id)
            wait("the delivery is on its way", lambda: timeline.delivered(id) > 0)
            status, seconds = timeline.stop(with_signal)
            stream.close()
            self.assertEqual(status, 0)
            self.assertLess(seconds, 10)
        timeline = self.start(pace=0)
        wait("everything is delivered", lambda: timeline.delivered("peace-SIGINT") == timeline.delivered("peace-SIGTERM") == 10_000)
        self.compare(timeline, ["peace-SIGINT", "peace-SIGTERM"], SOME)

    def open_stream(self, timeline):
        stream = http.client.HTTPConnection(timeline.address, timeout=30)
        stream.request("GET", "/events")
        self.assertTrue(stream.getresponse().readline().startswith(b"event: "))
        return stream

    def test_bad_requests_are_refused_and_say_why(self):
        timeline = self.start()
        good = {"id": "a", "author": 0, "text": "x", "writtenAt": 0}
        for value, headers, expected in [
            (b"{", {}, (400, "bad_json")),
            ({**good, "text": 1}, {}, (400, "bad_json")),
            ({**good, "text": " "}, {}, (400, "bad_post")),
            ({**good, "author": 10_001}, {}, (400, "bad_post")),
            ({**good, "id": "../etc"}, {}, (400, "bad_post")),
            (good, {"Content-Type": "text/plain"}, (415, "unsupported_media_type")),
            ({**good, "text": "x" * 10_000}, {}, (413, "too_large")),
        ]:
            with self.subTest(expected=expected, value=str(value)[:60]):
                status, answer, problem = timeline.request("POST", "/posts", value, headers)
                self.assertEqual((status, problem["code"]), expected)
                self.assertEqual(answer["Content-Type"], "application/problem+json")
        for path in ("/followers/0", "/followers/10001", "/followers/x", "/timelines/10001", "/events?person=-1", "/assets/nothing"):
            with self.subTest(path=path):
                self.assertEqual(timeline.request("GET", path)[0], 404)

    def test_what_keeps_it_from_starting_is_said(self):
        timeline = self.start()
        port = timeline.address.rsplit(":", 1)[1]
        with tempfile.TemporaryDirectory() as other:
            for arguments, status, words in [
                (["--port", port, "--data", other], 1, "the port is in use"),
                (["--port", "0", "--data", str(self.folder)], 1, "store_locked"),
                (["--port", "many"], 64, "--port must be a number"),
                (["--nonsense"], 64, "unknown argument --nonsense"),
            ]:
                with self.subTest(arguments=arguments):
                    run = subprocess.run([self.binary, *arguments], capture_output=True, text=True, timeout=30)
                    self.assertEqual(run.returncode, status, run.stderr)
                    self.assertIn(words, run.stderr)
        helped = subprocess.run([self.binary, "--help"], capture_output=True, text=True, timeout=30)
        self.assertEqual((helped.returncode, helped.stderr), (0, ""))
        self.assertIn("--data FOLDER", helped.stdout)


if __name__ == "__main__":
    if "--help" in sys.argv or "-h" in sys.argv:
        print(__doc__.strip())
        sys.exit(0)
    unittest.main()
