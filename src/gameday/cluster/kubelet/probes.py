"""Probes and lifecycle hooks: one check, and the clock that repeats it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from yarl import URL

if TYPE_CHECKING:
    from gameday.cluster.store import Object

_SUCCESS = range(200, 400)
_REDIRECTS = (301, 302, 303, 307, 308)
MAX_REDIRECTS = 10

BURST_FIRST_S, BURST_GROWTH, BURST_MAX_S = 0.05, 1.5, 0.25
"""Until its first success a startup or readiness probe is tried this often (see `Clock`)."""

Exec = Callable[[list[str], float | None], Awaitable[str | None]]
"""Runs a command in the container for so many seconds at most, None for as long as it takes; None, or why it failed."""


@dataclass(frozen=True)
class Target:
    """Where a container's probes and hooks go."""

    ip: str
    ports: dict[str, int]
    execute: Exec

    def port(self, wanted: int | str) -> int:
        """A port by number or name. Raises ValueError."""
        return wanted if isinstance(wanted, int) else self.ports.get(wanted) or int(wanted)


async def check(action: Object, target: Target, timeout_s: float | None) -> str | None:
    """Do one probe or hook: None when it succeeds, else why not, in one line."""
    try:
        async with asyncio.timeout(timeout_s):
            return await _act(action, target, timeout_s)
    except TimeoutError:
        return f"timed out after {timeout_s:g} s" if timeout_s else "timed out"
    except Exception as problem:  # noqa: BLE001 - a bad field of it is its own failure, and not the container's
        return str(problem) or repr(problem)


async def _act(action: Object, target: Target, timeout_s: float | None) -> str | None:
    if "httpGet" in action:
        return await _http(action["httpGet"], target)
    if "exec" in action:
        return await target.execute(action["exec"].get("command", []), timeout_s)
    if "tcpSocket" in action:
        await _tcp(action["tcpSocket"], target)
    elif "sleep" in action:
        await asyncio.sleep(action["sleep"]["seconds"])
    else:
        return f"{sorted(action)} is not supported by the embedded cluster"
    return None


async def _tcp(action: Object, target: Target) -> None:
    _, writer = await asyncio.open_connection(action.get("host") or target.ip, target.port(action["port"]))
    writer.close()


async def _http(action: Object, target: Target) -> str | None:
    """Requests on fresh connections; 200 to 399 is success. Redirects are followed on the same host."""
    host, port, path = action.get("host") or target.ip, target.port(action["port"]), action.get("path") or "/"
    scheme = str(action.get("scheme") or "HTTP").lower()
    at = URL.build(scheme=scheme, host=host, port=port).join(URL(path, encoded=True))
    headers = {"User-Agent": "kube-probe/1.33", "Accept": "*/*", "Connection": "close"}
    headers |= {h["name"]: h["value"] for h in action.get("httpHeaders", [])}
    for _ in range(MAX_REDIRECTS):
        status, location = await _get(at, headers)
        onward = at.join(URL(location)) if location and status in _REDIRECTS else at
        if onward == at or onward.host != host:
            return None if status in _SUCCESS else f"HTTP probe failed with statuscode: {status}"
        at = onward
    return f"stopped after {MAX_REDIRECTS} redirects"


async def _get(at: URL, headers: dict[str, str]) -> tuple[int, str]:
    """The status of an answer, and where it redirects to."""
    secure = None
    if at.scheme == "https":
        secure = ssl.create_default_context()
        secure.check_hostname, secure.verify_mode = False, ssl.CERT_NONE  # the kubelet does not verify either
    reader, writer = await asyncio.open_connection(at.host, at.port, ssl=secure)
    try:
        sent = {"Host": f"{at.host}:{at.port}", **headers}
        lines = [f"GET {at.raw_path_qs} HTTP/1.1", *(f"{k}: {v}" for k, v in sent.items()), "", ""]
        writer.write("\r\n".join(lines).encode())
        parts = (await reader.readline()).split(maxsplit=2)
        status = int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0
        location = ""
        while status in _REDIRECTS and (line := (await reader.readline()).strip()):
            name, _, value = line.decode(errors="replace").partition(":")
            location = value.strip() if name.lower() == "location" else location
    finally:
        writer.close()
    return status, location


class Clock:
    """Repeats one probe at exact multiples of its period, and counts its thresholds.

    `initialDelaySeconds` after the container's start, then each `periodSeconds`, whatever a
    check took; a kubelet is anywhere in its period by then: half a period is its mean. One
    difference from the kubelet, for speed: with `burst`, until the first success extra checks
    are made, at once, after 0.05 s, and then ever more rarely up to every 0.25 s; their
    failures are not counted.
    """

    def __init__(self, probe: Object, target: Target, *, burst: bool) -> None:
        self._probe = probe
        self._target = target
        self._burst = burst
        self._gap_s = BURST_FIRST_S
        self._delay_s = float(probe.get("initialDelaySeconds", 0))
        self._period_s = float(probe.get("periodSeconds", 10))
        self._timeout_s = float(probe.get("timeoutSeconds", 1))
        self._successes = self._failures = 0

    async def run(self, passed: Callable[[], Any], failed: Callable[[str, bool], Any]) -> None:
        """Until cancelled: `passed()` at the success threshold, `failed(why, at_threshold)` at each failure."""
        loop = asyncio.get_running_loop()
        due = loop.time() + self._delay_s + (0 if self._burst else self._period_s / 2)
        counted = due
        while True:
            await asyncio.sleep(due - loop.time())
            why = await check(self._probe, self._target, self._timeout_s)
            if why is None:
                self._burst = False
                self._failures, self._successes = 0, self._successes + 1
                if self._successes >= self._probe.get("successThreshold", 1):
                    passed()
            elif due >= counted:
                self._failures, self._successes = self._failures + 1, 0
                failed(why, self._failures >= self._probe.get("failureThreshold", 3))
            counted, due = self._next(due, counted, loop.time())

    def _next(self, due: float, counted: float, now: float) -> tuple[float, float]:
        """When a check next counts, and when the next one is made."""
        while counted <= max(due, now - self._period_s):
            counted += self._period_s
        if not self._burst:
            return counted, counted
        due, self._gap_s = max(due + self._gap_s, now), min(self._gap_s * BURST_GROWTH, BURST_MAX_S)
        return counted, min(counted, due)
