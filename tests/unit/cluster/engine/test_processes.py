"""What the warm parent makes of processes: each container's main one is its process 1."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from gameday.cluster.kubelet.runtime.client import Command, Runtime, StartError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gameday.cluster.kubelet.runtime.client import Process

FORK_TWICE = """import os, signal
os.fork() and os._exit(0)
os.setsid()
os.chdir("/")
os.fork() and os._exit(0)
os.write(1, b"up\\n")
os.closerange(0, 3)
signal.pause()
"""
LEAVERS = {
    "a new session without variables": ["sh", "-c", "setsid env -i sh -c 'echo up; yes >/dev/null' & sleep 1000"],
    "a double fork": ["sh", "-c", '"$0" -c "$1"; sleep 1000', sys.executable, FORK_TWICE],
    "below another one": ["sh", "-c", "setsid sh -c \"setsid sh -c 'echo up; sleep 1000' & sleep 1000\" & sleep 1000"],
}
"""Containers from which a process went, as far as it can; it says so when it has."""


def command(*argv: str) -> Command:
    """One with the variables that a shell needs."""
    return Command(list(argv), {"PATH": os.environ["PATH"]}, "/")


def descendants(pid: int) -> set[int]:
    """All processes below one, but for those that end meanwhile."""
    below = set()
    with suppress(OSError), open(f"/proc/{pid}/task/{pid}/children") as file:  # noqa: PTH123
        below = {int(child) for child in file.read().split()}
    return below.union(*(descendants(child) for child in below))


class Mortals:
    """Processes that are held, so that their end can be told from a successor's life."""

    def __init__(self, pids: set[int]) -> None:
        self.handles: list[int] = []
        for pid in pids:
            with suppress(ProcessLookupError):
                self.handles.append(os.pidfd_open(pid))

    def alive(self, timeout_s: float = 0) -> int:
        """How many still live, after as much time at most."""
        left = list(self.handles)
        while left and (gone := select.select(left, [], [], timeout_s)[0]):
            left = [handle for handle in left if handle not in gone]
        return len(left)


def on_runtime(story: Callable[[Runtime], Awaitable[None]]) -> None:
    """Run a story with a warm parent."""

    async def run() -> None:
        runtime = Runtime()
        runtime.attach()
        try:
            async with asyncio.timeout(60):
                await story(runtime)
        finally:
            runtime.close()

    asyncio.run(run())


async def started(runtime: Runtime, *argv: str) -> tuple[Process, int]:
    """A process that has written a line, and the end of the pipe that it writes to."""
    ours, theirs = os.pipe()
    process = await runtime.spawn(command(*argv), theirs)
    assert await asyncio.to_thread(os.read, ours, 100)
    return process, ours


def test_process_1_drops_what_it_does_not_handle() -> None:
    """`sleep` never hears SIGTERM; SIGKILL ends it."""

    async def story(runtime: Runtime) -> None:
        process = await runtime.spawn(command("sleep", "1000"), os.open(os.devnull, os.O_WRONLY))
        process.signal(signal.SIGTERM)
        process.signal(signal.SIGINT)
        process.signal(signal.SIGKILL)
        assert (await process.exited).code == 137

    on_runtime(story)


@pytest.mark.parametrize("how", [
    "signal.signal(signal.SIGTERM, lambda *_: os._exit(7)); print('up', flush=True); time.sleep(1000)",
    "signal.pthread_sigmask(signal.SIG_BLOCK, [15]); print('up', flush=True); signal.sigwait([15]); os._exit(7)",
])  # fmt: skip
def test_process_1_hears_what_it_handles_or_waits_for(how: str) -> None:
    """By a handler, or by `sigwait`."""

    async def story(runtime: Runtime) -> None:
        process, ours = await started(runtime, sys.executable, "-c", f"import os, signal, time; {how}")
        process.signal(signal.SIGTERM)
        assert (await process.exited).code == 7
        os.close(ours)

    on_runtime(story)


@pytest.mark.parametrize("by", ["SIGKILL from outside", "the kubelet"])
@pytest.mark.parametrize("leaver", LEAVERS)
def test_nothing_outlives_process_1(leaver: str, by: str) -> None:
    """When its end is told, all that it started is gone, wherever that went."""

    async def story(runtime: Runtime) -> None:
        process, ours = await started(runtime, *LEAVERS[leaver])
        below = descendants(runtime.pid)
        assert len(below) > 1
        mortals = Mortals(below)
        if by == "the kubelet":
            process.kill()
        else:
            os.kill(process.started.result(), signal.SIGKILL)
        assert (await process.exited).code == 137
        assert mortals.alive() == 0
        os.close(ours)

    on_runtime(story)


@pytest.mark.parametrize("leaver", LEAVERS)
def test_nothing_outlives_the_daemon(leaver: str) -> None:
    """SIGKILL of the daemon: everything is gone soon after."""
    text = (
        "import asyncio, os, sys, time\n"
        "from gameday.cluster.kubelet.runtime.client import Command, Runtime\n"
        "async def main():\n"
        "    runtime = Runtime(); runtime.attach()\n"
        "    await runtime.spawn(Command(sys.argv[1:], dict(os.environ), '/'), os.dup(1))\n"
        "    await asyncio.sleep(1000)\n"
        "asyncio.run(main())"
    )
    with subprocess.Popen([sys.executable, "-c", text, *LEAVERS[leaver]], stdout=subprocess.PIPE) as daemon:
        assert daemon.stdout
        assert daemon.stdout.readline() == b"up\n"
        mortals = Mortals(descendants(daemon.pid))
        daemon.kill()
        assert mortals.alive(20) == 0


def test_a_bad_request_ends_no_container() -> None:
    """The warm parent says what was wrong with it, and goes on."""

    async def story(runtime: Runtime) -> None:
        runtime.send({"kill": {}, "signal": 9, "all": True})
        runtime.send({"spawn": 1})
        process = await runtime.spawn(command("true"), os.open(os.devnull, os.O_WRONLY))
        assert (await process.exited).code == 0
        assert not runtime.lost.is_set()

    on_runtime(story)


def test_a_start_that_the_kernel_refuses_to_pass_on_fails() -> None:
    """Too many descriptors on their way, no memory for a message: whoever waits is told."""

    async def story(runtime: Runtime) -> None:
        with pytest.raises(StartError, match="warm parent: "):  # EINVAL: more of them than a message may have
            await runtime.spawn(command("true"), *(os.open(os.devnull, os.O_WRONLY) for _ in range(300)))
        process = await runtime.spawn(command("true"), os.open(os.devnull, os.O_WRONLY))
        assert (await process.exited).code == 0

    on_runtime(story)
