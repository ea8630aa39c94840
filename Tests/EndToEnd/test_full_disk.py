"""A file system without room: publishes are refused, work goes on, nothing that was confirmed is lost, and the store comes back by itself.

Each test has a file system of its own, in a mount namespace that ends with the test, whatever becomes of it.
"""

import base64
import os
import shutil
import subprocess
import unittest
from pathlib import Path

from support import EndToEndTest, eventually

MIB = 1 << 20
ROOM = 640 * MIB
PAYLOAD = os.urandom(768 << 10)
HELD = {"tmpfs": 'mount -t tmpfs -o size="$2" tmpfs "$1"', "ext4": 'mount -o loop "$2" "$1"'}
NOT_ALLOWED = ("permission denied", "not permitted", "must be superuser", "failed to setup loop device", "no loop device")


class FullDisk:
    """What every file system is to stand. The names of jobs are their payloads' beginnings."""

    kind = ""

    def setUp(self):
        super().setUp()
        self.place = self.folder / "disk"
        self.place.mkdir()
        self.holder = self.mount()

    # The file system

    def source(self):
        """What is mounted: the size of a tmpfs, or the file that holds a file system."""
        return str(ROOM)

    def mount(self):
        """Mounts it in a namespace that a process of ours keeps; as root, or else as the root of a namespace of its own."""
        said = ""
        for options in (["-m"], ["-r", "-m"]):
            holder = subprocess.Popen(
                ["unshare", *options, "--propagation", "private", "sh", "-c", HELD[self.kind] + " && echo mounted && exec cat", "sh",
                 str(self.place), self.source()],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            if holder.stdout.readline() == "mounted\n":
                self.inside = ["nsenter", "-t", str(holder.pid), *(["-U", "--preserve-credentials"] if "-r" in options else []), "-m"]
                self.addCleanup(lambda: holder.communicate(timeout=20))
                return holder
            said += holder.communicate(timeout=20)[1]
        text = f"no {self.kind} can be mounted here: {said.strip()}"
        # A container that may mount nothing cannot run this; everything else is a fault.
        if os.environ.get("CI") == "true" and not any(reason in said.lower() for reason in NOT_ALLOWED):
            self.fail(text)
        self.skipTest(text)
        return None

    def path(self, *names):
        """A file on it, as this process sees it."""
        return Path(f"/proc/{self.holder.pid}/root{self.place}", *names)

    def free(self):
        return os.statvfs(self.path()).f_bavail * os.statvfs(self.path()).f_frsize

    def fill(self):
        """Leaves no room at all to who wants more."""
        with open(self.path("ballast"), "ab", buffering=0) as ballast:
            piece = b"\xff" * MIB
            while piece:
                try:
                    ballast.write(piece)
                except OSError:
                    piece = piece[: len(piece) // 2]
        self.assertLess(self.free(), 64 << 10)

    # The store

    def open(self):
        server = self.serve("disk/data", wrapper=self.inside)
        self.web = self.client(server)
        return server

    def publish(self, name, query=""):
        return self.web.request(
            "POST", f"/v1/queues/q/jobs?max-attempts=1000{query}", name + PAYLOAD, {"Content-Type": "application/octet-stream"})

    def publish_until_refused(self, names, confirmed, query=""):
        for name in names:
            answer = self.publish(name, query)
            if answer.status != 202:
                self.assertEqual((answer.status, answer.json["code"]), (503, "disk_full"), answer)
                self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
                return
            confirmed[answer.json["id"]] = name
        self.fail("the disk was never full")

    def lease(self, most):
        answer = self.web.request("POST", f"/v1/queues/q/leases?max={most}&lease=10m")
        self.assertEqual(answer.status, 200, answer)
        return answer.json["leases"]

    def work(self, most, confirmed, ended):
        """Takes jobs and completes them."""
        leases = self.lease(most)
        self.assertEqual(len(leases), most)
        for lease in leases:
            job = lease["job"]["id"]
            self.assertIn(job, confirmed, "a job that nobody was told of, or one that was ended")
            self.assertTrue(base64.b64decode(lease["payload_base64"]).startswith(confirmed.pop(job)), "another job's payload")
            answer = self.web.request("POST", f"/v1/leases/{lease['lease']}/complete")
            self.assertEqual(answer.status, 200, answer)
            ended.add(job)

    def end_all(self, confirmed, ended, but=()):
        """Ends what waits: as good as working it off, and nothing of it has to be read."""
        for job in [job for job in confirmed if job not in but]:
            answer = self.web.request("POST", f"/v1/jobs/{job}/cancel")
            # Nothing is kept of it, so that there may be nothing left to show.
            self.assertIn(answer.status, (200, 410), answer)
            del confirmed[job]
            ended.add(job)

    def names(self, prefix):
        number = 0
        while True:
            number += 1
            yield f"{prefix}-{number} ".encode()

    def assert_there(self, confirmed, ended):
        """Everything that was confirmed is there, and what was ended is not."""
        queue = self.web.get("/v1/queues/q").json
        self.assertEqual(sum(queue["counts"][state] for state in ("scheduled", "queued", "running", "retrying")), len(confirmed))
        for job in confirmed:
            self.assertIn(self.web.get(f"/v1/jobs/{job}").json["state"], ("scheduled", "queued", "running"))
        for job in ended:
            self.assertEqual(self.web.get(f"/v1/jobs/{job}").status, 410)

    def make_queue(self):
        settings = {"retention": "none", "max_jobs": 100_000, "max_bytes": 1 << 40}
        self.assertIn(self.web.request("PUT", "/v1/queues/q", settings).status, (200, 201))

    def fill_store(self, count, confirmed):
        """Publishes so many jobs; those that are to wait for next month are answered: one in forty, so that segments have to be emptied."""
        later = set()
        for number, name in zip(range(count), self.names("early")):
            answer = self.publish(name, "&delay=30d" if number % 40 == 0 else "")
            self.assertEqual(answer.status, 202, answer)
            confirmed[answer.json["id"]] = name
            if number % 40 == 0:
                later.add(answer.json["id"])
        eventually(self.has_reserve, 10, 0.05, "what is kept for a full disk")
        return later

    def has_reserve(self):
        """Whether the store has set aside the two segments that are for those who end something, and for emptying others."""
        return self.web.get("/v1/inspect").json["spare_bytes"] >= 2 * 64 * MIB

    def await_room(self, confirmed):
        def is_taken():
            answer = self.publish(b"again ")
            if answer.status == 202:
                confirmed[answer.json["id"]] = b"again "
            return answer.status == 202

        eventually(is_taken, 60, 0.2, "publishes are taken again, with the ballast in place")

    def test_a_full_disk_refuses_publishes_and_comes_back_by_itself(self):
        server = self.open()
        self.make_queue()
        confirmed, ended = {}, set()
        later = self.fill_store(280, confirmed)
        self.fill()
        self.publish_until_refused(self.names("late"), confirmed)
        self.assertEqual(self.web.get("/readyz").status, 200, "full is not failed")

        # Work goes on in what is set aside, and nothing but that makes room.
        self.work(5, confirmed, ended)
        self.end_all(confirmed, ended, but=later)
        self.assert_there(confirmed, ended)
        self.await_room(confirmed)
        # And many more, in the space that comes back: segments are emptied one by one, while others are filled.
        before, names = len(confirmed), self.names("second")

        def are_taken():
            self.publish_until_refused(names, confirmed)
            return len(confirmed) - before > 50

        eventually(are_taken, 30, 0.2, "more than 50 jobs are taken in the space that comes back")
        self.work(5, confirmed, ended)
        self.assertEqual(server.stop(), 0)
        self.open()
        self.assert_there(confirmed, ended)

    def test_killed_on_a_full_disk_the_store_opens_and_works_on(self):
        server = self.open()
        self.make_queue()
        confirmed, ended = {}, set()
        later = self.fill_store(200, confirmed)
        self.fill()
        self.publish_until_refused(self.names("late"), confirmed)
        self.work(3, confirmed, ended)
        server.process.kill()
        server.process.wait(20)
        server.stop()
        self.fill()
        self.open()
        self.assert_there(confirmed, ended)
        self.work(3, confirmed, ended)
        self.end_all(confirmed, ended, but=later)
        self.await_room(confirmed)
        self.assert_there(confirmed, ended)


class TmpfsTest(FullDisk, EndToEndTest):
    kind = "tmpfs"


class LoopBackTest(FullDisk, EndToEndTest):
    kind = "ext4"

    def source(self):
        image = self.folder / "image"
        if not image.exists():
            make = shutil.which("mkfs.ext4") or shutil.which("mkfs.ext4", path="/sbin:/usr/sbin")
            if make is None:
                if os.environ.get("CI") == "true":
                    self.fail("mkfs.ext4 is not there: install e2fsprogs")
                self.skipTest("mkfs.ext4 is not there: install e2fsprogs")
            with open(image, "wb") as file:
                file.truncate(ROOM)
            subprocess.run([make, "-q", "-F", "-m", "0", str(image)], check=True, stdin=subprocess.DEVNULL, timeout=120)
        return str(image)


if __name__ == "__main__":
    unittest.main()
