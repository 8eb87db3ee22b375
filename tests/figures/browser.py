"""A page in headless Chromium, driven over two pipes by the DevTools protocol."""

import base64
import fcntl
import json
import os
import pathlib
import select
import shutil
import subprocess
import sys
import time
from typing import Any

import pytest

_SECONDS = 60.0  # for one answer
_NAMES = ("chromium", "chromium-browser", "google-chrome")
# The browser reads commands from descriptor 3 and writes to 4, whatever numbers the pipes have.
_LAUNCH = """
import fcntl, os, sys
read, write = (fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3])
os.dup2(read, 3)
os.dup2(write, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


def program() -> str:
    """Path of the browser; skips the test where there is none."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(_NAMES)} is installed; the page needs a browser to run")
    return found


class Browser:
    """One tab. `events` holds all that the browser told so far, oldest first."""

    def __init__(self, folder: pathlib.Path):
        command = [
            program(),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            f"--user-data-dir={folder}",
            "--remote-debugging-pipe",
        ]
        for_child, self._out = os.pipe()
        self._in, from_child = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCH, str(for_child), str(from_child), *command],
            pass_fds=(for_child, from_child),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(for_child)
        os.close(from_child)
        fcntl.fcntl(self._in, fcntl.F_SETFL, os.O_NONBLOCK)
        self._buffer, self._last, self._session = b"", 0, None
        self.events: list[dict] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def open(self, path: pathlib.Path, width: int = 1200, height: int = 900, **media: str) -> None:
        """Loads a file in a window of this size; media: features such as prefers-color-scheme."""
        features = [{"name": name.replace("_", "-"), "value": v} for name, v in media.items()]
        self.call("Emulation.setEmulatedMedia", features=features)
        self.call(
            "Emulation.setDeviceMetricsOverride",
            **{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        self.events.clear()
        self.call("Page.navigate", url=path.absolute().as_uri())
        self.wait(lambda: any(event["method"] == "Page.loadEventFired" for event in self.events))

    def evaluate(self, expression: str) -> Any:
        """Value of a JavaScript expression, through JSON; typed arrays come as lists."""
        plain = "(_, v) => ArrayBuffer.isView(v) ? Array.from(v) : v"
        answer = self.call("Runtime.evaluate", expression=f"JSON.stringify({expression}, {plain})")
        assert "exceptionDetails" not in answer, answer
        text = answer["result"].get("value")
        return None if text is None else json.loads(text)

    def press(self, key: str, code: str, number: int) -> None:
        """One key, down and up, where the focus is; number: its Windows key code."""
        fields = {"key": key, "code": code, "windowsVirtualKeyCode": number}
        text = {"text": key} if len(key) == 1 else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **fields, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **fields)

    def picture(self, path: pathlib.Path) -> None:
        """Writes what the window shows as a PNG."""
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))

    def wait(self, until) -> None:
        """Returns when the condition holds."""
        end = time.monotonic() + _SECONDS
        while not until():
            assert time.monotonic() < end, "the browser did not do it"
            self._receive(0.05)

    def call(self, method: str, **parameters: Any) -> dict:
        """One command and its result."""
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + _SECONDS
        while True:
            assert time.monotonic() < end, f"no answer to {method}"
            for answer in self._receive(end - time.monotonic()):
                if answer["id"] == self._last:
                    assert "error" not in answer, f"{method}: {answer['error']}"
                    return answer["result"]

    def _receive(self, seconds: float) -> list[dict]:
        """Answers that came in; events are put aside."""
        if not select.select([self._in], [], [], seconds)[0]:
            return []
        part = os.read(self._in, 1 << 20)
        assert part, f"the browser ended with status {self._process.wait(_SECONDS)}"
        *whole, self._buffer = (self._buffer + part).split(b"\0")
        messages = [json.loads(message) for message in whole]
        self.events += [message for message in messages if "method" in message]
        return [message for message in messages if "id" in message]

    def close(self) -> None:
        """Ends the browser."""
        self._session = None
        self.call("Browser.close")
        self._process.wait(_SECONDS)
        os.close(self._out)
        os.close(self._in)
