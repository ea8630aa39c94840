"""Check, repair, inspect and upgrade of closed stores, with damage."""

import json
import os
import random
import shutil
import unittest

from commands import DAMAGED, FAILED, OK, UNREACHABLE, ToolsTest, digest
from support import ROOT


class CheckTest(ToolsTest):
    def test_a_sound_store_is_left_as_it_is_and_one_in_use_is_not_looked_into(self):
        data = self.folder / "data"
        self.fill(data)
        before = digest(data)
        self.assertIn("is sound", self.godwit("check", data).stdout)
        told = json.loads(self.godwit("check", data, "--json").stdout)
        self.assertEqual((told["sound"], told["damages"]), (True, []))
        self.godwit("repair", data, "--yes")
        shown = json.loads(self.godwit("inspect", data, "--json").stdout)
        self.assertEqual(shown["queues"][0]["counts"]["queued"], 200)
        self.assertGreater(shown["live_bytes"], 200 * 8)
        self.assertEqual(digest(data), before)
        server = self.serve()
        for command in ("check", "inspect", "repair"):
            done = self.godwit(command, data, expect=UNREACHABLE)
            self.assertIn(str(server.process.pid), done.stderr)
        self.godwit("check", self.folder / "nowhere", expect=UNREACHABLE)

    def test_a_folder_that_is_no_store_is_not_taken_for_one_and_is_left_as_it_is(self):
        empty, letters = self.folder / "empty", self.folder / "letters"
        empty.mkdir()
        letters.mkdir()
        (letters / "letter.txt").write_text("dear store")
        for folder in (empty, letters):
            before = digest(folder)
            for command in (["check"], ["inspect"], ["repair"], ["repair", "--yes"], ["upgrade"], ["upgrade", "--yes"]):
                done = self.godwit(*command, folder, expect=UNREACHABLE)
                self.assertIn("holds no store", done.stderr, command)
            self.assertEqual(digest(folder), before)

    def test_an_upgrade_that_is_not_asked_for_opens_nothing(self):
        data = self.folder / "data"
        self.fill(data)
        before = digest(data)
        told = json.loads(self.godwit("upgrade", data, "--json").stdout)
        self.assertEqual(told["level"], told["newest_level"])
        self.assertEqual(digest(data), before)

    def test_a_store_of_an_older_version_is_raised_when_that_is_asked_for(self):
        data = self.folder / "data"
        shutil.copytree(ROOT / "Tests" / "GodwitEngineTests" / "Golden" / "level-0", data)
        before = digest(data)
        told = json.loads(self.godwit("upgrade", data, "--json", expect=FAILED).stdout)
        self.assertEqual((told["level_before"], told["level"]), (0, 0))
        self.assertEqual({name: digest(data)[name] for name in before}, before)
        told = json.loads(self.godwit("upgrade", data, "--yes", "--json").stdout)
        self.assertEqual((told["level_before"], told["level"]), (0, told["newest_level"]))
        self.assertEqual(json.loads(self.godwit("inspect", data, "--json").stdout)["level"], told["newest_level"])

    def test_damage_anywhere_is_found_named_and_repaired(self):
        data = self.folder / "data"
        # In groups of a hundred: what one bit spoils is one of them at most.
        jobs = [job for _ in range(4) for job in self.fill(data, 100)]
        done = self.godwit("publish", "done", "{}", "--data", data).stdout.strip()
        self.godwit("cancel", done, "--data", data)
        segment = data / "segment-00000001"
        used = max(offset for offset in range(0, segment.stat().st_size, 4096) if any(segment.read_bytes()[offset:offset + 4096]))
        generator = random.Random(3)
        found = whole = 0
        for number in range(12):
            offset = generator.randrange(used)
            copy = self.folder / f"copy-{number}"
            shutil.copytree(data, copy)
            with open(copy / segment.name, "r+b") as file:
                file.seek(offset)
                byte = file.read(1)[0]
                file.seek(offset)
                file.write(bytes([byte ^ (1 << generator.randrange(8))]))
            before = digest(copy)
            checked = self.run_godwit("check", str(copy), "--json")
            self.assertEqual(digest(copy), before)
            report = json.loads(checked.stdout.splitlines()[0])
            self.assertEqual(checked.returncode, OK if report["sound"] else DAMAGED)
            if report["sound"]:
                # Nothing that counts was hit: all of it is there.
                self.assertEqual(self.queues(copy)["q"]["counts"]["queued"], len(jobs), f"offset {offset}")
                continue
            found += 1
            self.assertTrue(all(damage["file"] == segment.name for damage in report["damages"]), report)
            refused = self.godwit("repair", copy, expect=DAMAGED)
            self.assertIn("--yes", refused.stderr)
            self.assertEqual(digest(copy), before)
            told = json.loads(self.godwit("repair", copy, "--yes", "--json").stdout)
            self.assertIn("is sound", self.godwit("check", copy).stdout)
            counts = self.queues(copy)
            left = sum(queue["counts"]["queued"] for queue in counts.values())
            self.assertGreaterEqual(left + told["lost_records"] + told["without_effect"], len(jobs), f"offset {offset}: {told}")
            self.assertGreaterEqual(left + told["without_effect"], len(jobs) - 100, f"offset {offset}: {told}")
            whole += left == len(jobs)
            # It is a store as any other: what it gives out now it never gave out before.
            fresh = self.godwit("publish", "q", "new", "--data", copy).stdout.strip()
            self.assertNotIn(fresh, jobs)
        self.assertGreater(found, 5)
        self.assertGreater(whole, 0, "no damage was of one payload alone")

    def test_a_damaged_payload_names_its_job(self):
        data = self.folder / "data"
        self.fill(data, 5)
        self.godwit("publish", "letters", "another", "--data", data)
        job = self.godwit("publish", "letters", "a payload to be found", "--data", data).stdout.strip()
        self.fill(data, 5)
        segment = data / "segment-00000001"
        content = segment.read_bytes()
        at = content.index(b"a payload to be found")
        segment.write_bytes(content[:at] + b"A" + content[at + 1:])
        damage = json.loads(self.godwit("check", data, "--json", expect=DAMAGED).stdout)["damages"][0]
        self.assertEqual(damage["affects"], [{"what": "payload", "job": job, "queue": "letters"}])
        self.assertEqual(damage["lost_records"], 1)
        self.godwit("repair", data, "--yes")
        counts = {name: queue["counts"]["queued"] for name, queue in self.queues(data).items()}
        self.assertEqual(counts, {"q": 10, "letters": 1})
        self.godwit("status", job, "--data", data, expect=FAILED)

    def test_a_lost_queue_and_a_lost_completion_leave_a_store_that_opens(self):
        data = self.folder / "data"
        server = self.serve()
        client = self.client(server)
        for number in range(30):
            client.post(f"/v1/queues/queue-{number}/jobs", {"n": number})
            lease = client.post(f"/v1/queues/queue-{number}/leases").json["leases"][0]["lease"]
            self.assertEqual(client.post(f"/v1/leases/{lease}/complete", {"done": number}).status, 200)
            client.post(f"/v1/queues/queue-{number}/jobs", {"left": number})
        self.assertEqual(server.stop(), 0)
        segment = data / "segment-00000001"
        content = bytearray(segment.read_bytes())
        used = max(offset for offset in range(0, len(content), 4096) if any(content[offset:offset + 4096]))
        # Whole blocks, headers and all.
        for offset in range(used // 3, used // 3 + 5 * 4096, 4096):
            start = offset & ~4095
            content[start:start + 4096] = os.urandom(4096)
        segment.write_bytes(content)
        self.godwit("check", data, expect=DAMAGED)
        self.godwit("repair", data, "--yes")
        self.assertIn("is sound", self.godwit("check", data).stdout)
        again = self.client(self.serve())
        queues = again.get("/v1/queues").json["queues"]
        self.assertGreater(sum(queue["counts"]["queued"] for queue in queues), 15)
        for queue in queues:
            if queue["counts"]["queued"]:
                self.assertEqual(len(again.post(f"/v1/queues/{queue['name']}/leases?max=10").json["leases"]), queue["counts"]["queued"])


if __name__ == "__main__":
    unittest.main()
