"""The runner's errors: one line each, and each knows its exit code."""

from __future__ import annotations

__all__ = ["EnvironmentFailure", "GamedayError", "InvalidRequest"]


class GamedayError(Exception):
    """Something that keeps a command from going on; the message is for its user."""

    exit_code = 5


class InvalidRequest(GamedayError):  # noqa: N818  # named for what the user did
    """What was asked for cannot be: an unknown name, options that contradict each other, a broken file."""

    exit_code = 2


class EnvironmentFailure(GamedayError):  # noqa: N818
    """This machine or the cluster does not let us: disk, binaries, a port, an API that is gone."""
