"""A headless Chromium that speaks WebDriver, for tests of pages; nothing but the standard library drives it."""

import json
import re
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMEDRIVER = shutil.which("chromedriver")
BROWSER = (CHROMIUM or "chromium", "chromedriver")
"""The programs without which no page can be tested."""

_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
)
_LOGS = {"browser": "ALL", "performance": "ALL"}
_STARTED = re.compile(r"started successfully on port (\d+)")
_NAMED = ("Tab", "Enter", "Shift", "PgUp", "PgDown", "End", "Home", "Left", "Up", "Right", "Down")
KEYS = dict(zip(_NAMED, "\ue004\ue007\ue008\ue00e\ue00f\ue010\ue011\ue012\ue013\ue014\ue015", strict=True))
"""WebDriver's characters for keys without one."""


class Browser:
    def __init__(self, port: int, folder: Path) -> None:
        # A proxy of the machine is not asked for a server on the machine.
        self._opener = build_opener(ProxyHandler({}))
        self._base = f"http://127.0.0.1:{port}"
        options = {"binary": CHROMIUM, "args": [*_FLAGS, f"--user-data-dir={folder}"]}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": _LOGS}
        session = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._base += f"/session/{session['sessionId']}"

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if method != "POST" else json.dumps(body or {}).encode()
        request = Request(self._base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with self._opener.open(request, timeout=100) as answer:
                return json.load(answer)["value"]
        except HTTPError as error:
            with error:
                failed = json.load(error)["value"]
            raise AssertionError(f"{failed['error']}: {failed['message'].splitlines()[0]}") from None

    def open(self, page: Path) -> None:
        self.messages()
        self.requests()
        self._call("POST", "/url", {"url": page.resolve().as_uri()})

    def run(self, script: str, *arguments: Any) -> Any:
        return self._call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def run_later(self, script: str, *arguments: Any) -> Any:
        """What a script passes to its last argument, which it calls when it is ready."""
        return self._call("POST", "/execute/async", {"script": script, "args": list(arguments)})

    def enter_frame(self, number: int | None) -> None:
        """Run the next scripts in a frame of the page, or with None in the page."""
        self._call("POST", "/frame", {"id": number})

    def press(self, *keys: str) -> None:
        """Press and release keys one after another; "Shift+N" holds Shift."""
        actions = []
        for key in keys:
            *held, last = [KEYS.get(part, part) for part in (key.split("+") if len(key) > 1 else [key])]
            actions += [{"type": "keyDown", "value": value} for value in (*held, last)]
            actions += [{"type": "keyUp", "value": value} for value in (last, *reversed(held))]
        self._call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def click(self, x: int, y: int) -> None:
        actions = [
            {"type": "pointerMove", "x": x, "y": y},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        self._call("POST", "/actions", {"actions": [{"type": "pointer", "id": "mouse", "actions": actions}]})

    def devtools(self, command: str, **parameters: Any) -> Any:
        return self._call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def show_as(self, width: int, height: int = 1000, *, dark: bool = False, calm: bool = False) -> None:
        """Set the size of the window, and the colors and the motion that the reader prefers."""
        self.devtools(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        wanted = {
            "prefers-color-scheme": "dark" if dark else "light",
            "prefers-reduced-motion": "reduce" if calm else "",
        }
        features = [{"name": name, "value": value} for name, value in wanted.items()]
        self.devtools("Emulation.setEmulatedMedia", features=features)

    def messages(self) -> list[str]:
        """The messages of the console since the last call."""
        return [entry["message"] for entry in self._call("POST", "/se/log", {"type": "browser"})]

    def requests(self) -> list[str]:
        """The addresses that were asked for since the last call."""
        entries = [
            json.loads(entry["message"])["message"] for entry in self._call("POST", "/se/log", {"type": "performance"})
        ]
        return [own["params"]["request"]["url"] for own in entries if own["method"] == "Network.requestWillBeSent"]

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        picture = self.devtools("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(b64decode(picture["data"]))

    def close(self) -> None:
        self._call("DELETE", "")


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser with an empty profile in a folder."""
    assert CHROMEDRIVER is not None
    command = [CHROMEDRIVER, "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as driver:
        try:
            assert driver.stdout is not None
            port = next(int(found[1]) for line in driver.stdout if (found := _STARTED.search(line)))
            opened = Browser(port, folder)
            try:
                yield opened
            finally:
                opened.close()
        finally:
            driver.terminate()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened
