"""A real headless Chromium, asked over the two pipes of its DevTools protocol.

https://chromedevtools.github.io/devtools-protocol/; messages are JSON, each ended by a zero byte.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
DEADLINE_S = 30.0


class Chromium:
    """One browser for many pages. Its profile is new, and gone with it."""

    def __init__(self) -> None:
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        assert program is not None, "no chromium here: apt-get install chromium fonts-dejavu-core"
        self._profile = tempfile.TemporaryDirectory(prefix="flantrace-chromium-")
        heard, self._say = _pipe()
        self._hear, said = _pipe()
        flags = [*FLAGS, f"--user-data-dir={self._profile.name}"]
        if os.geteuid() == 0:
            flags.append("--no-sandbox")

        def as_three_and_four() -> None:
            os.dup2(heard, 3)
            os.dup2(said, 4)

        self._process = subprocess.Popen(
            [program, *flags, "about:blank"],
            preexec_fn=as_three_and_four,
            pass_fds=(3, 4),
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(heard)
        os.close(said)
        self._number = 0
        self._rest = b""
        self.events: list[dict[str, Any]] = []

    def ask(self, method: str, session: str | None = None, /, **words: Any) -> dict[str, Any]:
        """One command, and its result. Events that come meanwhile are kept."""
        self._number += 1
        asked = {"id": self._number, "method": method, "params": words}
        if session is not None:
            asked["sessionId"] = session
        os.write(self._say, json.dumps(asked).encode() + b"\0")
        while True:
            told = self._told()
            if told.get("id") == self._number:
                assert "error" not in told, f"{method}: {told['error']}"
                result: dict[str, Any] = told["result"]
                return result
            self.events.append(told)

    def wait(self, event: str, session: str) -> None:
        """Until the event has come."""
        while not any(
            (one.get("method"), one.get("sessionId")) == (event, session) for one in self.events
        ):
            self.events.append(self._told())

    def _told(self) -> dict[str, Any]:
        end = time.monotonic() + DEADLINE_S
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._hear], [], [], end - time.monotonic())
            assert ready, "chromium does not answer"
            read = os.read(self._hear, 1 << 16)
            assert read, "chromium went away"
            self._rest += read
        one, _, self._rest = self._rest.partition(b"\0")
        told: dict[str, Any] = json.loads(one)
        return told

    def close(self) -> None:
        """The browser with all that it started (it ends when its pipes do), and its profile."""
        os.close(self._say)
        os.close(self._hear)
        try:
            self._process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._profile.cleanup()


class Page:
    """A tab, and the file that it shows."""

    def __init__(self, browser: Chromium) -> None:
        self._browser = browser
        tab = browser.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.ask("Target.attachToTarget", targetId=tab, flatten=True)
        self._session = attached["sessionId"]
        self._do("Page.enable")
        self._do("Network.enable")

    def open(self, file: Path, window: tuple[int, int]) -> None:
        """In daylight, in a window of that width and height, laid out to its end."""
        self._browser.events.clear()
        self.resize(window)
        self.show()
        self._do("Page.navigate", url=file.absolute().as_uri())
        self._browser.wait("Page.loadEventFired", self._session)

    def resize(self, window: tuple[int, int]) -> None:
        """Another window; a narrow one is a phone's."""
        width, height = window
        self._do(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def show(self, *, dark: bool = False, media: str = "screen") -> None:
        """How the reader looks at it: in the dark, or on paper."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._do("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def _do(self, method: str, **words: Any) -> dict[str, Any]:
        return self._browser.ask(method, self._session, **words)

    def value(self, script: str) -> Any:
        """What an expression gives (a promise: what it comes to), evaluated from outside.

        The page itself may run nothing.
        """
        found = self._do(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def requests(self) -> list[str]:
        """Every address that was asked for, the page's own first."""
        return [
            one["params"]["request"]["url"]
            for one in self._browser.events
            if one.get("sessionId") == self._session
            and one.get("method") == "Network.requestWillBeSent"
        ]

    def picture(self) -> bytes:
        """A PNG of the window."""
        return base64.b64decode(self._do("Page.captureScreenshot")["data"])


def size_of(png: bytes) -> tuple[int, int]:
    """Width and height of a picture, as its header says."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n"), "not a PNG"
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def _pipe() -> tuple[int, int]:
    """(read end, write end), both above the numbers that Chromium uses."""
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return high[0], high[1]
