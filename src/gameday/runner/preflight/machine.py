"""What this machine has: kubectl, processors and memory, a state folder, and time for us."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from gameday.cluster import state_root
from gameday.runner.errors import EnvironmentFailure
from gameday.runner.plan import processors
from gameday.runner.preflight.findings import Finding, lacking, note, ok, refusal
from gameday.runner.prerequisites import check_machine
from gameday.runner.rendering import kubectl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gameday.runner.preflight.request import Request

__all__ = ["check_busy", "check_embedded", "check_kubectl", "check_memory", "check_state_folder", "memory"]

STOREFRONT_MIB = 450
"""What an embedded storefront takes (docs/bench-up.md), its daemon included."""

_BUSY_PERCENT = 50.0
"""Of the last ten seconds in which some program waited for a processor; at 95 a second is a stall."""

_PRESSURE = Path("/proc/pressure/cpu")
_MEMORY = Path("/proc/meminfo")
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def check_kubectl(_request: Request) -> Iterator[Finding]:
    """The manifests are rendered by it, whatever the cluster."""
    try:
        yield ok("kubectl", str(kubectl()))
    except EnvironmentFailure as problem:
        yield refusal("kubectl", problem)


def check_embedded(request: Request) -> Iterator[Finding]:
    """Programs, disk and ports for as many storefronts as would stand side by side."""
    try:
        check_machine(request.manifests, storefronts=request.storefronts)
    except EnvironmentFailure as problem:
        yield refusal("embedded cluster", problem)
    else:
        yield ok("embedded cluster", "Envoy, PostgreSQL, disk and ports are there")


def check_state_folder(_request: Request) -> Iterator[Finding]:
    """A cluster's folder can be made there; what is made to find out is gone at once."""
    root = state_root()
    try:
        there = next(place for place in (root, *root.absolute().parents) if place.exists())
        with tempfile.TemporaryDirectory(prefix="gameday-preflight-", dir=there):
            yield ok("state folder", str(root))
    except OSError as problem:
        yield lacking(
            "state folder", f"{root}: {problem.strerror}", "a folder that can be written to",
            "export GAMEDAY_STATE=/tmp/gameday-state, or any folder with room",
        )  # fmt: skip


def check_memory(request: Request) -> Iterator[Finding]:
    """Enough for one storefront is needed, enough for all that would stand side by side is wanted."""
    yield memory(available_mib(), processors(), request.storefronts)


def memory(free_mib: int | None, cores: int, storefronts: int) -> Finding:
    """What that much free memory means for so many storefronts side by side. Pure."""
    if free_mib is None:
        return note("memory", "this system does not say how much is free")
    said = f"{cores} processors, {free_mib} MiB free; a storefront takes about {STOREFRONT_MIB} MiB"
    if free_mib < STOREFRONT_MIB:
        see = "end what takes it: ps aux --sort=-rss | head"
        return lacking("memory", f"{free_mib} MiB free", f"{STOREFRONT_MIB} MiB for a storefront", see)
    if free_mib < storefronts * STOREFRONT_MIB:
        jobs = free_mib // STOREFRONT_MIB
        return note("memory", said, f"{storefronts} would stand side by side; say --jobs {jobs}")
    return ok("memory", said)


def check_busy(_request: Request) -> Iterator[Finding]:
    """Shoppers are played here, whatever the cluster: on a busy machine verdicts become inconclusive."""
    said, busy = _pressure()
    if busy:
        yield note("this machine", f"busy: {said}", "verdicts may be inconclusive; end what else runs (see: top)")
    else:
        yield ok("this machine", said)


def available_mib() -> int | None:
    """Memory in MiB that new processes can have, by the kernel and by this container's limit; None: not told."""
    try:
        lines = dict(line.split(":", 1) for line in _MEMORY.read_text().splitlines() if ":" in line)
        free = int(lines["MemAvailable"].split()[0]) >> 10
    except (OSError, LookupError, ValueError):
        return None
    return min([free, *(int(text) >> 20 for text in map(_text, _LIMITS) if text.isdigit())])


def _pressure() -> tuple[str, bool]:
    """How much this machine has to do, in words, and whether that is too much."""
    words = dict(word.split("=") for word in _text(_PRESSURE).split("\n")[0].split() if "=" in word)
    if "avg10" in words:
        share = float(words["avg10"])
        return f"programs waited for a processor {share:.0f} % of the last 10 s", share > _BUSY_PERCENT
    load, cores = os.getloadavg()[0], processors()
    return f"load {load:.1f} on {cores} processors", load > cores


def _text(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
