#!/usr/bin/env python3
"""Drives the operators' page of `godwit serve` in headless Chromium.

usage: Tests/Browser/test_operators.py [--help] [--screenshots FOLDER] [unittest options]

  --screenshots FOLDER  keeps two pictures of the page there, as docs/operators.png and docs/operators-phone.png are

The program is built first; GODWIT_BIN names one that is built already. chromium and chromedriver must be installed.
"""

import http.client
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.parse

from timeline_server import ROOT, wait
from webdriver import ENTER, TAB, Browser, WebDriverError, free_port

screenshots = None
TOKEN = "a-token-that-is-typed-once-4711"
LIVE = "return document.querySelector('#live')?.dataset.state === 'live'"


def build():
    """Builds the program (at once when it is built) and returns its path; GODWIT_BIN names one that is built already."""
    if path := os.environ.get("GODWIT_BIN"):
        return path
    subprocess.run(["swift", "build", "--product", "godwit"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    folder = subprocess.run(["swift", "build", "--show-bin-path"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
    return os.path.join(folder, "godwit")


class Server:
    """`godwit serve` on a folder; used with `with`."""

    def __init__(self, binary, data, token=None):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.token = token
        # Its log goes to a file: a pipe that nobody reads would stop it.
        self.log = tempfile.TemporaryFile("w+")
        settings = {name: value for name, value in os.environ.items() if not name.startswith("GODWIT_")}
        if token:
            settings["GODWIT_TOKEN"] = token
        self.process = subprocess.Popen(
            [binary, "serve", "--data", str(data), "--http", f"127.0.0.1:{self.port}"], stdout=self.log, stderr=self.log, env=settings)

    def __enter__(self):
        wait("the server is ready", self.is_ready)
        return self

    def is_ready(self):
        if self.process.poll() is not None:
            self.log.seek(0)
            raise AssertionError(f"the server ended: {self.log.read()}")
        try:
            return self.request("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.log.close()

    def request(self, method, path, value=None):
        """Returns (status, value of the JSON)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            headers = {"Content-Type": "application/json"} if value is not None else {}
            if self.token:
                headers["Authorization"] = f"Bearer {self.token}"
            body = json.dumps(value) if value is not None else b"" if method == "POST" else None
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            content = response.read()
            return response.status, json.loads(content) if "json" in response.headers.get("Content-Type", "") else content
        finally:
            connection.close()

    def publish(self, queue, payload=None, query=""):
        status, job = self.request("POST", f"/v1/queues/{queue}/jobs{query}", payload if payload is not None else {})
        assert status == 202, (status, job)
        return job["id"]

    def lease(self, queue, query=""):
        status, answer = self.request("POST", f"/v1/queues/{queue}/leases{query}")
        assert status == 200, (status, answer)
        return answer["leases"][0] if answer["leases"] else None

    def settle(self, lease, verb, value=None):
        status, answer = self.request("POST", f"/v1/leases/{lease['lease']}/{verb}", value if value is not None else {})
        assert status in (200, 204), (status, answer)

    def counts(self, queue):
        return self.request("GET", f"/v1/queues/{queue}")[1]["counts"]


class OperatorsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.binary = build()

    def start(self, token=None):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.server = self.enterContext(Server(self.binary, pathlib.Path(self.folder) / "data", token))
        self.browser = self.enterContext(Browser())
        self.browser.resize(1280, 900)

    def open(self, path="/"):
        self.browser.open(self.server.url + path)

    def shows(self, words):
        self.browser.wait(f"the page shows {words}", "return document.body.innerText.replace(/\\s+/g, ' ').includes(arguments[0])", words)

    def press(self, words):
        """Presses the button, or follows the link, with these words."""
        self.browser.run(
            """
            const one = [...document.querySelectorAll("button, a")].find((one) => one.textContent.trim() === arguments[0]);
            if (!one) throw new Error(`there is nothing to press that says ${arguments[0]}`);
            one.click();
            """, words)

    def cell(self, queue, label):
        return self.browser.run(
            """
            const row = [...document.querySelectorAll("tbody tr")].find((row) => row.querySelector("th").innerText.includes(arguments[0]));
            return row?.querySelector(`[data-label="${arguments[1]}"]`)?.textContent ?? null;
            """, queue, label)

    def no_errors(self):
        self.assertEqual(self.browser.console(), [])

    def test_it_shows_queues_and_follows_them_without_a_reload(self):
        self.start()
        self.open()
        self.shows("No queue yet.")
        self.browser.wait("the page is live", LIVE)
        self.browser.run("window.loaded = true")
        for _ in range(3):
            self.server.publish("mail")
        wait("the new queue is there", lambda: self.cell("mail", "Queued") == "3")
        self.server.lease("mail")
        wait("one is running", lambda: self.cell("mail", "Running") == "1")
        wait("a rate is known", lambda: self.cell("mail", "In /s") not in (None, "–"))
        self.assertTrue(self.browser.run("return window.loaded"), "it was never loaded again")
        self.press("mail")
        self.shows("newcomers are refused")
        self.press("Pause")
        self.shows("Paused: no more jobs are delivered")
        self.assertTrue(self.server.request("GET", "/v1/queues/mail")[1]["paused"])
        self.press("Resume")
        self.shows("Resumed.")
        self.no_errors()

    def test_it_follows_a_job_and_retries_it_after_it_failed(self):
        self.start()
        id = self.server.publish("mail", {"to": "ada@example.com"}, "?name=welcome")
        self.open(f"/page/job?id={id}")
        self.shows("welcome queued")
        self.browser.wait("the page is live", LIVE)
        self.browser.run("window.loaded = true")
        lease = self.server.lease("mail", "?holder=worker-7")
        self.shows("welcome running")
        self.shows("worker-7")
        self.server.settle(lease, "progress", {"fraction": 0.4, "note": "rendering"})
        self.shows("40 % rendering")
        self.server.settle(lease, "fail", {"error": "no such mailbox", "retry": False})
        self.shows("welcome failed")
        self.shows("no such mailbox")
        self.assertTrue(self.browser.run("return window.loaded"), "it was never loaded again")
        self.press("Retry")
        self.shows("The job runs again.")
        self.server.settle(self.server.lease("mail"), "complete", {"sent": True})
        self.shows("welcome succeeded")
        self.shows('"sent": true')
        self.no_errors()

    def test_a_purge_says_how_many_before_it_happens(self):
        self.start()
        for _ in range(12):
            self.server.publish("mail")
        self.open("/page/queue?name=mail")
        self.press("Purge…")
        self.shows("12 jobs that wait (12 queued, 0 scheduled, 0 retrying) will end as cancelled.")
        self.assertEqual(self.server.counts("mail")["queued"], 12)
        self.press("No, go back")
        self.shows("12 of 1,000,000")
        self.press("Purge…")
        self.shows("Purge mail?")
        self.press("Purge 12 jobs")
        self.shows("Purged: 12 jobs that waited ended as cancelled.")
        self.assertEqual(self.server.counts("mail")["cancelled"], 12)
        self.no_errors()

    def test_it_works_without_a_script(self):
        self.start()
        self.browser.chrome("Emulation.setScriptExecutionDisabled", value=True)
        try:
            for number in range(60):
                self.server.publish("mail", {}, f"?name=job-{number}")
            self.open("/page/jobs?queue=mail")
            self.browser.click("#next")
            self.browser.click("table a")
            self.browser.click(".deeds button:not([disabled])")
            wait("the job is cancelled", lambda: self.is_there(".done"))
            # Two that are chosen.
            self.open("/page/jobs?queue=mail&state=queued")
            for row in (2, 4):
                self.browser.click(f"tbody tr:nth-child({row}) [type=checkbox]")
            self.browser.click("#chosen button:last-child")
            wait("the page asks", lambda: self.is_there("form[action='/page/do'] button.grave"))
            self.browser.click("form[action='/page/do'] button.grave")
        finally:
            self.browser.chrome("Emulation.setScriptExecutionDisabled", value=False)
        wait("the job and the two are cancelled", lambda: self.server.counts("mail")["cancelled"] == 3)
        wait("the filter is there again", lambda: self.browser.url.endswith("/page/jobs?state=queued&queue=mail"))

    def is_there(self, selector):
        """Without a script of the page's or of ours."""
        try:
            return bool(self.browser.find(selector))
        except WebDriverError:
            return False

    def test_the_filter_is_in_the_address(self):
        self.start()
        for number in range(3):
            self.server.publish("mail", {}, "?name=welcome")
            self.server.publish("reports", {}, "?name=monthly")
        self.open("/page/jobs")
        self.browser.run("document.querySelector('#queue').value = 'mail'; document.querySelector('#state').value = 'queued'")
        self.press("Show")
        self.shows("3 jobs in all.")
        self.assertIn("state=queued", self.browser.url)
        self.assertIn("queue=mail", self.browser.url)
        self.assertNotIn("monthly", self.browser.text("#part"))
        self.no_errors()

    def test_a_page_that_is_not_looked_at_costs_nothing(self):
        self.start()
        self.server.publish("mail")
        self.open()
        self.browser.wait("the page is live", LIVE)
        self.browser.run(
            """
            Object.defineProperty(document, "hidden", { value: true, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
            """)
        self.server.publish("mail")
        wait("nobody looks any more", lambda: self.streams() == 0)
        self.browser.run(
            """
            Object.defineProperty(document, "hidden", { value: false, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
            """)
        wait("it is shown again", lambda: self.cell("mail", "Queued") == "2")
        self.no_errors()

    def streams(self):
        return self.browser.run("return source === null ? 0 : 1")

    def test_a_row_that_goes_takes_no_focus_from_another(self):
        self.start()
        for queue in ("alpha", "beta", "gamma"):
            self.server.publish(queue)
        self.open("/page")
        self.browser.wait("the page is live", LIVE)
        self.browser.run(
            """
            const row = [...document.querySelectorAll("tbody tr")].find((row) => row.querySelector("th").innerText.includes("beta"));
            window.watched = row.querySelector("th a");
            window.watched.focus();
            window.blurred = 0;
            window.watched.addEventListener("blur", () => window.blurred++);
            """)
        self.assertEqual(self.server.request("DELETE", "/v1/queues/alpha?purge=true")[0], 204)
        wait("the row above is gone", lambda: self.cell("alpha", "Queued") is None)
        self.server.publish("aardvark")
        wait("another came in its place", lambda: self.cell("aardvark", "Queued") == "1")
        self.assertTrue(self.browser.run("return document.activeElement === window.watched && window.watched.isConnected"))
        self.assertEqual(self.browser.run("return window.blurred"), 0, "it was not even lost for a moment")
        self.assertEqual(
            self.browser.run("return [...document.querySelectorAll('tbody th bdi')].map((one) => one.textContent)"),
            ["aardvark", "beta", "gamma"])
        self.no_errors()

    def test_rows_that_change_places_keep_their_elements_and_the_focus(self):
        self.start()
        for queue in ("alpha", "beta", "gamma"):
            self.server.publish(queue)
        self.open("/page?sort=queued")
        self.browser.wait("the page is live", LIVE)
        self.browser.run(
            """
            const row = [...document.querySelectorAll("tbody tr")].find((row) => row.querySelector("th").innerText.includes("gamma"));
            window.watched = row.querySelector("th a");
            window.watched.focus();
            """)
        self.server.publish("gamma")
        self.browser.wait("the deepest is the first", "return document.querySelector('tbody th bdi').textContent === 'gamma'")
        self.assertTrue(self.browser.run("return document.activeElement === window.watched && window.watched.isConnected"))
        self.no_errors()

    def test_updates_stand_still_until_somebody_goes_on(self):
        self.start()
        self.server.publish("mail")
        self.open("/page")
        self.browser.wait("the page is live", LIVE)
        self.press("Pause updates")
        self.assertEqual(self.browser.text("#live"), "paused")
        self.server.publish("mail")
        self.assertEqual(self.streams(), 0)
        # The next page is paused, too, and shows what there was when it was loaded.
        self.open("/page/queue?name=mail")
        self.shows("paused")
        self.assertEqual(self.streams(), 0)
        self.open("/page")
        self.assertEqual(self.cell("mail", "Queued"), "2")
        self.server.publish("mail")
        self.browser.run("document.dispatchEvent(new Event('visibilitychange'))")
        self.assertEqual(self.streams(), 0)
        self.assertEqual(self.cell("mail", "Queued"), "2")
        self.press("Go on")
        wait("it is shown", lambda: self.cell("mail", "Queued") == "3")
        self.assertEqual(self.browser.text("#pause"), "Pause updates")
        self.no_errors()

    def test_what_a_search_found_stays_and_is_as_it_is_now(self):
        self.start()
        job = self.server.publish("mail", {}, "?name=rare")
        self.server.publish("mail", {}, "?name=other")
        self.open("/page/jobs?name=rare")
        self.browser.wait("the page is live", LIVE)
        self.server.publish("mail", {}, "?name=rare")
        self.assertEqual(self.server.request("POST", f"/v1/jobs/{job}/cancel")[0], 200)
        self.browser.wait("its state is followed", "return document.querySelector('.state')?.textContent === 'cancelled'")
        self.assertEqual(self.browser.run("return document.querySelectorAll('tbody tr').length"), 1)
        self.no_errors()

    def test_the_jobs_of_a_filter_are_redriven_and_it_is_said_once(self):
        self.start()
        for name in ("welcome", "welcome", "monthly"):
            self.server.publish("mail", {}, f"?name={name}")
            self.server.settle(self.server.lease("mail"), "fail", {"error": "no", "retry": False})
        self.open("/page/jobs?state=failed&name=welcome")
        self.press("Redrive these…")
        self.shows("2 jobs got no further")
        self.assertEqual(self.server.counts("mail")["failed"], 3)
        self.press("Redrive 2 jobs")
        self.shows("Redriven: 2 jobs.")
        self.assertEqual(self.server.counts("mail")["failed"], 1)
        self.open("/page/jobs?state=failed&name=welcome")
        self.shows("No such job.")
        self.assertNotIn("Redriven", self.browser.text("main"))
        self.no_errors()

    def test_a_job_is_opened_by_its_id_and_a_queue_is_found_by_its_name(self):
        self.start()
        id = self.server.publish("mail", {}, "?name=welcome")
        self.server.publish("reports")
        self.open("/page/jobs")
        self.browser.type("#id", id)
        self.press("Open")
        self.shows("welcome queued")
        self.open("/page")
        self.browser.type("#contains", "REP")
        self.press("Show")
        self.shows("1 of 1 queue")
        self.assertIn("contains=REP", self.browser.url)
        self.assertEqual(self.browser.run("return [...document.querySelectorAll('tbody th bdi')].map((one) => one.textContent)"), ["reports"])
        self.no_errors()

    def test_fields_are_told_from_their_ground_and_links_from_numbers(self):
        self.start()
        self.server.publish("mail")
        for scheme in ("light", "dark"):
            for path in ("/page", "/page/jobs"):
                self.open(path)
                self.browser.prefer(color_scheme=scheme, reduced_motion="reduce")
                edges = self.browser.run(
                    """
                    const ground = (one) => {
                      const colour = getComputedStyle(one).backgroundColor;
                      return /, 0\\)$/.test(colour) && one.parentElement ? ground(one.parentElement) : colour;
                    };
                    return [...document.querySelectorAll("main input:not([type=hidden]), main select, main button")].filter((one) => !one.disabled)
                      .map((one) => [one.id || one.textContent, getComputedStyle(one).borderTopColor, ground(one), ground(one.parentElement)]);
                    """)
                self.assertGreater(len(edges), 2)
                for name, edge, inside, outside in edges:
                    # A button that is filled has its edge in its own colour.
                    self.assertGreaterEqual(contrast(edge, outside), 3, f"{name} on {path} in the {scheme}")
                    if inside != edge:
                        self.assertGreaterEqual(contrast(edge, inside), 3, f"{name} on {path} in the {scheme}")
            self.open("/page")
            self.assertIn("underline", self.browser.run("return getComputedStyle(document.querySelector('td.number a')).textDecorationLine"))

    def test_what_jobs_are_called_is_text_and_nothing_else(self):
        self.start()
        words = "<img src=x onerror=\"window.attacked = true\"><b>bold</b>\"\u0301 onmouseover=\"window.attacked = true"
        name = "%3Cimg%20src%3Dx%20onerror%3D%22window.attacked%20%3D%20true%22%3E"
        id = self.server.publish("mail", words, f"?name={name}")
        self.server.settle(self.server.lease("mail"), "fail", {"error": words, "retry": False})
        for path in ("/page/jobs", f"/page/job?id={id}"):
            self.open(path)
            self.shows('<img src=x onerror="window.attacked = true">')
            self.browser.wait("the page is live", LIVE)
            self.assertEqual(self.browser.run("return document.querySelectorAll('main img, main b b').length"), 0)
            self.assertIsNone(self.browser.run("return window.attacked ?? null"))
        self.no_errors()

    def test_markup_is_text_wherever_it_stands(self):
        """In the names of queues, jobs, groups, schedules and holders; in headers, payloads, results, errors and notes. What HTTP alone would not take comes by an import."""
        self.start()

        def markup(place):
            return f"<img src=x onerror=\"window.attacked='{place}'\"></td><script>window.attacked='{place}'</script>"

        queue, now = markup("queue")[:190], "2026-12-01T00:00:00Z"
        job = {"payload": {markup("member"): markup("payload")}, "name": markup("name")[:190], "group": markup("group")[:190],
               "headers": {markup("header name"): markup("header")}}
        past = {"created_at": now, "attempt": 1, "started_at": now, "finished_at": now, "result": {"payload": markup("result")},
                "errors": [{"message": markup("error"), "code": markup("code")[:90], "attempt": 1, "at": now}],
                "deaths": [{"queue": queue, "reason": "rejected", "first_at": now, "last_at": now, "job": markup("job")[:60]}]}
        lines = [
            {"type": "queue", "name": queue, "settings": {"dead_letter_queue": markup("dead letters")[:190]}},
            {"type": "record", "queue": queue, "name": f"schedule:{markup('schedule')}", "value": json.dumps({"last": now, "next": now})},
            {"type": "job", "queue": queue, "state": "queued", "job": {**job, "headers": {"x-hostile": markup("header")}}},
            {"type": "job", "queue": queue, "state": "succeeded", "job": {**job, "group": None}, "past": past},
            {"type": "job", "queue": queue, "state": "failed", "job": {**job, "group": None, "payload": "<script>", "content_type": "text/html"},
             "past": {**past, "result": None, "error": past["errors"][0], "reason": "rejected"}},
        ]
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        self.addCleanup(connection.close)
        connection.request("POST", "/v1/import", "\n".join(map(json.dumps, lines)), {"Content-Type": "application/jsonl"})
        answer = connection.getresponse()
        self.assertEqual(answer.status, 200, answer.read())
        answer.read()
        path = urllib.parse.quote(queue, safe="")
        holder = urllib.parse.quote(markup("holder")[:190], safe="")
        lease = self.server.lease(path, f"?holder={holder}")
        self.server.settle(lease, "progress", {"fraction": 0.5, "note": markup("note")})
        jobs = self.server.request("GET", f"/v1/jobs?queue={path}")[1]["jobs"]
        self.assertEqual(len(jobs), 3)
        pages = ["/page", f"/page/queue?name={path}", "/page/jobs", f"/page/jobs?queue={path}&name={urllib.parse.quote(job['name'])}", "/page/workers",
                 "/page/schedules", f"/page/confirm?do=purge&queue={path}", *(f"/page/job?id={job['id']}" for job in jobs)]
        seen = ""
        for page in pages:
            self.open(page)
            self.browser.wait("the page is there", "return document.querySelector('main') !== null")
            if self.browser.run("return document.querySelector('#live') !== null"):
                self.browser.wait(f"{page} is live", LIVE)
            self.assertEqual(self.browser.run("return document.querySelectorAll('img, main script').length"), 0, page)
            self.assertIsNone(self.browser.run("return window.attacked ?? null"), page)
            seen += self.browser.run("return document.body.textContent")
        for place in ("queue", "name", "group", "header name", "header", "member", "payload", "result", "error", "code", "holder", "note", "schedule", "dead letters"):
            self.assertIn(f"<img src=x onerror=\"window.attacked='{place}'\">".replace('"', '\\"') if place in ("member", "payload", "result")
                          else f"<img src=x onerror=\"window.attacked='{place}'\">", seen, f"{place} is shown nowhere")
        self.no_errors()

    def test_it_can_be_used_by_keys_and_shows_where_the_focus_is(self):
        self.start()
        self.server.publish("mail")
        self.open("/page")
        self.browser.keys(TAB, ENTER)
        self.assertEqual(self.browser.run("return document.activeElement.id"), "main")
        reached = {}
        # The fields that find queues come first.
        for _ in range(5):
            self.browser.keys(TAB)
            name, outline = self.browser.run(
                "const one = document.activeElement; return [one.textContent.trim(), getComputedStyle(one).outlineStyle]")
            reached[name] = outline
        self.assertIn("mail", reached)
        self.assertNotIn("none", reached.values())
        # What is refreshed keeps the focus.
        self.browser.run("document.querySelector('tbody th a').focus()")
        self.browser.wait("the page is live", LIVE)
        self.server.publish("mail")
        wait("it was refreshed", lambda: self.cell("mail", "Queued") == "2")
        self.assertEqual(self.browser.run("return document.activeElement.textContent"), "mail")
        self.no_errors()

    def test_light_dark_and_narrow(self):
        self.start()
        self.fill()
        ground = "return getComputedStyle(document.body).backgroundColor"
        self.open("/page")
        self.browser.prefer(color_scheme="light")
        self.assertGreater(brightness(self.browser.run(ground)), 200)
        self.browser.prefer(color_scheme="dark")
        self.assertLess(brightness(self.browser.run(ground)), 50)
        job = self.server.request("GET", "/v1/jobs?state=failed")[1]["jobs"][0]["id"]
        for path in ("/page", "/page/queue?name=mail", "/page/jobs", f"/page/job?id={job}", "/page/workers", "/page/schedules"):
            for width in (320, 390, 768, 1280):
                self.open(path)
                self.browser.resize(width, 844)
                self.browser.wait(
                    f"everything of {path} is within {width} pixels",
                    "return document.documentElement.scrollWidth <= arguments[0]", width)
        self.no_errors()

    def test_large_numbers_stay_in_their_tiles_on_a_phone(self):
        self.start()
        self.fill()
        for path in ("/page", "/page/queue?name=mail"):
            self.open(path)
            self.press("Pause updates")
            self.browser.run("for (const number of document.querySelectorAll('.tile b')) number.textContent = '1,000,000'")
            for width in (320, 390):
                self.browser.resize(width, 844)
                self.browser.wait(
                    f"everything of {path} is within {width} pixels", "return document.documentElement.scrollWidth <= arguments[0]", width)
                outside, broken = self.browser.run(
                    """
                    const inside = (one) => { const style = getComputedStyle(one), box = one.getBoundingClientRect(); return box.right - parseFloat(style.paddingRight); };
                    const tiles = [...document.querySelectorAll(".tile")].map((tile) => {
                      const range = document.createRange();
                      range.selectNodeContents(tile.querySelector("b"));
                      return [range.getBoundingClientRect().right > inside(tile) + 0.5, range.getClientRects().length > 1];
                    });
                    return [tiles.filter(([one]) => one).length, tiles.filter(([, one]) => one).length];
                    """)
                self.assertEqual((outside, broken), (0, 0), f"numbers outside their tiles, or broken into lines, of {path} at {width}")
            self.press("Go on")
        self.no_errors()

    def test_blocks_that_come_take_no_focus_from_others(self):
        self.start()
        self.server.request("PUT", "/v1/queues/dead", {})
        self.server.request("PUT", "/v1/queues/mail", {"dead_letter_queue": "dead"})
        self.server.publish("mail")
        self.server.settle(self.server.lease("mail"), "fail", {"error": "no", "retry": False})
        letter = self.server.request("GET", "/v1/jobs?queue=dead")[1]["jobs"][0]["id"]
        self.open(f"/page/job?id={letter}")
        self.browser.wait("the page is live", LIVE)
        self.browser.run(
            """
            window.watched = document.querySelector("tbody a");
            window.watched.focus();
            """)
        self.server.settle(self.server.lease("dead"), "fail", {"error": "again", "delay": "1h"})
        self.shows("again")
        self.browser.wait("its errors stand above", "return document.querySelectorAll('section h2 + table').length === 2")
        self.assertTrue(self.browser.run("return document.activeElement === window.watched && window.watched.isConnected"))
        self.no_errors()

    def test_a_server_that_is_gone_is_asked_ever_more_rarely_and_not_by_all_at_once(self):
        self.start()
        self.open("/page")
        self.browser.wait("the page is live", LIVE)
        # A hundred times as fast as it would be.
        self.browser.run(
            """
            const plain = window.setTimeout;
            window.delays = [];
            window.setTimeout = (work, delay) => { window.delays.push(delay); return plain(work, delay / 100); };
            """)
        self.server.process.kill()
        self.browser.wait("it tried some times", "return window.delays.length >= 6")
        delays = self.browser.run("return window.delays")
        for number, delay in enumerate(delays[:6]):
            usual = min(2000 * 2 ** number, 60000)
            self.assertTrue(usual / 2 <= delay <= usual * 1.5, delays)
        self.assertGreater(len({delay / min(2000 * 2 ** number, 60000) for number, delay in enumerate(delays[:6])}), 1, "each time another one")

    def test_a_token_is_typed_once_and_given_up_again(self):
        self.start(TOKEN)
        self.server.publish("mail")
        self.open("/page/queue?name=mail")
        self.shows("This server asks for a token.")
        self.browser.type("#token", "a-wrong-token-of-some-length")
        self.press("Log in")
        self.shows("This server knows no such token.")
        self.browser.type("#token", TOKEN)
        self.press("Log in")
        self.shows("newcomers are refused")
        self.assertIn("name=mail", self.browser.url)
        self.assertEqual(self.browser.run("return document.cookie"), "", "no script reads it")
        self.browser.wait("the page is live", LIVE)
        self.press("Pause")
        self.shows("Paused: no more jobs are delivered")
        self.press("Log out")
        self.shows("This server asks for a token.")
        self.open("/page")
        self.shows("This server asks for a token.")

    def fill(self):
        """A store as it may look on a working day."""
        publish, lease, settle = self.server.publish, self.server.lease, self.server.settle
        for queue, count, name in [("mail", 24, "welcome-mail"), ("thumbnails", 40, "thumbnail"), ("reports", 4, "monthly-report"), ("webhooks", 9, "deliver")]:
            for number in range(count):
                publish(queue, {"number": number, "to": "ada@example.com"}, f"?name={name}")
        for number, note in [(0.35, "rendering page 12 of 40"), (0.8, "uploading")]:
            settle(lease("reports", "?holder=report-worker-1"), "progress", {"fraction": number, "note": note})
        for holder in ("thumbnailer-a", "thumbnailer-b"):
            for _ in range(4):
                lease("thumbnails", f"?holder={holder}&lease=1h")
        for _ in range(8):
            settle(lease("mail"), "complete", {"sent": True})
        for error in ("the mailbox is full", "550 no such user here"):
            settle(lease("mail"), "fail", {"error": {"message": error, "code": "smtp"}, "retry": False})
        settle(lease("webhooks"), "fail", {"error": {"message": "timeout after 10 s", "code": "timeout"}, "delay": "1h"})
        settle(lease("webhooks"), "fail", {"error": {"message": "503 Service Unavailable", "code": "http"}, "delay": "20m"})
        publish("reports", {"month": "2026-12"}, "?name=monthly-report&delay=12h")
        self.server.request("PATCH", "/v1/queues/webhooks", {"max_jobs": 9})
        self.server.request("POST", "/v1/queues/webhooks/jobs", {})
        self.server.request("POST", "/v1/queues/webhooks/pause")

    if "--screenshots" in sys.argv:

        def test_pictures(self):
            """The queues in the light on a screen, and in the dark on a phone, while jobs come and go."""
            self.start()
            self.fill()
            over = threading.Event()

            def work():
                number = 0
                while not over.is_set():
                    number += 1
                    for _ in range(3 + number % 5):
                        self.server.publish("mail", {}, "?name=welcome-mail")
                        self.server.publish("thumbnails", {}, "?name=thumbnail")
                    for queue in ("mail", "mail", "mail", "mail", "thumbnails", "thumbnails", "thumbnails"):
                        if lease := self.server.lease(queue):
                            self.server.settle(lease, "complete", {})
                    over.wait(0.3)

            worker = threading.Thread(target=work)
            worker.start()
            try:
                self.open("/page")
                self.browser.resize(1280, 640, scale=1.5)
                self.browser.prefer(color_scheme="light", reduced_motion="reduce")
                self.browser.wait(
                    "the lines are long enough",
                    "return document.querySelector('polyline')?.getAttribute('points').split(' ').length > 12", seconds=90)
                self.browser.screenshot(os.path.join(screenshots, "operators.png"))
                self.browser.resize(390, 844, scale=2)
                self.browser.prefer(color_scheme="dark", reduced_motion="reduce")
                self.browser.screenshot(os.path.join(screenshots, "operators-phone.png"))
            finally:
                over.set()
                worker.join()


def contrast(one, other):
    """Of two colours, as WCAG has it."""
    def luminance(color):
        parts = [int(part) / 255 for part in color[color.index("(") + 1:-1].split(",")[:3]]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def brightness(color):
    return sum(int(part) for part in color[color.index("(") + 1:-1].split(",")[:3]) / 3


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if "--help" in arguments or "-h" in arguments:
        print(__doc__.strip())
        sys.exit(0)
    if "--screenshots" in arguments:
        at = arguments.index("--screenshots")
        if at + 1 == len(arguments):
            sys.exit("--screenshots needs a folder, for example docs")
        screenshots = arguments[at + 1]
        del arguments[at:at + 2]
    unittest.main(argv=[sys.argv[0], *arguments])
