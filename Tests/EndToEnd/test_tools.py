"""What keeps a store over the years: backup and restore, check and repair, inspect, export and import; with damage and SIGKILL."""

import fcntl
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import tarfile
import termios
import threading
import time
import unittest
from pathlib import Path

from support import ROOT, Client, EndToEndTest, Unreachable, end, eventually

OK, FAILED, USAGE, DAMAGED, UNREACHABLE, CANNOT_CREATE = 0, 1, 64, 65, 69, 73


def digest(folder):
    """What every file of a folder holds."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in Path(folder).iterdir() if path.is_file()}


def resident(process):
    """Bytes of memory that a process takes."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) << 10
    raise AssertionError("no VmRSS")


class ToolsTest(EndToEndTest):
    def godwit(self, *arguments, expect=OK, **options):
        done = self.run_godwit(*[str(argument) for argument in arguments], **options)
        self.assertEqual(done.returncode, expect, f"godwit {' '.join(map(str, arguments))}: {done.stdout!r} {done.stderr!r}")
        return done

    def fill(self, data, jobs=200, queue="q"):
        """A store that was closed, with jobs in it; their ids."""
        lines = "".join(f'{{"n": {number}}}\n' for number in range(jobs))
        return self.godwit("publish", queue, "--lines", "--data", data, stdin=lines).stdout.split()

    def queues(self, data):
        lines = self.godwit("queues", "--data", data, "--json").stdout.splitlines()
        return {queue["name"]: queue for queue in map(json.loads, lines)}


class BackupTest(ToolsTest):
    def test_a_backup_under_load_has_all_that_was_confirmed_before_it(self):
        server = self.serve()
        confirmed, stop = [], threading.Event()
        lock = threading.Lock()

        def publish(number):
            client = Client(server.port)
            count = 0
            while not stop.is_set():
                count += 1
                answer = client.post("/v1/queues/load/jobs", {"publisher": number, "count": count})
                self.assertEqual(answer.status, 202)
                with lock:
                    confirmed.append(answer.json["id"])
            client.close()

        publishers = [threading.Thread(target=publish, args=(number,)) for number in range(4)]
        for publisher in publishers:
            publisher.start()
        self.addCleanup(stop.set)
        eventually(lambda: len(confirmed) > 300, what="load")
        with lock:
            before = list(confirmed)
        archive = self.folder / "backup.tar"
        told = json.loads(self.godwit("backup", archive, "--json", server=server).stdout)
        self.assertEqual(told["bytes"], archive.stat().st_size)
        # The store goes on, and what comes now is not in the backup.
        with lock:
            after_backup = len(confirmed)
        eventually(lambda: len(confirmed) > after_backup + 100, what="load after the backup")
        stop.set()
        for publisher in publishers:
            publisher.join()
        self.assertEqual(server.stop(), 0)
        self.assertEqual(list(self.folder.glob("*.partial")), [])
        with tarfile.open(archive) as tar:
            names = tar.getnames()
        self.assertEqual((names[0], names[-1]), ("godwit-backup/backup.json", "godwit-backup/backup-sums.json"))
        self.assertIn("is sound", self.godwit("check", archive).stdout)

        restored = self.folder / "restored"
        told = json.loads(self.godwit("restore", archive, restored, "--json").stdout)
        there = self.serve("restored")
        client = self.client(there)
        held = {job["id"] for job in client.jobs("load")}
        self.assertEqual(told["unfinished_jobs"], len(held))
        self.assertEqual([job for job in before if job not in held], [])
        self.assertTrue(held <= set(confirmed))
        lost = [job for job in confirmed if job not in held]
        self.assertGreater(len(lost), 50)
        # No id that was given out after the backup comes again.
        made = [client.post("/v1/queues/load/jobs", {"new": number}).json["id"] for number in range(len(lost) + 10)]
        self.assertEqual(set(made) & set(lost), set())
        for job in lost[:20]:
            self.assertEqual(client.get(f"/v1/jobs/{job}").status, 404)
        self.assertEqual(client.get(f"/v1/jobs/{before[0]}/payload").json["count"], 1)

    def test_leases_of_the_old_store_settle_nothing_in_the_restored_one(self):
        server = self.serve()
        client = self.client(server)
        job = client.post("/v1/queues/q/jobs", {"a": 1}).json["id"]
        lease = client.post("/v1/queues/q/leases?lease=1h").json["leases"][0]["lease"]
        self.godwit("backup", self.folder / "b.tar", server=server)
        server.stop()
        self.godwit("restore", self.folder / "b.tar", self.folder / "new")
        there = self.client(self.serve("new"))
        self.assertEqual(there.post(f"/v1/leases/{lease}/complete").status, 409)
        state = there.get(f"/v1/jobs/{job}").json
        self.assertEqual((state["state"], state["error"]["code"]), ("queued", "lease_expired"))

    def test_nothing_is_overwritten(self):
        data = self.folder / "data"
        self.fill(data)
        target = self.folder / "b.tar"
        target.write_text("precious")
        self.godwit("backup", target, "--data", data, expect=CANNOT_CREATE)
        self.assertEqual(target.read_text(), "precious")
        target.unlink()
        partial = self.folder / "b.tar.partial"
        partial.write_text("another's")
        self.godwit("backup", target, "--data", data, expect=CANNOT_CREATE)
        self.assertEqual(partial.read_text(), "another's")
        partial.unlink()
        self.godwit("backup", target, "--data", data)
        self.godwit("restore", target, data, expect=CANNOT_CREATE)
        self.assertEqual(self.queues(data)["q"]["counts"]["queued"], 200)

    def test_an_archive_that_was_cut_or_changed_is_refused_and_leaves_an_empty_folder(self):
        data, archive = self.folder / "data", self.folder / "b.tar"
        self.fill(data)
        self.godwit("backup", archive, "--data", data)
        whole = archive.read_bytes()
        generator = random.Random(7)
        spoiled = [whole[:generator.randrange(len(whole) - 1024)] for _ in range(2)]
        spoiled += [b"", b"no archive", whole[:512]]
        with tarfile.open(archive) as tar:
            contents = [(member.offset_data, member.size) for member in tar.getmembers()]
        for offset, size in contents:
            at = offset + generator.randrange(size)
            spoiled.append(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1:])
        for number, content in enumerate(spoiled):
            bad = self.folder / f"bad-{number}.tar"
            bad.write_bytes(content)
            self.godwit("check", bad, expect=DAMAGED)
            folder = self.folder / f"new-{number}"
            self.godwit("restore", bad, folder, expect=DAMAGED)
            self.assertEqual([name for name in os.listdir(folder) if name != "lock"], [])
            self.godwit("restore", archive, folder)
            self.assertEqual(self.queues(folder)["q"]["counts"]["queued"], 200)

    def test_a_restore_that_was_killed_is_refused_and_can_be_repeated(self):
        data, archive, folder = self.folder / "data", self.folder / "b.tar", self.folder / "new"
        ids = self.fill(data, 3_000)
        self.godwit("backup", archive, "--data", data)
        whole = archive.read_bytes()
        process = self.start_godwit("restore", "-", str(folder), stdin=subprocess.PIPE, text=False)
        process.stdin.write(whole[:len(whole) - 2048])
        process.stdin.flush()
        eventually(lambda: (folder / "segment-00000001").exists(), what="the first file of the restored store")
        process.kill()
        process.wait(20)
        done = self.godwit("queues", "--data", folder, expect=UNREACHABLE)
        self.assertIn("godwit restore", done.stderr)
        self.godwit("check", folder, expect=UNREACHABLE)
        self.godwit("restore", archive, folder)
        self.assertEqual(self.godwit("payload", ids[-1], "--data", folder).stdout, '{"n": 2999}')

    def test_a_backup_whose_server_or_client_is_killed_leaves_no_backup(self):
        server = self.serve()
        client = self.client(server)
        for _ in range(40):
            self.assertEqual(client.post("/v1/queues/big/jobs", os.urandom(1 << 20)).status, 202)
        target = self.folder / "b.tar"
        # A reader that stops reading holds the backup up: standard output is a pipe.
        process = self.start_godwit("backup", "-", server=server, text=False)
        process.stdout.read(1 << 20)
        server.kill()
        rest = process.stdout.read()
        self.assertLess(len(rest), 40 << 20)
        self.assertEqual(process.wait(30), UNREACHABLE)
        server = self.serve(port=server.port)
        # Nobody reads what this one writes: it is in the midst of it when it is killed.
        process = self.start_godwit("backup", "-", server=server, text=False)
        process.stdout.read(1 << 20)
        process.kill()
        process.wait(20)
        self.godwit("backup", target, server=server)
        self.assertIn("is sound", self.godwit("check", target).stdout)
        self.assertEqual(list(self.folder.glob("*.partial")), [])

    def is_pipe_full(self, process):
        """Whether whoever writes to a process's standard output would have to wait."""
        waiting = struct.unpack("i", fcntl.ioctl(process.stdout, termios.FIONREAD, b"\0" * 4))[0]
        return waiting >= fcntl.fcntl(process.stdout, fcntl.F_GETPIPE_SZ) - 4_096

    def test_a_second_signal_ends_what_is_held_up_by_its_reader(self):
        server = self.serve()
        client = self.client(server)
        for _ in range(8):
            self.assertEqual(client.post("/v1/queues/big/jobs", os.urandom(1 << 20)).status, 202)
        for command in ("backup", "export"):
            process = self.start_godwit(command, "-", server=server, text=False)
            # What a pipe takes is far less than what there is: nobody reads the rest.
            eventually(lambda: self.is_pipe_full(process), what="a full pipe")
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(20), FAILED, command)
            self.assertIn(b"interrupted", process.stderr.read())

    def test_a_client_that_does_not_read_costs_no_memory_and_one_that_is_gone_holds_nothing(self):
        server = self.serve()
        client = self.client(server)
        for _ in range(64):
            self.assertEqual(client.post("/v1/queues/big/jobs", os.urandom(1 << 20)).status, 202)
        before = resident(server.process)
        lazy = []
        for _ in range(4):
            peer = socket.create_connection(("127.0.0.1", server.port))
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            peer.sendall(b"GET /v1/backup HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertIn(b"200 OK", peer.recv(1_000))
            lazy.append(peer)
        self.assertEqual(client.get("/v1/backup").status, 503)
        # Nothing tells that the server has written all that it will: it must not grow for a while.
        time.sleep(1)
        self.assertLess(resident(server.process) - before, 40 << 20)
        for peer in lazy:
            peer.close()

        def succeeds():
            try:
                return self.run_godwit("backup", str(self.folder / "b.tar"), server=server).returncode == OK
            except Unreachable:
                return False

        eventually(succeeds, 30, 0.2, "a backup after the others are gone")


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


class ExportTest(ToolsTest):
    def lines(self, file):
        return [json.loads(line) for line in Path(file).read_text().splitlines()]

    def jobs(self, lines, queue):
        """The jobs of a queue, without what is another store's own."""
        found = [{key: line[key] for key in ("state", "job", "past")} for line in lines if line["type"] == "job" and line["queue"] == queue]
        for line in found:
            # What is left of it shrinks meanwhile.
            line["job"].pop("expires", None)
            if line["state"] == "running":
                line["state"] = "queued"
        return found

    def test_everything_comes_over_once_however_often_it_is_imported(self):
        server = self.serve()
        client = self.client(server)
        client.request("PUT", "/v1/queues/mail", {"max_jobs": 77, "lease": "5s", "dead_letter_queue": "dead", "max_deliveries": 9})
        client.post("/v1/queues/mail/pause")
        published = [
            client.post(
                "/v1/queues/mail/jobs?name=welcome&priority=9&expires=2h&timeout=90s&max-attempts=4&group=g&claim=c", '{"to":"ada"}',
                {"Content-Type": "application/json", "Idempotency-Key": "first", "Godwit-Header-Color": "blue"}),
            client.post(f"/v1/queues/mail/jobs?run-at={time.gmtime().tm_year + 2}-01-01T00:00:00Z", b"\xff\x00", {"Content-Type": "image/png"}),
            client.post("/v1/queues/mail/jobs", "plain", {"Content-Type": "text/plain"}),
            client.post("/v1/queues/mail/jobs", '{\n  "pretty": true\n}\n', {"Content-Type": "application/json"}),
        ]
        self.assertEqual([answer.status for answer in published], [202] * 4)
        for number in range(1_500):
            client.post("/v1/queues/many/jobs", {"n": number})
        leased = [lease["lease"] for lease in client.post("/v1/queues/many/leases?lease=1h&max=6").json["leases"]]
        self.assertLess(client.post(f"/v1/leases/{leased[0]}/complete", {"sum": 7}).status, 300)
        self.assertLess(client.post(f"/v1/leases/{leased[1]}/fail", {"error": {"message": "no", "code": "bad"}, "retry": False}).status, 300)
        self.assertLess(client.post(f"/v1/leases/{leased[2]}/fail", {"error": {"message": "later"}, "delay": "1h"}).status, 300)
        self.assertLess(client.post(f"/v1/leases/{leased[3]}/dead-letter", {"error": {"message": "evil"}, "to": "dead"}).status, 300)
        cancelled = client.get("/v1/jobs?queue=many&state=queued&limit=1").json["jobs"][0]["id"]
        client.post(f"/v1/jobs/{cancelled}/cancel")
        file = self.folder / "jobs.jsonl"
        self.godwit("export", file, server=server)
        self.godwit("export", file, server=server, expect=CANNOT_CREATE)
        lines = self.lines(file)
        self.assertEqual((lines[0]["type"], lines[0]["format"]), ("export", 1))
        self.assertEqual(lines[-1], {"type": "end", "queues": 3, "records": 0, "jobs": 1_505, "lost": 0, "lost_records": 0})

        other = self.serve("other")
        for count in (1_505, 0):
            told = json.loads(self.godwit("import", file, "--json", server=other).stdout)
            self.assertEqual((told["jobs"], told["queues"]), (count, 3 if count else 0))
            self.assertEqual(told["lines_there_already"], 0 if count else len(lines))
        there = self.client(other)
        queue = there.get("/v1/queues/mail").json
        self.assertEqual((queue["paused"], queue["settings"]["max_jobs"], queue["settings"]["lease"]), (True, 77, "5s"))
        self.assertEqual(queue["settings"], client.get("/v1/queues/mail").json["settings"])
        again = self.folder / "again.jsonl"
        self.godwit("export", again, server=other)
        exported = self.lines(again)
        for name in ("mail", "many", "dead"):
            before = self.jobs(lines, name)
            self.assertEqual(self.jobs(exported, name), before)
            self.assertEqual(
                there.get(f"/v1/queues/{name}").json["counts"] | {"running": 0, "queued": 0},
                client.get(f"/v1/queues/{name}").json["counts"] | {"running": 0, "queued": 0})
        succeeded = there.get("/v1/jobs?queue=many&state=succeeded").json["jobs"][0]
        self.assertEqual(there.get(f"/v1/jobs/{succeeded['id']}/result").json, {"sum": 7})
        failed = there.get("/v1/jobs?queue=many&state=failed&reason=rejected").json["jobs"]
        self.assertEqual({job["error"]["message"] for job in failed}, {"no", "evil"})
        dead = there.get("/v1/jobs?queue=dead").json["jobs"][0]
        self.assertEqual((dead["deaths"][0]["queue"], dead["deaths"][0]["reason"]), ("many", "rejected"))
        self.assertEqual(there.post("/v1/queues/dead/redrive").json["redriven"], 1)
        # --unfinished leaves the finished ones behind; a folder takes it in as a server does.
        self.godwit("export", self.folder / "some.jsonl", "--unfinished", "--queue", "many", server=server)
        told = json.loads(self.godwit("import", self.folder / "some.jsonl", "--json", "--data", self.folder / "third").stdout)
        self.assertEqual(told["jobs"], 1_500 - 4)
        told = json.loads(self.godwit("import", self.folder / "some.jsonl", "--again", "--json", "--data", self.folder / "third").stdout)
        self.assertEqual((told["jobs"], told["queues_there_already"]), (1_500 - 4, 1))

    def test_an_import_that_is_killed_goes_on_where_it_stopped(self):
        data, file, target = self.folder / "data", self.folder / "jobs.jsonl", self.folder / "target"
        self.fill(data, 9_000)
        self.godwit("export", file, "--data", data)
        def is_there(number):
            segments = sorted(target.glob("segment-*"))
            return any(f'{{"n": {number}}}'.encode() in segment.read_bytes()[:8 << 20] for segment in segments)

        ended = []
        for number in (500, 2_500, 6_500):
            process = self.start_godwit("import", str(file), "--data", str(target))
            eventually(lambda: is_there(number) or process.poll() is not None, what="lines taken in")
            process.send_signal(signal.SIGKILL)
            ended.append(process.wait(30))
        self.assertIn(-signal.SIGKILL, ended, "no import was killed in the midst of it")
        self.godwit("import", file, "--data", target)
        self.assertEqual(self.queues(target)["q"]["counts"]["queued"], 9_000)

    def test_what_is_wrong_is_said_with_its_line_and_field_and_what_came_before_is_there(self):
        data, file = self.folder / "data", self.folder / "jobs.jsonl"
        self.fill(data, 300)
        self.godwit("export", file, "--data", data)
        lines = file.read_text().splitlines(keepends=True)
        bad = lines[150].replace('"max_attempts":20', '"max_attempts":0')
        for number, (spoilt, expect, said, queued) in enumerate([
            (lines[:150] + ["nonsense\n"] + lines[150:], USAGE, "line 151: ", 148),
            (lines[:150] + [bad] + lines[151:], USAGE, "line 151, job.max_attempts: ", 148),
            (lines[:150] + ['{"type":"job"}\n'] + lines[150:], USAGE, "line 151, queue: ", 148),
            (lines[:151], DAMAGED, "cut short", 149),
        ]):
            folder = self.folder / f"new-{number}"
            done = self.godwit("import", "--data", folder, stdin="".join(spoilt), expect=expect)
            self.assertIn(said, done.stderr)
            self.assertEqual(self.queues(folder)["q"]["counts"]["queued"], queued)
            # Put right, it goes on.
            self.godwit("import", "--data", folder, stdin="".join(lines))
            self.assertEqual(self.queues(folder)["q"]["counts"]["queued"], 300)
        folder = self.folder / "skipping"
        done = self.godwit("import", "--skip-bad", "--json", "--data", folder, stdin="".join(lines[:150] + [bad] + lines[151:]), expect=DAMAGED)
        self.assertEqual(json.loads(done.stdout)["lines_passed_over"], 1)
        self.assertIn("passed over line 151", done.stderr)
        self.assertEqual(self.queues(folder)["q"]["counts"]["queued"], 299)
        # Who repeats it is told, too.
        done = self.godwit("import", "--skip-bad", "--json", "--data", folder, stdin="".join(lines[:150] + [bad] + lines[151:]), expect=DAMAGED)
        told = json.loads(done.stdout)
        self.assertEqual((told["lines_passed_over"], told["jobs"], told["lines_there_already"]), (1, 0, len(lines) - 1))

    def test_an_export_that_breaks_off_is_none(self):
        server = self.serve()
        client = self.client(server)
        for _ in range(40):
            client.post("/v1/queues/big/jobs", os.urandom(1 << 20))
        process = self.start_godwit("export", "-", server=server, text=False)
        process.stdout.read(1 << 20)
        server.kill()
        process.stdout.read()
        self.assertEqual(process.wait(30), UNREACHABLE)


if __name__ == "__main__":
    unittest.main()
