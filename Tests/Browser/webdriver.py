"""The little of the WebDriver protocol (https://www.w3.org/TR/webdriver2/) that the tests need, with the standard library alone."""

import base64
import http.client
import json
import os
import shutil
import socket
import subprocess
import time

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
ENTER, TAB, CONTROL, RELEASE = "\ue007", "\ue004", "\ue009", "\ue000"


class WebDriverError(Exception):
    pass


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Browser:
    """A headless Chromium; used with `with`, so that it ends whatever happens."""

    def __init__(self, width=1280, height=1000):
        driver = shutil.which("chromedriver")
        chromium = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
        if not driver or not chromium:
            raise WebDriverError("chromium and chromedriver are needed: apt-get install chromium chromium-driver")
        self.port = free_port()
        self.driver = subprocess.Popen(
            [driver, f"--port={self.port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.session = None
        try:
            arguments = [
                "--headless=new", f"--window-size={width},{height}", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
            if os.geteuid() == 0:
                arguments.append("--no-sandbox")
            options = {"binary": chromium, "args": arguments}
            self._wait_until_ready()
            wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            answer = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
            self.session = f"/session/{answer['sessionId']}"
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            if self.session:
                self._call("DELETE", self.session)
        except (OSError, http.client.HTTPException, WebDriverError):
            pass  # It ends all the same, below.
        finally:
            self.session = None
            self.driver.terminate()
            try:
                self.driver.wait(10)
            except subprocess.TimeoutExpired:
                self.driver.kill()
                self.driver.wait()

    def _wait_until_ready(self, seconds=20):
        deadline = time.monotonic() + seconds
        while True:
            try:
                if self._call("GET", "/status")["ready"]:
                    return
            except OSError:
                pass
            if time.monotonic() > deadline or self.driver.poll() is not None:
                raise WebDriverError("chromedriver did not start")
            time.sleep(0.05)

    def _call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            content = json.dumps({} if body is None else body) if method == "POST" else None
            connection.request(method, path, content, {"Content-Type": "application/json"})
            value = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        if isinstance(value, dict) and "error" in value:
            raise WebDriverError(f"{value['error']}: {value['message'].splitlines()[0]}")
        return value

    def _do(self, path, body=None):
        return self._call("POST", self.session + path, body)

    # Pages.

    def open(self, url):
        self._do("/url", {"url": url})

    @property
    def url(self):
        return self._call("GET", self.session + "/url")

    def run(self, script, *arguments):
        """Runs JavaScript; `return` gives its value."""
        return self._do("/execute/sync", {"script": script, "args": list(arguments)})

    def console(self):
        """What went wrong in the page: its errors since the last call."""
        return [entry["message"] for entry in self._do("/se/log", {"type": "browser"}) if entry["level"] == "SEVERE"]

    def resize(self, width, height, scale=1):
        """In CSS pixels, and how many of the screen's each of them is wide."""
        self.chrome("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=width < 600)

    def prefer(self, **features):
        """Emulates media features: prefer(color_scheme="dark")."""
        wanted = [{"name": "prefers-" + name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.chrome("Emulation.setEmulatedMedia", features=wanted)

    def chrome(self, command, **parameters):
        return self._do("/goog/cdp/execute", {"cmd": command, "params": parameters})

    def screenshot(self, path, whole=False):
        if whole:
            picture = self.chrome("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        else:
            picture = self._call("GET", self.session + "/screenshot")
        with open(path, "wb") as file:
            file.write(base64.b64decode(picture))

    # Elements.

    def find(self, selector):
        return self._do("/element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        self._do(f"/element/{self.find(selector)}/click")

    def type(self, selector, text):
        self._do(f"/element/{self.find(selector)}/value", {"text": text})

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0])?.textContent.replace(/\\s+/g, ' ').trim() ?? null", selector)

    def keys(self, *keys):
        """Presses keys in turn, as a keyboard does, wherever the focus is. A pair is held: (CONTROL, ENTER)."""
        actions = []
        for key in keys:
            held = key if isinstance(key, tuple) else (key,)
            actions += [{"type": "keyDown", "value": one} for one in held]
            actions += [{"type": "keyUp", "value": one} for one in reversed(held)]
        self._do("/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def wait(self, what, script, *arguments, seconds=30):
        """Runs a script until it returns something true, and returns that."""
        deadline = time.monotonic() + seconds
        while True:
            value = self.run(script, *arguments)
            if value:
                return value
            if time.monotonic() > deadline:
                raise AssertionError(f"after {seconds} s still not: {what}")
            time.sleep(0.05)
