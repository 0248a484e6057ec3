"""What a fault proxy costs with no fault set, and how soon a fault is there and gone.

    python -m tests.bench.faultproxy [--seconds 5] [--trials 20] [--output docs/bench-faultproxy.md]

The proxy has one processor to itself, the upstream and the client share another. Exits with 1 when a bound is passed:
0.5 ms added to the median answer, 2,000 requests a second, 50 ms until a fault is in force or gone: for the median and
for 95 of 100 of each kind; the most is said, and may be that of a machine that stood still.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import socket
import statistics
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gameday.ledger.exchange import exchange
from tests.bench.arguments import at_least_one
from tests.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOST, TOKEN = "127.0.0.1", "bench"
ADDED_MS, PER_S, ONSET_MS = 0.5, 2000, 50.0
HANG_S = 10.0
"""What takes as long does not come at all."""
_CONNECTIONS = 32
_REQUEST = b"GET /x HTTP/1.1\r\nHost: bench\r\n\r\n"
_BODY = b"y" * 512
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
KINDS: dict[str, dict[str, Any]] = {
    "delay": {"latency_ms": 5000},
    "throttle": {"bytes_per_s": 100},
    "reset": {},
    "blackhole": {},
    "abort": {"status": 503},
}
HELD = {"delay", "throttle", "blackhole"}
"""The kinds that show by an answer that is late, and comes when they are undone; the others break or abort it."""
_PAGE = """# What a fault proxy costs

`{command}`, Python {python}, the proxy alone on one processor, upstream and client together on another.

| With no fault set | measured | bound |
| --- | --- | --- |
| added to the median of an answer ({direct:.2f} ms without), ms | {added:.2f} | {added_bound:g} |
| answers a second, {connections} connections with one request each | {through:,.0f} | {rate_bound:,} |

The proxy itself counted {counted:,.0f} requests a second, was busy for {busy:.0%} of the time, and took {each_us:.0f}
µs of processor time for each. The client reads an answer as a whole before it asks again on that connection; it shares
the other processor with the upstream, so that the rate is what those two and their neighbours leave.

From the control call on, on a connection that is there before: until a request shows the fault, and, after the undo,
until an answer comes without it. The median and 95 of 100 are at most {onset_bound:g} ms; the most may be that of a
machine that stood still.

| fault | onset: median, 95 %, most, ms | undo: median, 95 %, most, ms |
| --- | --- | --- |
"""


@dataclass(frozen=True)
class Ways:
    """Where the upstream is, where the proxy before it, its control line, and its process."""

    direct: int
    through: int
    control: str
    pid: int

    def ask(self, path: str, method: str = "GET", body: Any = None) -> Any:
        """One exchange with the control line."""
        return exchange(self.control + path, method=method, body=body, token=TOKEN)


class Upstream(asyncio.Protocol):
    """Answers each request with the same bytes, as fast as Python can."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        self._transport, self._seen = transport, b""

    def data_received(self, data: bytes) -> None:
        """An answer for each head that is whole."""
        self._seen += data
        whole = self._seen.count(b"\r\n\r\n")
        if whole:
            self._seen = self._seen.rpartition(b"\r\n\r\n")[2]
            self._transport.write(_ANSWER * whole)  # type: ignore[attr-defined]


async def serve() -> None:
    """Be the upstream until killed; says its port first."""
    server = await asyncio.get_running_loop().create_server(Upstream, HOST, 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def program(processor: int, *argv: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A Python program on one processor, and the first line that it says; killed at the end."""
    process = subprocess.Popen(
        [sys.executable, *argv], env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True
    )
    try:
        os.sched_setaffinity(process.pid, {processor})
        assert process.stdout is not None
        yield process, process.stdout.readline()
    finally:
        process.kill()
        process.communicate()


@contextmanager
def ways() -> Iterator[Ways]:
    """The upstream, and the proxy before it with a processor to itself."""
    first, last = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {last})
    listen, control = free_ports(HOST, 2)
    with program(last, "-m", "tests.bench.faultproxy", "--serve") as (_, port):
        settings = {"POD_IP": HOST, "ROUTES": f"{listen}={int(port)}", "UPSTREAM_HOST": HOST}
        settings |= {"CONTROL_PORT": str(control), "CONTROL_TOKEN": TOKEN}
        with program(first, "-m", "gameday.faultproxy", **settings) as (process, said):
            assert "fault proxy" in said, said
            yield Ways(int(port), listen, f"http://{HOST}:{control}", process.pid)


class Asker(asyncio.Protocol):
    """One connection that asks again as soon as it has a whole answer, and counts those."""

    def __init__(self) -> None:
        self.answers, self._missing = 0, len(_ANSWER)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask the first time."""
        self.transport: Any = transport
        transport.write(_REQUEST)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Count, and ask again."""
        self._missing -= len(data)
        if self._missing <= 0:
            assert self._missing == 0, "more than was asked for"
            self.answers, self._missing = self.answers + 1, len(_ANSWER)
            self.transport.write(_REQUEST)


async def rate(port: int, seconds: float) -> float:
    """Answers a second, over connections that each have one request under way."""
    loop = asyncio.get_running_loop()
    askers = [(await loop.create_connection(Asker, HOST, port))[1] for _ in range(_CONNECTIONS)]
    before, began = sum(one.answers for one in askers), time.monotonic()
    await asyncio.sleep(seconds)
    found = (sum(one.answers for one in askers) - before) / (time.monotonic() - began)
    for one in askers:
        one.transport.abort()
    return found


def latencies_ms(port: int, count: int) -> list[float]:
    """How long each of so many requests took, one after the other on one connection."""
    found = []
    with socket.create_connection((HOST, port)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(count):
            began = time.perf_counter()
            client.sendall(_REQUEST)
            missing = len(_ANSWER)
            while missing:
                missing -= len(client.recv(missing))
            found.append((time.perf_counter() - began) * 1000)
    return found


def added_ms(there: Ways, trials: int) -> tuple[float, float]:
    """The median of direct answers, and how much more that of answers through the proxy is; taken in turns."""
    direct: list[float] = []
    through: list[float] = []
    for _ in range(trials):
        direct += latencies_ms(there.direct, 200)
        through += latencies_ms(there.through, 200)
    return statistics.median(direct), statistics.median(through) - statistics.median(direct)


class Line:
    """A connection on which one request follows another; an answer that is late stays awaited."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket = socket.create_connection((HOST, port))
        self._seen = b""

    def ask(self, timeout_s: float) -> str:
        """Send a request, and how it fares: `fine`, `aborted`, `broken`, or `late` when it has no answer in time."""
        try:
            self._socket.sendall(_REQUEST)
        except OSError:
            return "broken"
        return self.answer(timeout_s)

    def answer(self, timeout_s: float) -> str:
        """How the request that was sent fares within so long."""
        ends = time.perf_counter() + timeout_s
        while not (status := self._status()):
            self._socket.settimeout(max(ends - time.perf_counter(), 1e-4))
            try:
                data = self._socket.recv(65_536)
            except TimeoutError:
                return "late"
            except OSError:
                return "broken"
            if not data:
                return "broken"
            self._seen += data
        self._seen = b""
        return "fine" if status == b"200" else "aborted"

    def _status(self) -> bytes:
        """The status of an answer that is here as a whole."""
        head, end, body = self._seen.partition(b"\r\n\r\n")
        size = next((int(h.partition(b":")[2]) for h in head.split(b"\r\n") if h.startswith(b"Content-Length")), 0)
        return head.split()[1] if end and len(body) >= size else b""

    def renew(self) -> None:
        """Connect anew."""
        self._socket.close()
        self._socket, self._seen = socket.create_connection((HOST, self._port)), b""


def onset_and_undo_ms(there: Ways, kind: str) -> tuple[float, float]:
    """From the control call on: until a request is sent that shows the fault, and until one is answered without it.

    The connection is there before the onset; after the undo it is the answer held back on it that counts, or the next.
    Only of a kind that holds answers back is one that is late a sign: else this machine stood still, and it is awaited.
    """
    line = Line(there.through)
    patience_s = 0.05 if kind in HELD else HANG_S
    assert line.ask(HANG_S) == "fine"
    with _meanwhile(lambda: there.ask("/fault", "POST", {"id": kind, "kind": kind, "ttl_s": 30, **KINDS[kind]})):
        began = at = time.perf_counter()
        while (said := line.ask(patience_s)) == "fine":
            at = time.perf_counter()
            assert at - began < HANG_S, f"{kind} does not show"
    onset = at - began
    with _meanwhile(lambda: there.ask(f"/fault/{kind}", "DELETE")):
        began = time.perf_counter()
        if said == "late":
            said = line.answer(HANG_S)
            assert said == "fine", f"{kind}: the answer that it held back is {said}"
        while said != "fine":
            assert time.perf_counter() - began < HANG_S, f"{kind} does not go: {said}"
            if said == "broken":
                line.renew()
            said = line.ask(HANG_S)
    return onset * 1000, (time.perf_counter() - began) * 1000


@contextmanager
def _meanwhile(ask: Callable[[], Any]) -> Iterator[None]:
    thread = threading.Thread(target=ask)
    thread.start()
    yield
    thread.join()


def processor_s(pid: int) -> float:
    """The processor time that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(seconds: float, trials: int) -> tuple[list[str], bool]:
    """The page's lines, and whether all is within bounds."""
    with ways() as there:
        direct, added = added_ms(there, trials)
        passed, spent, began = there.ask("/stats")["requests"], processor_s(there.pid), time.monotonic()
        through = asyncio.run(rate(there.through, seconds))
        busy = (processor_s(there.pid) - spent) / (time.monotonic() - began)
        counted = (there.ask("/stats")["requests"] - passed) / (time.monotonic() - began)
        times = {kind: [onset_and_undo_ms(there, kind) for _ in range(trials)] for kind in KINDS}
    lines = _PAGE.format(
        command=f"python -m tests.bench.faultproxy --seconds {seconds:g} --trials {trials}",
        python=platform.python_version(), direct=direct, added=added, added_bound=ADDED_MS,
        connections=_CONNECTIONS, through=through, rate_bound=PER_S, counted=counted, busy=busy,
        each_us=busy / counted * 1e6, onset_bound=ONSET_MS,
    ).splitlines()  # fmt: skip
    within = added <= ADDED_MS and through >= PER_S
    for kind, some in times.items():
        columns = [spread([one[0] for one in some]), spread([one[1] for one in some])]
        lines.append(f"| {kind} | {' | '.join(', '.join(f'{one:.1f}' for one in column) for column in columns)} |")
        within = within and all(one <= ONSET_MS for middle, nearly_all, _ in columns for one in (middle, nearly_all))
    return lines, within


def spread(times: list[float]) -> tuple[float, float, float]:
    """The median, what 95 of 100 are within, and the most. Pure."""
    ranked = sorted(times)
    return statistics.median(ranked), ranked[int(0.95 * (len(ranked) - 1))], ranked[-1]


def main() -> int:
    """Run as the module's docstring says."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.faultproxy")
    parser.add_argument("--seconds", type=at_least_one, default=5)
    parser.add_argument("--trials", type=at_least_one, default=20)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        asyncio.run(serve())
        return 0
    lines, within = measure(arguments.seconds, arguments.trials)
    text = "\n".join(lines) + "\n"
    print(text)
    if arguments.output:
        arguments.output.write_text(text)
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
