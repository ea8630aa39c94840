#!/usr/bin/env python3
"""Drives the page of the example `timeline` in headless Chromium.

usage: Tests/Browser/test_page.py [--help] [--screenshot PATH] [unittest options]

  --screenshot PATH  keeps a picture of the page after a flood, as in docs/timeline.png

The program is built first; TIMELINE_BINARY names one that is built already. chromium and chromedriver must be installed.
"""

import sys
import tempfile
import unittest

from timeline_server import Timeline, build, wait
from webdriver import CONTROL, ENTER, TAB, Browser

screenshot = None

OWN_POSTS = "return [...document.querySelectorAll('#timeline .text')].map((text) => text.textContent)"
SAYS_OF_NEWEST = "return document.querySelector('#timeline .now')?.textContent ?? ''"
ALL_DELIVERED = f"return (() => {{ {SAYS_OF_NEWEST} }})() === 'Delivered to all 10,000'"


class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.binary = build()

    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())

    def start(self, **options):
        self.timeline = self.enterContext(Timeline(self.binary, self.folder, **options))
        self.browser = self.enterContext(Browser())
        self.browser.resize(1280, 1000)
        self.open(self.timeline.url)

    def open(self, url):
        self.browser.open(url)
        self.browser.wait("the page is live", "return document.querySelector('#live').textContent === 'live'")

    def post(self, text):
        self.browser.type("#text", text)
        self.browser.click("#composer button[type=submit]")

    def delivered(self):
        self.browser.wait("the newest post is delivered to all", ALL_DELIVERED)

    def assert_no_errors(self):
        # A refusal is no error of the page: the browser logs every 503 by itself.
        self.assertEqual([error for error in self.browser.console() if "503" not in error], [])

    def test_a_post_stands_on_the_own_timeline_at_once_and_reaches_everyone(self):
        self.start()
        # What a person sees in the very turn in which they press the button, before any answer can have come. The bar grows with the
        # delivery; this notes what it says on the way, from the beginning, for that may be short.
        at_once = self.browser.run(
            """
            window.seen = [];
            new MutationObserver((changes) => { for (const { target } of changes) window.seen.push(target.value); })
              .observe(document.querySelector("#timeline"), { attributes: true, attributeFilter: ["value"], subtree: true });
            document.querySelector("#text").value = "The godwits are back.";
            document.querySelector("#composer").requestSubmit();
            return document.querySelector("#timeline .text").textContent;
            """)
        self.assertEqual(at_once, "The godwits are back.")
        self.browser.wait("the post is accepted", "return document.querySelector('#timeline .says').textContent.includes('answered in')")
        self.delivered()
        seen = self.browser.run("return window.seen")
        self.assertEqual(seen, sorted(seen), "progress never goes back")
        self.assertEqual(seen[-1], 10_000)
        self.assertTrue(any(0 < value < 10_000 for value in seen), f"progress is seen on the way: {seen}")
        self.assertEqual(self.browser.text("#reached"), "10,000")
        self.assertEqual(self.browser.text("#timeline .says a"), "split into 20 jobs")

        # The job's own status, by its unguessable address.
        address = self.browser.run("return document.querySelector('#timeline .says a').getAttribute('href')")
        status, _, job = self.timeline.request("GET", address)
        self.assertEqual((status, job["state"], job["name"]), (200, "succeeded", "deliver-post"))

        # It is there after a reload, too.
        self.open(self.timeline.url)
        self.browser.wait("the post is there", OWN_POSTS + ".includes('The godwits are back.')")
        self.delivered()
        self.assert_no_errors()

    def test_a_follower_sees_the_post(self):
        self.start()
        self.post("Hello to each of you")
        self.delivered()
        self.browser.run("document.querySelector('#number').value = 4321")
        self.browser.click("#open button[type=submit]")
        self.browser.wait("the follower's page", "return location.pathname === '/followers/4321'")
        self.browser.wait("the post is there", OWN_POSTS + ".join() === 'Hello to each of you'")
        self.assertIn("Follower 4,321", self.browser.text("#facts"))

        # And the next post arrives there without a reload.
        self.timeline.publish("live", "Live from the mudflats")
        self.browser.wait("the new post arrives by itself", OWN_POSTS + "[0] === 'Live from the mudflats'")
        self.browser.click("#next")
        self.browser.wait("the next follower", "return location.pathname === '/followers/4322'")
        self.browser.wait("both posts", OWN_POSTS + ".length === 2")
        self.assert_no_errors()

    def test_a_flood_is_refused_backs_off_and_recovers(self):
        self.start()
        self.post("Calm before the flood")
        self.delivered()
        self.browser.run(
            """
            window.shown = { refused: 0, backing: 0 };
            setInterval(() => {
              for (const id of ["refused", "backing"]) {
                window.shown[id] = Math.max(window.shown[id], Number(document.querySelector(`#${id}`).textContent.replaceAll(",", "")));
              }
            }, 20);
            document.addEventListener("flood-over", (event) => { window.over = event.detail; });
            """)
        self.browser.click("#flood")
        self.browser.wait("the page shows 503s and clients that back off", "return window.shown.refused > 0 && window.shown.backing > 0")
        over = self.browser.wait("all of the flood is accepted", "return window.over", seconds=120)
        self.assertEqual(over["accepted"], 300)
        self.assertGreater(over["refused"], 0)

        # Accepting stayed quick while the queue was full: the last third of the posts waited no longer than the first one's times allow.
        times = self.browser.wait(
            "the chart shows all of them",
            """
            const dots = [...document.querySelectorAll("#chart .accepted")];
            return dots.length === 300 && dots.map((dot) => [Number(dot.getAttribute("cx")), 152 - Number(dot.getAttribute("cy"))]);
            """)
        heights = [height for _, height in sorted(times)]
        first, last = sorted(heights[:100])[50], sorted(heights[200:])[50]
        self.assertLess(last, 3 * first + 20, "the median answer at the end of the flood is like the one at its beginning")

        # Recovery: the queue empties, and a post goes through at once.
        wait("the queue is empty", self.queue_is_empty, seconds=120)
        self.post("Calm after the flood")
        self.delivered()
        self.browser.wait("trending words are there", "return document.querySelectorAll('#trends li').length > 2")
        self.assert_no_errors()

    def queue_is_empty(self):
        return self.browser.run("return document.querySelector('#flood').dataset.unfinished === '0'")

    if "--screenshot" in sys.argv:

        def test_a_picture(self):
            """After a flood, in the middle of a delivery that is slow enough to be caught."""
            self.start(pace=400)
            self.browser.resize(1280, 1060, scale=1.5)
            for text in ["Seventeen godwits on the sandbank, all asleep on one leg.", "Nine days, no stops. I would need a snack."]:
                self.post(text)
                self.delivered()
            self.browser.run("document.addEventListener('flood-over', () => { window.isOver = true; })")
            self.browser.click("#flood")
            self.browser.wait("all of the flood is accepted", "return window.isOver", seconds=120)
            wait("the queue is empty", self.queue_is_empty, seconds=120)
            self.post("The tide is out and the mud is singing.")
            self.browser.run("document.activeElement.blur()")
            self.browser.wait("half of the delivery", "return document.querySelector('#timeline progress').value >= 5000")
            self.browser.screenshot(screenshot)

    def test_a_post_during_the_flood_waits_by_itself_and_gets_through(self):
        self.start()
        self.browser.click("#flood")
        self.browser.wait("the queue refuses", "return document.querySelector('#refused').textContent !== '0'")
        self.post("Into the storm")
        self.assertEqual(self.browser.run(OWN_POSTS)[0], "Into the storm")
        self.browser.wait("it is delivered in the end", ALL_DELIVERED, seconds=120)
        self.assert_no_errors()

    def test_the_page_works_without_a_mouse(self):
        self.start()
        self.browser.keys(TAB, ENTER)  # "Skip to writing a post" comes first.
        self.assertEqual(self.browser.run("return document.activeElement.id"), "text")
        self.browser.keys(*"By keys", (CONTROL, ENTER))
        self.browser.wait("the post is there", OWN_POSTS + "[0] === 'By keys'")
        self.browser.keys(*"By the button", TAB, ENTER)
        self.browser.wait("the post is there", OWN_POSTS + "[0] === 'By the button'")
        self.delivered()

        # From there on, everything can be reached by tabbing, and shows that it has the focus.
        reached = {}
        for _ in range(14):
            self.browser.keys(TAB)
            name, outline = self.browser.run(
                "const one = document.activeElement; return [one.id || one.textContent.trim(), getComputedStyle(one).outlineStyle]")
            reached[name] = outline
        self.assertLessEqual({"number", "random", "flood"}, set(reached))
        self.assertEqual([name for name in ("number", "random", "flood") if reached[name] == "none"], [])
        self.assertEqual(self.browser.run("return document.querySelectorAll('[role=status][aria-live=polite]').length"), 2)
        self.assert_no_errors()

    def test_words_that_cannot_be_posted_stay_and_the_page_says_why(self):
        self.start()
        self.browser.type("#text", "   ")
        self.browser.run("document.querySelector('#composer').requestSubmit()")
        self.browser.wait("the page says why", "return !document.querySelector('#problem').hidden")
        # More than the page allows, but the server has the last word.
        self.browser.run("document.querySelector('#text').value = 'a'.repeat(281); document.querySelector('#composer').requestSubmit()")
        self.browser.wait("the server's words", "return document.querySelector('#problem').textContent.includes('280 characters')")
        self.assertEqual(self.browser.run("return document.querySelector('#text').value.length"), 281)
        self.assertEqual(self.browser.run(OWN_POSTS), [])

    def test_what_a_post_contains_is_text_and_nothing_else(self):
        self.start()
        words = "<img src=x onerror=\"window.attacked = true\"><b>bold</b> & \"quotes\""
        self.post(words)
        self.delivered()
        self.open(f"{self.timeline.url}/followers/1")
        self.browser.wait("the post is there", OWN_POSTS + "[0] === arguments[0]", words)
        self.assertIsNone(self.browser.run("return window.attacked ?? null"))
        self.assert_no_errors()

    def test_light_dark_and_narrow(self):
        self.start()
        ground = "return getComputedStyle(document.body).backgroundColor"
        self.browser.prefer(color_scheme="light")
        light = self.browser.run(ground)
        self.browser.prefer(color_scheme="dark")
        dark = self.browser.run(ground)
        self.assertGreater(brightness(light), 200)
        self.assertLess(brightness(dark), 50)
        for width in (320, 390, 768, 1280):
            self.browser.resize(width, 800)
            self.browser.wait(
                f"everything is within {width} pixels, with a margin",
                """
                const right = Math.max(...[...document.querySelectorAll("main *")].map((one) => one.getBoundingClientRect().right));
                return right <= arguments[0] - 10 && document.documentElement.scrollWidth <= arguments[0];
                """, width)
        self.browser.prefer(reduced_motion="reduce")
        self.post("Without motion")
        self.assertEqual(self.browser.run("return getComputedStyle(document.querySelector('.post')).animationName"), "none")

    def test_the_page_comes_back_by_itself_when_the_program_was_killed(self):
        self.start(pace=300)
        port = int(self.timeline.address.rsplit(":", 1)[1])
        self.post("Before the crash")
        self.browser.wait("the delivery is on its way", "return document.querySelector('#timeline progress').value > 0")
        self.timeline.kill()
        self.browser.wait("the page notices", "return document.querySelector('#live').textContent === 'reconnecting'")
        self.enterContext(Timeline(self.binary, self.folder, port=port))
        self.browser.wait("the page is live again", "return document.querySelector('#live').textContent === 'live'", seconds=60)
        self.delivered()
        self.assertEqual(self.browser.run(OWN_POSTS), ["Before the crash"])


def brightness(color):
    return sum(int(part) for part in color[color.index("(") + 1:-1].split(",")[:3]) / 3


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if "--help" in arguments or "-h" in arguments:
        print(__doc__.strip())
        sys.exit(0)
    if "--screenshot" in arguments:
        at = arguments.index("--screenshot")
        if at + 1 == len(arguments):
            sys.exit("--screenshot needs a path, for example docs/timeline.png")
        screenshot = arguments[at + 1]
        del arguments[at:at + 2]
    unittest.main(argv=[sys.argv[0], *arguments])
