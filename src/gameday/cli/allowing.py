"""The flags by which somebody allows an experiment what is not on the allow-list; `run` and `lint` have the same."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["allowing"]


def allowing(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the flags; it gets them together, as its argument `allowance`."""

    @click.option("--allow-process", is_flag=True, envvar="GAMEDAY_ALLOW_PROCESS",
                  help="Let experiments run commands on this machine.")  # fmt: skip
    @click.option("--allow-http", is_flag=True, envvar="GAMEDAY_ALLOW_HTTP",
                  help="Let experiments send other HTTP requests than GET, HEAD and OPTIONS.")  # fmt: skip
    @click.option("--allow-module", "allow_modules", multiple=True, metavar="MODULE", envvar="GAMEDAY_ALLOW_MODULES",
                  help="Let experiments call this Python module, and those below it (repeatable).")  # fmt: skip
    @click.option("--allow-drain", is_flag=True, envvar="GAMEDAY_ALLOW_DRAIN",
                  help="Let experiments drain a node, which keeps pods of all namespaces off it.")  # fmt: skip
    @functools.wraps(command)
    def with_allowance(
        *, allow_process: bool, allow_http: bool, allow_modules: tuple[str, ...], allow_drain: bool, **options: Any
    ) -> int:
        from gameday.allowlist import Allowance

        return command(**options, allowance=Allowance(allow_process, allow_http, allow_modules, allow_drain))

    return with_allowance
