"""What container engines and kind complain of, in their words, and what their user can do about it."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["meaning"]

_LONGEST = 300
_WRONG = r"error|fail|cannot|invalid|denied|unknown"


@dataclass(frozen=True)
class _Complaint:
    """`words`: patterns, any of which tells it (whatever their case); `advice`: what it means, and what to do."""

    words: tuple[str, ...]
    advice: str


_COMPLAINTS = (
    _Complaint(
        (
            r"permission denied.*(docker\.sock|podman\.sock|daemon socket|docker api)",
            r"(docker\.sock|podman\.sock|daemon socket).*permission denied",
        ),
        "this user may not use {engine}'s socket; let it (sudo usermod -aG docker $USER, and log in again), "
        "or use rootless podman",
    ),
    _Complaint(
        (
            r"cannot connect to (the docker daemon|podman)",
            r"is the docker daemon running",
            r"failed to connect to the docker api",
            r"docker daemon is not running",
        ),
        "{engine}'s daemon does not answer; start it (sudo systemctl start docker, or podman machine start), "
        "or set DOCKER_HOST to one that runs",
    ),
    _Complaint(
        (r"no space left on device", r"disk quota exceeded"),
        "the disk is full; make room where {engine} keeps its images ({engine} system df, {engine} system prune) "
        "and in the folder for temporary files ($TMPDIR)",
    ),
    _Complaint(
        (r"port is already allocated", r"address already in use", r"bind: .*in use"),
        "a port is taken; choose another with --shop-port, or stop what listens there",
    ),
    _Complaint(
        (
            r"failed to (pull image|resolve source metadata|resolve reference)",
            r"pull access denied|manifest unknown|toomanyrequests",
            r'error response from daemon: get "?https',
            r"no such host|temporary failure in name resolution|network is unreachable|tls handshake timeout",
            r"initializing source docker|pinging (container|docker) registry",
        ),
        "an image cannot be pulled; see that this machine reaches its registry, or name images that are here already "
        "(--image for the nodes, GAMEDAY_IMAGES for the others)",
    ),
)


def meaning(said: str, engine: str) -> str:
    """What a complaint means, with the next step; its own last words where that is not known.

    >>> meaning("write /x: no space left on device", "podman")[:48]
    'the disk is full; make room where podman keeps i'
    """
    lines = [" ".join(line.split()) for line in said.splitlines() if line.strip()]
    for complaint in _COMPLAINTS:
        for line in lines:
            if any(re.search(pattern, line, re.IGNORECASE) for pattern in complaint.words):
                return f"{complaint.advice.format(engine=engine)} (it said: {line[-_LONGEST:]})"
    wrong = [line for line in lines if re.search(_WRONG, line, re.IGNORECASE)]
    return next(iter(wrong[-1:] or lines[-1:]), "it said nothing")[-_LONGEST:]
