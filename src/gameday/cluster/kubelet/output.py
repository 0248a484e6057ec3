"""Containers' output, as files of lines `<RFC 3339 time with nanoseconds> <text>`: what the API serves as logs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK = 65536

MAX_BYTES = 10 * 1024 * 1024
"""A log file's size; a longer one is set aside, and the one before it is lost."""


class Output:
    """A pipe's read end, copied line by line into a file until all writers are gone."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file = path.open("ab", buffering=0)
        self._fd, self.writer = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._fd, False)
        self._rest = b""
        self._open = True
        asyncio.get_running_loop().add_reader(self._fd, self._read)

    def drain(self) -> None:
        """Take what is in the pipe now: after the container's end, before anybody asks for its log."""
        while self._open and self._read():
            pass

    def _read(self) -> bool:
        try:
            data = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self.close()
            return False
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _CHUNK:
            lines.append(self._rest)
            self._rest = b""
        self._write(lines)
        return True

    def _write(self, lines: list[bytes]) -> None:
        if not lines:
            return
        stamp = _timestamp()
        with contextlib.suppress(OSError):  # a full disk costs log lines, not containers
            self._file.write(b"".join(stamp + line + b"\n" for line in lines))
            if self._file.tell() > MAX_BYTES:
                self._path.rename(self._path.with_suffix(".old"))
                self._file.close()
                self._file = self._path.open("ab", buffering=0)

    def close(self) -> None:
        """Write the last, unended line and stop reading."""
        if not self._open:
            return
        self._open = False
        asyncio.get_running_loop().remove_reader(self._fd)
        os.close(self._fd)
        if self._rest:
            self._write([self._rest])
        self._file.close()


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

    def read(self, namespace: str, pod: str, container: str, *, previous: bool) -> Path | None:
        """The file of the running or last instance, or of the one before it (see `cluster.logs`)."""
        folders = list((self.root / namespace / pod).glob(f"*/{container}"))
        if not folders:
            return None
        newest = max(folders, key=lambda folder: folder.stat().st_mtime)
        files = sorted(newest.glob("*.log"), key=lambda file: int(file.stem))
        wanted = 2 if previous else 1
        return files[-wanted] if len(files) >= wanted else None
