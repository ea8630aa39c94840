"""Back pressure on a running server: five times the load that the workers finish, and what each side sees of it."""

import bisect
import json
import random
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

from support import Client, EndToEndTest

BOUND = 1_000
SECONDS = 20
WORKERS = 16
JOB_SECONDS = 0.25
QUEUE = "overload"
UNFINISHED = ("queued", "scheduled", "running", "retrying")


class Workers:
    """Workers that take a while for each job, so that they are what limits the rate; they remember when each job ended."""

    def __init__(self, port):
        self.port = port
        self.completed = []
        self.problems = []
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(f"sleeper-{number}",)) for number in range(WORKERS)]
        for thread in self.threads:
            thread.start()

    def work(self, holder):
        client = Client(self.port, timeout=30)
        try:
            while not self.stopped.is_set():
                for lease in client.post(f"/v1/queues/{QUEUE}/leases?wait=1s&holder={holder}").json["leases"]:
                    time.sleep(JOB_SECONDS)
                    answer = client.post(f"/v1/leases/{lease['lease']}/complete")
                    with self.lock:
                        if answer.status == 200:
                            self.completed.append(time.monotonic())
                        else:
                            self.problems.append(repr(answer))
        except Exception as error:  # pylint: disable=broad-except
            self.problems.append(repr(error))
        client.close()

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join(40)

    def ended_between(self, start, end):
        times = sorted(self.completed)
        return bisect.bisect_left(times, end) - bisect.bisect_left(times, start)


class OverloadTest(EndToEndTest):
    def offer(self, server, rate, seconds):
        """Starts offering jobs; the answers are in the JSON that the process writes."""
        command = [sys.executable, str(Path(__file__).with_name("load.py")), str(server.port), QUEUE, str(rate), str(seconds), "16"]
        return subprocess.Popen(command, stdout=subprocess.PIPE)

    def counts(self, client, queue=QUEUE):
        counts = client.get(f"/v1/queues/{queue}").json["counts"]
        return sum(counts[state] for state in UNFINISHED)

    def test_five_times_the_load(self):
        server = self.serve()
        client = self.client(server)
        self.assertEqual(client.request("PUT", f"/v1/queues/{QUEUE}", {"max_jobs": BOUND, "max_attempts": 3}).status, 201)

        # What the workers finish when there is always something to do.
        workers = Workers(server.port)
        self.addCleanup(workers.stop)
        batch = client.post(f"/v1/queues/{QUEUE}/jobs/batch", [{"payload": {}} for _ in range(900)])
        self.assertEqual(batch.status, 202)
        start = time.monotonic()
        time.sleep(4)
        capacity = workers.ended_between(start + 1, start + 4) / 3
        self.assertGreater(capacity, 20)

        # The load that they can take.
        begun = time.monotonic()
        with self.offer(server, capacity, SECONDS) as load:
            answers, _ = load.communicate(timeout=SECONDS + 60)
        calm = workers.ended_between(begun + 0.2, begun + 0.2 + SECONDS) / SECONDS
        calm_answers = json.loads(answers)

        # Five times as much, and clients that back off among it; the bound is looked at all the time.
        largest, over = [0], threading.Event()

        def watch():
            observer = Client(server.port)
            while not over.is_set():
                largest[0] = max(largest[0], self.counts(observer))
                time.sleep(0.02)
            observer.close()

        watcher = threading.Thread(target=watch)
        watcher.start()
        begun = time.monotonic()
        load = self.offer(server, 5 * capacity, SECONDS)
        admitted, load_ended = [], []

        def back_off(number):
            polite = Client(server.port)
            time.sleep(5 + number % 10)
            for attempt in range(1_000):
                answer = polite.post(f"/v1/queues/{QUEUE}/jobs", {"polite": number})
                if answer.status == 202:
                    admitted.append(time.monotonic())
                    break
                ceiling = min(10, 0.1 * 2 ** min(attempt, 10))
                time.sleep(answer.json["retry_after_ms"] / 1_000 + random.uniform(0, ceiling))
            polite.close()

        polite = [threading.Thread(target=back_off, args=(number,)) for number in range(20)]
        for thread in polite:
            thread.start()
        answers = json.loads(load.communicate(timeout=SECONDS + 90)[0])
        load_ended = max(answer[0] for answer in answers)
        stormy = workers.ended_between(begun + 0.2, begun + 0.2 + SECONDS) / SECONDS
        for thread in polite:
            thread.join(max(0.1, load_ended + 31 - time.monotonic()))
        over.set()
        watcher.join(30)

        accepted = [answer for answer in answers if answer[1] == 202]
        refused = [answer for answer in answers if answer[1] == 503]
        self.assertEqual(len(accepted) + len(refused), len(answers), "every answer is 202 or 503")
        self.assertGreater(len(refused), len(answers) / 2)
        self.assertTrue(all(answer[2] is not None and answer[2] > 0 for answer in refused))
        self.assertEqual(workers.problems, [])

        # No admission takes the queue over its bound.
        self.assertLessEqual(largest[0], BOUND)
        self.assertGreater(largest[0], 0.8 * BOUND, "the queue was never full: the load was none")

        # The time that the refusals named, against the time that the workers then took for what was over 0.9 of the bound.
        times = sorted(workers.completed)
        judged, right = 0, 0
        for at, _, retry, _ in refused:
            first = bisect.bisect_left(times, at)
            surplus = BOUND - int(0.9 * BOUND)
            if at < begun + 5 or first + surplus > len(times):
                continue
            took = times[first + surplus - 1] - at
            judged += 1
            right += took / 2 <= retry / 1_000 <= took * 2
        self.assertGreater(judged, 100)
        self.assertGreaterEqual(right / judged, 0.9, f"{right} of {judged} refusals named a time within 2x of the right one")

        self.assertGreaterEqual(stormy, 0.9 * calm, f"{stormy:.0f} jobs/s under the overload, {calm:.0f} without")
        self.assertEqual(len(admitted), len(polite), "a client that backs off was not admitted within 30 s after the load")
        self.assertTrue(all(at <= load_ended + 30 for at in admitted))
        slowest = sorted(answer[3] for answer in accepted)[int(0.99 * len(accepted))]
        print(
            f"\ncapacity {capacity:.0f}/s; at 1x {calm:.0f}/s ({len(calm_answers)} offered), at 5x {stormy:.0f}/s ({len(answers)} offered, "
            f"{len(refused)} refused); largest {largest[0]}; {100 * right / judged:.1f} % of {judged} waits within 2x; "
            f"99 % of the accepted within {1_000 * slowest:.0f} ms; last polite client {max(admitted) - load_ended:+.1f} s after the load")

    def test_a_full_queue_whose_jobs_enqueue_more_does_not_deadlock(self):
        server = self.serve()
        client = self.client(server)
        client.request("PUT", "/v1/queues/chain", {"max_jobs": 50})
        for number in range(50):
            self.assertEqual(client.post("/v1/queues/chain/jobs", {"generation": 0, "number": number}).status, 202)
        self.assertEqual(client.post("/v1/queues/chain/jobs", {}).status, 503)

        done = 0
        end = time.monotonic() + 60
        while done < 150:
            self.assertLess(time.monotonic(), end, f"only {done} jobs were done")
            leases = client.post("/v1/queues/chain/leases?max=20&wait=1s").json["leases"]
            items = []
            for lease in leases:
                item = {"lease": lease["lease"], "complete": {"ok": True}}
                if lease["payload"]["generation"] < 2:
                    item["enqueue"] = [{"queue": "chain", "payload": {**lease["payload"], "generation": lease["payload"]["generation"] + 1}}]
                items.append(item)
            if items:
                answer = client.post("/v1/leases/batch", items)
                self.assertEqual([result["status"] for result in answer.json["results"]], [200] * len(items), answer)
                done += len(items)
        self.assertEqual(self.counts(client, "chain"), 0)
        self.assertEqual(client.post("/v1/queues/chain/jobs", {}).status, 202)


if __name__ == "__main__":
    unittest.main()
