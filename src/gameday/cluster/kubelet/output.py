"""Containers' output, as files of lines `<RFC 3339 time with nanoseconds> <text>`: what the API serves as logs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK = 65536

MAX_BYTES = 10 * 1024 * 1024
"""A log file's size; a longer one is set aside, and the one before it is lost."""

MAX_SAID_BYTES = 1024
"""What is kept of a probe's or hook's output."""


class Output:
    """A pipe's read end, copied line by line into a file until all writers are gone."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = path.open("ab", buffering=0)
        self._fd, self.writer = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._fd, False)
        self._rest = b""
        self._open = True
        asyncio.get_running_loop().add_reader(self._fd, self._read)

    def drain(self) -> None:
        """Take what is in the pipe now: after the container's end, before anybody asks for its log."""
        for _ in range(2):  # as much as a pipe holds, and its end: one that we may not kill may write for ever
            if self._open:
                self._read()

    def _read(self) -> None:
        try:
            data = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return
        if not data:
            self.close()
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _CHUNK:
            lines.append(self._rest)
            self._rest = b""
        self._write(lines)

    def _write(self, lines: list[bytes]) -> None:
        if not lines:
            return
        stamp = _timestamp()
        with contextlib.suppress(OSError):  # a full disk costs log lines, not containers
            self._file.write(b"".join(stamp + line + b"\n" for line in lines))
            if self._file.tell() > MAX_BYTES:
                fresh = self.path.with_suffix(".new").open("ab", buffering=0)
                self._file.close()
                self._file = fresh
                self.path.rename(self.path.with_suffix(".old"))
                self.path.with_suffix(".new").rename(self.path)

    def close(self) -> None:
        """Write the last line, which has no end, and stop reading."""
        if not self._open:
            return
        self._open = False
        asyncio.get_running_loop().remove_reader(self._fd)
        os.close(self._fd)
        with contextlib.suppress(OSError):
            if self._rest:
                self._file.write(_timestamp() + self._rest)
        self._file.close()


class Said:
    """A pipe's read end, emptied while a command writes to it; what came first is kept."""

    def __init__(self) -> None:
        self._fd, self.writer = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._fd, False)
        self._words = b""
        asyncio.get_running_loop().add_reader(self._fd, self._read)

    def words(self) -> str:
        """The first of what has been written until now."""
        self._read()
        return self._words.decode(errors="replace")

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._fd, _CHUNK)
            self._words = (self._words + data)[:MAX_SAID_BYTES]
            if not data:
                asyncio.get_running_loop().remove_reader(self._fd)

    def close(self) -> None:
        """Stop reading."""
        asyncio.get_running_loop().remove_reader(self._fd)
        os.close(self._fd)


def last_lines(path: Path) -> bytes:
    """The end of a log, without the times: 80 lines and 2048 bytes at most."""
    lines: list[bytes] = []
    with contextlib.suppress(OSError):
        lines = path.read_bytes().splitlines(keepends=True)[-80:]
    return b"".join(line.partition(b" ")[2] for line in lines)[-2048:]


def _timestamp() -> bytes:
    nanos = time.time_ns()
    whole = datetime.fromtimestamp(nanos // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{nanos % 10**9:09d}Z ".encode()


@dataclass(frozen=True)
class Logs:
    """Where each container's output is: `<root>/<namespace>/<pod>/<uid>/<container>/<instance>.log`."""

    root: Path

    def path(self, namespace: str, pod: str, uid: str, container: str, instance: int) -> Path:
        """The file of one instance of a container, counted from 0."""
        return self.root / namespace / pod / uid / container / f"{instance}.log"

    def forget(self, namespace: str, pod: str, uid: str, container: str, instance: int) -> None:
        """Remove one instance's output."""
        for suffix in (".log", ".old"):
            self.path(namespace, pod, uid, container, instance).with_suffix(suffix).unlink(missing_ok=True)

    def read(self, namespace: str, pod: str, uid: str, container: str, *, previous: bool) -> Path | None:
        """The file of the running or last instance, or of the one before it (see `cluster.logs`)."""
        folder = self.root / namespace / pod / uid / container
        files = sorted(folder.glob("*.log"), key=lambda file: int(file.stem))
        wanted = 2 if previous else 1
        return files[-wanted] if len(files) >= wanted else None

    def remove(self, namespace: str, pod: str) -> None:
        """Forget what pods of that name said, but for whoever reads it now."""
        shutil.rmtree(self.root / namespace / pod, ignore_errors=True)
