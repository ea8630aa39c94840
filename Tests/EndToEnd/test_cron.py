"""`godwit cron`: named time zones, and the days on which their clocks are set. dev/check-release runs this on the static program, too."""

import json
import unittest

from commands import OK, USAGE
from support import EndToEndTest

# Expression, zone, after, the times that follow.
CASES = [
    ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]),
    ("0 9 * * 1-5", "Europe/Berlin", "2026-10-23T12:00:00Z", ["2026-10-26T09:00:00+01:00", "2026-10-27T09:00:00+01:00"]),
    ("30 1 * * *", "America/New_York", "2026-11-01T03:00:00Z", ["2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"]),
    ("0 9 * * *", "Asia/Kathmandu", "2026-12-01T00:00:00Z", ["2026-12-01T09:00:00+05:45"]),
    ("0 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", ["2026-10-04T02:30:00+11:00", "2026-10-05T02:00:00+11:00"]),
    ("@yearly", "Pacific/Kiritimati", "2026-06-01T00:00:00Z", ["2027-01-01T00:00:00+14:00"]),
    ("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", ["2028-02-29T00:00:00+00:00"]),
]


class CronTest(EndToEndTest):
    def test_times_are_those_of_the_zones_clocks(self):
        for expression, zone, after, expected in CASES:
            done = self.run_godwit("cron", expression, "--zone", zone, "--after", after, "--count", str(len(expected)))
            self.assertEqual((done.returncode, done.stdout.splitlines()), (OK, expected), f"{expression} in {zone}: {done.stderr}")

    def test_json_says_the_time_in_utc_as_well(self):
        done = self.run_godwit("cron", "0 9 * * *", "--zone", "Europe/Berlin", "--after", "2026-12-01T12:00:00Z", "--count", "1", "--json")
        self.assertEqual(
            json.loads(done.stdout), {"due_at": "2026-12-02T08:00:00.000Z", "local": "2026-12-02T09:00:00+01:00", "zone": "Europe/Berlin"})

    def test_what_cannot_be_read_is_said(self):
        for arguments, word in [(["0 9 * *"], "five"), (["0 9 31 2 *"], "never"), (["0 9 * * *", "--zone", "Europe/Atlantis"], "Atlantis"),
                                (["0 9 * * *", "--count", "0"], "--count"), (["0 9 * * *", "--after", "tomorrow"], "--after")]:
            done = self.run_godwit("cron", *arguments)
            self.assertEqual(done.returncode, USAGE, done)
            self.assertIn(word, done.stderr)


if __name__ == "__main__":
    unittest.main()
