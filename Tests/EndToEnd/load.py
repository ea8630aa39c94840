"""Offers jobs at a fixed rate, from a process of its own, and tells what became of each; test_overload.py starts it.

usage: load.py PORT QUEUE RATE SECONDS CONNECTIONS

Writes a JSON array of [time of the answer, status, retry_after_ms or null, seconds that the answer took], times by the monotonic clock,
which all processes of a machine share. The load is open: a job that cannot be offered in time because the answers are slow is offered
late, never left out.
"""

import json
import sys
import threading
import time

from support import Client


def main():
    port, queue, rate, seconds, connections = int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5])
    results, lock = [], threading.Lock()
    start = time.monotonic() + 0.2
    ticket = [0]

    def offer():
        client = Client(port, timeout=30)
        while True:
            with lock:
                number = ticket[0]
                ticket[0] += 1
            due = start + number / rate
            if due > start + seconds:
                return
            time.sleep(max(0, due - time.monotonic()))
            begun = time.monotonic()
            answer = client.post(f"/v1/queues/{queue}/jobs", b"{}", {"Content-Type": "application/json"})
            ended = time.monotonic()
            retry = answer.json.get("retry_after_ms") if answer.status == 503 else None
            with lock:
                results.append([ended, answer.status, retry, ended - begun])

    threads = [threading.Thread(target=offer) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
