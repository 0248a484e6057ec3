"""The mails' bytes: one file, to which each accepted mail is added before its 250.

What is in the file survives the process: a postbox that is killed and started again in the same folder has every
mail that it said yes to. It does not survive the folder: on Kubernetes an emptyDir lives as long as its pod, through
restarts of the container. Nothing is forced to disk (fsync): a machine that loses power loses the last seconds.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gameday.storefront.logs import log

_HEAD_BYTES = 12


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the file a mail's bytes are."""

    offset: int
    size: int


class Spool:
    """A file of records: the length of a JSON head in decimal, the head, and as many bytes as it says."""

    def __init__(self, folder: Path) -> None:
        """Open the spool in `folder`, making both when they are not there."""
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "mails.spool"
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        self._end = 0

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return self._end

    def records(self) -> Iterator[tuple[dict[str, Any], Place]]:
        """Every whole record, from the start; what a kill cut off at the end is taken away, for nobody was told yes."""
        length, at = os.fstat(self._file).st_size, 0
        while at + _HEAD_BYTES <= length:
            head_size = os.pread(self._file, _HEAD_BYTES, at)
            if not head_size.strip().isdigit():
                break
            start = at + _HEAD_BYTES + int(head_size)
            if start > length:
                break
            head = json.loads(os.pread(self._file, int(head_size), at + _HEAD_BYTES))
            if start + head["size"] > length:
                break
            at = start + head["size"]
            yield head, Place(start, head["size"])
        if at < length:
            log("spool-cut", bytes=length - at)
            os.ftruncate(self._file, at)
        self._end = at

    def add(self, head: dict[str, Any], content: bytes = b"") -> Place:
        """Add a record; raises OSError when there is no room for it, and then nothing is added."""
        told = json.dumps({**head, "size": len(content)}).encode()
        record = b"%*d" % (_HEAD_BYTES, len(told)) + told + content
        written = os.pwrite(self._file, record, self._end)
        if written < len(record):
            os.ftruncate(self._file, self._end)
            raise OSError("the disk is full")
        place = Place(self._end + len(record) - len(content), len(content))
        self._end += len(record)
        return place

    def read(self, place: Place) -> bytes:
        """The bytes of a record."""
        return os.pread(self._file, place.size, place.offset)

    def empty(self) -> None:
        """Forget everything."""
        os.ftruncate(self._file, 0)
        self._end = 0

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)
