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
CALM_SECONDS = 10
ROUNDS = 3
WORKERS = 16
JOB_SECONDS = 0.25
POLITE = 20
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


class Round:
    """One overload, on a server of its own: what happened in it, and what that says."""

    def __init__(self, server):
        self.server = server
        client = Client(server.port)
        created = client.request("PUT", f"/v1/queues/{QUEUE}", {"max_jobs": BOUND, "max_attempts": 3})
        assert created.status == 201, created
        self.workers = Workers(server.port)
        try:
            self.run(client)
        finally:
            self.workers.stop()
            client.close()

    def run(self, client):
        # What the workers finish when there is always something to do.
        batch = client.post(f"/v1/queues/{QUEUE}/jobs/batch", [{"payload": {}} for _ in range(900)])
        assert batch.status == 202, batch
        start = time.monotonic()
        time.sleep(4)
        self.capacity = self.workers.ended_between(start + 1, start + 4) / 3

        # The load that they can take.
        begun = time.monotonic()
        self.calm_answers = self.answers(self.offer(self.capacity, CALM_SECONDS), CALM_SECONDS)
        self.calm = self.workers.ended_between(begun + 0.2, begun + 0.2 + CALM_SECONDS) / CALM_SECONDS

        # Five times as much, and clients that back off among it; the bound is looked at all the time.
        self.largest, over = 0, threading.Event()

        def watch():
            observer = Client(self.server.port)
            while not over.is_set():
                self.largest = max(self.largest, unfinished(observer))
                time.sleep(0.02)
            observer.close()

        watcher = threading.Thread(target=watch)
        watcher.start()
        self.begun = time.monotonic()
        load = self.offer(5 * self.capacity, SECONDS)
        self.admitted, self.strange = [], []
        polite = [threading.Thread(target=self.back_off, args=(number,)) for number in range(POLITE)]
        for thread in polite:
            thread.start()
        self.stormy_answers = self.answers(load, SECONDS)
        self.load_ended = max(answer[0] for answer in self.stormy_answers)
        self.stormy = self.workers.ended_between(self.begun + 0.2, self.begun + 0.2 + SECONDS) / SECONDS
        for thread in polite:
            thread.join(max(0.1, self.load_ended + 120 - time.monotonic()))
        over.set()
        watcher.join(30)

    def offer(self, rate, seconds):
        """Starts offering jobs; the answers are in the JSON that the process writes."""
        command = [sys.executable, str(Path(__file__).with_name("load.py")), str(self.server.port), QUEUE, str(rate), str(seconds), "16"]
        return subprocess.Popen(command, stdout=subprocess.PIPE)

    @staticmethod
    def answers(load, seconds):
        with load:
            return json.loads(load.communicate(timeout=seconds + 90)[0])

    def back_off(self, number):
        """A client that waits as it is told to, and somewhat longer each time."""
        client = Client(self.server.port)
        time.sleep(5 + number % 10)
        for attempt in range(1_000):
            answer = client.post(f"/v1/queues/{QUEUE}/jobs", {"polite": number})
            if answer.status == 202:
                self.admitted.append(time.monotonic())
                break
            if answer.status != 503:
                self.strange.append(repr(answer))
                break
            ceiling = min(10, 0.1 * 2 ** min(attempt, 10))
            time.sleep(answer.json["retry_after_ms"] / 1_000 + random.uniform(0, ceiling))
        client.close()

    def refusals(self):
        return [answer for answer in self.stormy_answers if answer[1] == 503]

    def judge_waits(self):
        """How many refusals can be judged, and how many named a time within 2x of what the workers took for what was over 0.9 of the bound."""
        times = sorted(self.workers.completed)
        surplus = BOUND - int(0.9 * BOUND)
        judged, right = 0, 0
        for at, _, retry, _ in self.refusals():
            first = bisect.bisect_left(times, at)
            if at < self.begun + 5 or first + surplus > len(times):
                continue
            took = times[first + surplus - 1] - at
            judged += 1
            right += took / 2 <= retry / 1_000 <= took * 2
        return judged, right

    def check_safety(self, test):
        """What holds on every machine, however busy it is."""
        answers = self.calm_answers + self.stormy_answers
        test.assertEqual([answer for answer in answers if answer[1] not in (202, 503)], [], "every answer is 202 or 503")
        test.assertTrue(all(answer[2] is not None and answer[2] > 0 for answer in answers if answer[1] == 503))
        test.assertEqual(self.strange, [])
        test.assertEqual(self.workers.problems, [])
        test.assertLessEqual(self.largest, BOUND, "an admission took the queue over its bound")
        test.assertEqual(len(self.admitted), POLITE, "a client that backs off was never admitted")

    def shortfalls(self):
        """What was not as it should be among what other processes of the machine can disturb."""
        judged, right = self.judge_waits()
        refused = len(self.refusals())
        late = [at for at in self.admitted if at > self.load_ended + 30]
        conditions = [
            (self.capacity > 20, f"the workers finished {self.capacity:.0f} jobs/s: too few to tell anything"),
            (refused > len(self.stormy_answers) / 2, f"{refused} of {len(self.stormy_answers)} jobs were refused: this was no overload"),
            (self.largest > 0.8 * BOUND, f"the queue never held more than {self.largest} jobs: this was no overload"),
            (self.stormy >= 0.9 * self.calm, f"{self.stormy:.0f} jobs/s under the overload, {self.calm:.0f} without"),
            (judged > 100, f"only {judged} refusals can be judged"),
            (right >= 0.9 * judged, f"{right} of {judged} refusals named a time within 2x of the right one"),
            (not late, f"{len(late)} clients that backed off were not admitted within 30 s after the load"),
        ]
        return [message for holds, message in conditions if not holds]

    def __str__(self):
        judged, right = self.judge_waits()
        accepted = sorted(answer[3] for answer in self.stormy_answers if answer[1] == 202)
        return (
            f"capacity {self.capacity:.0f}/s; at 1x {self.calm:.0f}/s ({len(self.calm_answers)} offered), at 5x {self.stormy:.0f}/s "
            f"({len(self.stormy_answers)} offered, {len(self.refusals())} refused); largest {self.largest}; "
            f"{100 * right / max(1, judged):.1f} % of {judged} waits within 2x; "
            f"99 % of the accepted within {1_000 * accepted[int(0.99 * len(accepted))]:.0f} ms; "
            f"last polite client {max(self.admitted, default=0) - self.load_ended:+.1f} s after the load")


def unfinished(client, queue=QUEUE):
    counts = client.get(f"/v1/queues/{queue}").json["counts"]
    return sum(counts[state] for state in UNFINISHED)


class OverloadTest(EndToEndTest):
    def test_five_times_the_load(self):
        """Other processes can take the processor away in the middle of a measurement: what is measured must hold in one round of three,
        what keeps the queue safe in all of them."""
        for number in range(1, ROUNDS + 1):
            server = self.serve(f"round-{number}")
            overload = Round(server)
            server.stop()
            print(f"\nround {number}: {overload}", flush=True)
            overload.check_safety(self)
            shortfalls = overload.shortfalls()
            if not shortfalls:
                return
            print("\n".join(f"  {shortfall}" for shortfall in shortfalls), flush=True)
        self.fail(f"no round of {ROUNDS} was as it should be; the last: {'; '.join(shortfalls)}")

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
        self.assertEqual(unfinished(client, "chain"), 0)
        self.assertEqual(client.post("/v1/queues/chain/jobs", {}).status, 202)


if __name__ == "__main__":
    unittest.main()
