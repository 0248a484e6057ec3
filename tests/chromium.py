"""A real Chromium for tests, driven over a pair of pipes by its DevTools protocol: no port, no driver, no package.

`why_not()` says why there is none here. Tests take the fixture `chromium`, which skips for that reason, and open
a Tab: a window with cookies of its own. A call waits for its answer or for an event, never for a while.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE_S = 30.0
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
FLAGS = (
    "--headless=new", "--remote-debugging-pipe", "--no-first-run", "--no-proxy-server", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--disable-gpu",
    "--hide-scrollbars", "--force-color-profile=srgb", "--font-render-hinting=none",
)  # fmt: skip


def program() -> str | None:
    """The Chromium at hand."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def why_not() -> str:
    """Why there is no browser here; empty when there is one."""
    return "" if program() else "no Chromium here: Debian's package is chromium (apt-get install chromium)"


class BrowserError(AssertionError):
    """The browser did not do as told; the message is one line."""


class Chromium:
    """A running browser."""

    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="gameday-chromium-")
        self._log = Path(self._folder, "log")
        there_in, self._out = _pipe()
        self._in, there_out = _pipe()
        found = program()
        assert found, why_not()
        sandbox = ("--no-sandbox",) if os.getuid() == 0 else ()  # its sandbox refuses to work as root
        argv = [found, *FLAGS, *sandbox, f"--user-data-dir={self._folder}", "about:blank"]
        log = (os.POSIX_SPAWN_OPEN, 1, str(self._log), os.O_CREAT | os.O_WRONLY, 0o600)
        streams = [log, (os.POSIX_SPAWN_DUP2, 1, 2)]
        pipes = [(os.POSIX_SPAWN_DUP2, there_in, 3), (os.POSIX_SPAWN_DUP2, there_out, 4)]
        self._pid = os.posix_spawn(found, argv, os.environ, file_actions=streams + pipes, setpgroup=0)
        os.close(there_in)
        os.close(there_out)
        self._buffer = b""
        self._last = 0
        self.events: list[dict[str, Any]] = []

    def close(self) -> None:
        """End it, and forget what it kept."""
        os.close(self._out)
        os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._in)
        shutil.rmtree(self._folder, ignore_errors=True)

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result; raises BrowserError."""
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        self._send(message)
        until = time.monotonic() + PATIENCE_S
        while True:
            said = self._read(until, method)
            if said.get("id") == self._last:
                if "error" in said:
                    raise BrowserError(f"{method}: {said['error'].get('message')}")
                return dict(said["result"])
            self.events.append(said)

    def wait_for(self, event: str, session: str, meant: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next event of this name that is meant, or the first that came already; raises BrowserError."""
        until = time.monotonic() + PATIENCE_S
        while True:
            for said in self.events:
                if (said.get("method"), said.get("sessionId")) == (event, session) and meant(said["params"]):
                    self.events.remove(said)
                    return dict(said["params"])
            self.events.append(self._read(until, event))

    def _send(self, message: dict[str, Any]) -> None:
        left = json.dumps(message).encode() + b"\0"
        while left:
            left = left[os.write(self._out, left) :]

    def _read(self, until: float, what: str) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(0.0, until - time.monotonic()))
            got = os.read(self._in, 1 << 20) if ready else b""
            if not got:
                said = self._log.read_text(errors="replace")[-300:] if ready else ""
                raise BrowserError(f"{what}: no answer within {PATIENCE_S:g} s {' '.join(said.split())}")
            self._buffer += got
        said_bytes, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(said_bytes))

    @contextmanager
    def tab(self, *, width: int = 1280, height: int = 800, language: str = "en", dark: bool = False) -> Iterator[Tab]:
        """A window of its own, with no cookies, no bigger than said; narrow ones are a telephone's."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        try:
            target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
            session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            made = Tab(self, session)
            for domain in ("Page", "Runtime", "Network", "Log"):
                made.call(f"{domain}.enable")
            made.call("Page.setLifecycleEventsEnabled", enabled=True)
            made.call("Network.setExtraHTTPHeaders", headers={"Accept-Language": language})
            narrow = width < 600
            made.call(
                "Emulation.setDeviceMetricsOverride",
                width=width, height=height, deviceScaleFactor=1, mobile=narrow,
            )  # fmt: skip
            scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
            still = {"name": "prefers-reduced-motion", "value": "reduce"}
            made.call("Emulation.setEmulatedMedia", features=[scheme, still])
            yield made
        finally:
            self.call("Target.disposeBrowserContext", browserContextId=context)
            self.events.clear()


class Tab:
    """One window."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self._browser = browser
        self._session = session

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol in this window."""
        return self._browser.call(method, self._session, **params)

    def open(self, url: str) -> None:
        """Go to a page and wait until it is there; raises BrowserError when there is no answer."""
        going = self.call("Page.navigate", url=url)
        if trouble := going.get("errorText"):
            raise BrowserError(f"{url}: {trouble}")
        self._await_load(going["frameId"], lambda loader: loader == going["loaderId"])

    def _await_load(self, frame: str, meant: Callable[[str], bool]) -> None:
        """Wait until the page of a loader that is meant is there: events of the page before may still be on their way.

        That is why it is not Page.loadEventFired, which does not say whose it is.
        """

        def loaded(event: dict[str, Any]) -> bool:
            return event["name"] == "load" and event["frameId"] == frame and meant(event["loaderId"])

        self._browser.wait_for("Page.lifecycleEvent", self._session, loaded)

    def _frame(self) -> dict[str, Any]:
        """The window's own frame, not one within the page."""
        return dict(self.call("Page.getFrameTree")["frameTree"]["frame"])

    def show(self, html: str) -> None:
        """Show this HTML."""
        self.call("Page.setDocumentContent", frameId=self._frame()["id"], html=html)

    def evaluate(self, expression: str) -> Any:
        """The value of some JavaScript, promises awaited: ours runs whatever the page's policy says."""
        done = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in done:
            raise BrowserError(f"{expression[:80]}: {done['exceptionDetails'].get('exception', {}).get('description')}")
        return done["result"].get("value")

    def submit(self, form: str, **values: str) -> None:
        """Fill in the fields of a form, send it as a click on its button does, and wait for the page that follows."""
        filled = "".join(f"f.elements[{json.dumps(k)}].value={json.dumps(v)};" for k, v in values.items())
        before = self._frame()
        self._browser.events.clear()
        self.evaluate(f"(f=>{{{filled}f.querySelector('button').click()}})(document.querySelector({json.dumps(form)}))")
        self._await_load(before["id"], lambda loader: loader != before["loaderId"])

    def press(self, key: str) -> None:
        """Press and release a key."""
        codes = {"Tab": 9, "Enter": 13}
        for kind in ("rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=codes[key])

    def picture(self, *, whole: bool = False) -> bytes:
        """A PNG of what is seen or, when `whole`, of the page down to its end."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"])

    def seen(self, event: str) -> list[dict[str, Any]]:
        """The events of this name so far."""
        self.evaluate("0")  # what was on its way has come once this is answered
        return [said["params"] for said in self._browser.events if said.get("method") == event]


def _pipe() -> tuple[int, int]:
    """A pipe whose ends are out of the way of those that the browser is given."""
    ends = os.pipe()
    moved = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return moved[0], moved[1]
