"""SIGKILL at any moment: what was confirmed is there, what was confirmed complete does not come back."""

import json
import os
import threading
import time
import unittest

from support import Client, EndToEndTest, Unreachable

ROUNDS = int(os.environ.get("GODWIT_CRASH_ROUNDS", "20"))
CONFIRMED_PER_ROUND = 1_000
PUBLISHERS = 8
WORKERS = 4
QUEUE = "crash"


class Ledger:
    """What clients and workers know for certain, over all rounds."""

    def __init__(self):
        self.lock = threading.Lock()
        self.attempted = 0
        self.published = {}  # id → tag, for every 202
        self.completed = {}  # id → tag, for every 200 to a completion
        self.problems = []

    def next_tag(self):
        with self.lock:
            self.attempted += 1
            return f"job-{self.attempted}"


def publish(port, ledger, stop):
    client = Client(port, timeout=20)
    while not stop.is_set():
        tag = ledger.next_tag()
        try:
            answer = client.post(f"/v1/queues/{QUEUE}/jobs?name={tag}", {"tag": tag})
        except Unreachable:
            break
        with ledger.lock:
            if answer.status == 202:
                ledger.published[answer.json["id"]] = tag
            else:
                ledger.problems.append(f"publishing {tag}: {answer}")
    client.close()


def work(port, ledger, stop, holder, until_empty=False):
    client = Client(port, timeout=20)
    while not stop.is_set():
        try:
            answer = client.post(f"/v1/queues/{QUEUE}/leases?max=5&wait=1s&lease=3s&holder={holder}")
            if answer.status != 200:
                with ledger.lock:
                    ledger.problems.append(f"leasing: {answer}")
                break
            for lease in answer.json["leases"]:
                job, tag = lease["job"]["id"], lease["payload"]["tag"]
                with ledger.lock:
                    if job in ledger.completed:
                        ledger.problems.append(f"{tag} was confirmed complete, and was delivered again")
                    if lease["job"]["name"] != tag:
                        ledger.problems.append(f"{job} has the name {lease['job']['name']} and the payload of {tag}")
                answer = client.post(f"/v1/leases/{lease['lease']}/complete", {"done": tag})
                with ledger.lock:
                    if answer.status == 200:
                        ledger.completed[job] = tag
                    elif answer.status != 409:
                        ledger.problems.append(f"completing {tag}: {answer}")
        except Unreachable:
            break
    client.close()


class CrashTest(EndToEndTest):
    def check_store(self, client, ledger, since):
        """Compares the store with what is known; `since` holds the jobs whose results were compared before."""
        jobs = {job["id"]: job for job in client.jobs(QUEUE)}
        names = {}
        for job in jobs.values():
            self.assertNotIn(job["name"], names, f"{job['name']} is there twice")
            names[job["name"]] = job
        missing = [tag for job, tag in ledger.published.items() if job not in jobs]
        self.assertEqual(missing, [], f"{len(missing)} confirmed jobs are lost")
        for job, tag in ledger.published.items():
            self.assertEqual(jobs[job]["name"], tag)
            self.assertIn(jobs[job]["state"], ("queued", "running", "succeeded"), jobs[job])
        for job, tag in ledger.completed.items():
            self.assertEqual(jobs[job]["state"], "succeeded", f"{tag} was confirmed complete: {jobs[job]}")
        for job in [job for job in jobs.values() if job["state"] == "succeeded" and job["id"] not in since]:
            answer = client.get(f"/v1/jobs/{job['id']}/result")
            self.assertEqual((answer.status, json.loads(answer.body)), (200, {"done": job["name"]}))
            since.add(job["id"])
        return jobs

    def test_what_was_confirmed_survives_sigkill(self):
        ledger, compared = Ledger(), set()
        server = self.serve()
        for number in range(1, ROUNDS + 1):
            stop = threading.Event()
            before = len(ledger.published)
            threads = [threading.Thread(target=publish, args=(server.port, ledger, stop)) for _ in range(PUBLISHERS)]
            threads += [threading.Thread(target=work, args=(server.port, ledger, stop, f"worker-{number}-{i}")) for i in range(WORKERS)]
            for thread in threads:
                thread.start()
            end = time.monotonic() + 120
            while len(ledger.published) - before < CONFIRMED_PER_ROUND and not ledger.problems:
                self.assertLess(time.monotonic(), end, f"only {len(ledger.published) - before} jobs were confirmed in 120 s")
                time.sleep(0.01)
            server.kill()
            stop.set()
            for thread in threads:
                thread.join(30)
                self.assertFalse(thread.is_alive())
            self.assertEqual(ledger.problems[:5], [])
            server = self.serve(port=server.port)
            client = self.client(server)
            self.check_store(client, ledger, compared)
            client.close()

        # What is left can all be done: leases of workers that died end, and every job finishes with its result.
        stop = threading.Event()
        threads = [threading.Thread(target=work, args=(server.port, ledger, stop, f"last-{i}")) for i in range(WORKERS)]
        for thread in threads:
            thread.start()
        client = self.client(server)
        end = time.monotonic() + 240
        while True:
            counts = client.get(f"/v1/queues/{QUEUE}").json["counts"]
            if counts["queued"] + counts["running"] + counts["retrying"] == 0:
                break
            self.assertLess(time.monotonic(), end, f"the queue does not empty: {counts}")
            time.sleep(0.2)
        stop.set()
        for thread in threads:
            thread.join(30)
        self.assertEqual(ledger.problems[:5], [])
        jobs = self.check_store(client, ledger, compared)
        self.assertTrue(all(job["state"] == "succeeded" for job in jobs.values()))
        print(
            f"\n{ROUNDS} times SIGKILL: {len(ledger.published)} confirmed publishes, {len(ledger.completed)} confirmed completions, "
            f"{len(jobs)} jobs, none lost, none twice")


if __name__ == "__main__":
    unittest.main()
