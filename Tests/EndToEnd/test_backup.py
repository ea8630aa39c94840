"""Backup and restore of a store, with load, damage, slow readers and SIGKILL."""

import fcntl
import json
import os
import random
import re
import signal
import socket
import struct
import subprocess
import tarfile
import termios
import threading
import time
import unittest

from commands import CANNOT_CREATE, DAMAGED, FAILED, OK, UNREACHABLE, UNUSABLE, ToolsTest, resident
from support import ROOT, Client, Unreachable, eventually


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
        done = self.godwit("queues", "--data", folder, expect=UNUSABLE)
        self.assertIn("godwit restore", done.stderr)
        self.godwit("check", folder, expect=UNUSABLE)
        # A supervisor does not start it again and again.
        self.godwit("serve", "--data", folder, "--http", "127.0.0.1:0", expect=UNUSABLE)
        self.assertIn(str(UNUSABLE), re.search("RestartPreventExitStatus=(.*)", (ROOT / "dev" / "godwit.service").read_text())[1].split())
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


if __name__ == "__main__":
    unittest.main()
