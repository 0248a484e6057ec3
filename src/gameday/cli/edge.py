"""Where the command meets its user: lazy subcommands, exit codes, and no traceback, ever."""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any, NoReturn

import click

from gameday import __version__
from gameday.runner.errors import GamedayError

__all__ = ["EXIT_DIRTY", "EXIT_ENVIRONMENT", "EXIT_INVALID", "Context", "commands", "main"]

EXIT_INVALID = 2
EXIT_DIRTY = 4
EXIT_ENVIRONMENT = 5
_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EMFILE, errno.ENFILE, errno.ENOMEM)

_COMMANDS = {  # name: the module it lives in; each is imported when it is called, so that --help is instant
    "preflight": "preflight",
    "run": "run",
    "up": "cluster",
    "status": "cluster",
    "logs": "cluster",
    "down": "cluster",
    "ledger": "faults",
    "revert": "faults",
    "guardian": "guardian",
    "lint": "lint",
}


class Context:
    """What the edge needs to know of the command under way."""

    trace_file: Path | None = None
    """Where a traceback is kept; the run command names one in its report folder."""


class _Commands(click.Group):
    """Finds the subcommands in modules of their own, in the order of a user's day."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"gameday.cli.{_COMMANDS[cmd_name]}")
        return getattr(module, cmd_name)  # type: ignore[no-any-return]


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 passed, 1 failed, 2 invalid, 3 inconclusive, 4 dirty (something was left behind), 5 error.",
)
@click.version_option(__version__, prog_name="gameday", message="%(prog)s %(version)s")
def commands() -> None:
    """Run chaos experiments against a Kubernetes storefront, and learn honestly whether it held.

    With nothing else set up, `gameday run` starts a private cluster on this machine (no root, no containers,
    loopback only), gives each experiment a storefront of its own, and takes it all down again.
    """


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command and exit: every problem is one line, whatever it is."""
    sys.exit(_guarded(arguments))


def _guarded(arguments: list[str] | None) -> int:
    try:
        code = commands.main(args=arguments, prog_name="gameday", standalone_mode=False)
    except Exception as problem:  # noqa: BLE001  # the edge: no traceback reaches a user
        return _explain(problem)
    except KeyboardInterrupt as asked:
        return _interrupted(asked)
    return code if isinstance(code, int) else 0


def _interrupted(asked: BaseException | None) -> int:
    """The exit code of a command that a signal has ended: by Ctrl-C, unless it says another."""
    return 128 + int(getattr(asked, "number", signal.SIGINT))


def _explain(problem: Exception) -> int:
    """Say what went wrong, in one line; returns the exit code."""
    match problem:
        case click.exceptions.Exit() | click.Abort():
            return int(getattr(problem, "exit_code", _interrupted(problem.__cause__)))
        case click.UsageError():
            command = problem.ctx.command_path if problem.ctx else "gameday"
            message = " ".join(problem.format_message().split())
            return _say(f"{message} (see '{command} --help')", EXIT_INVALID)
        case click.ClickException():
            return _say(problem.format_message(), EXIT_INVALID)
        case GamedayError():
            return _say(str(problem), problem.exit_code)
        case BrokenPipeError():
            return _leave_quietly(problem)
    return _say_unexpected(problem)


def _say(message: str, code: int) -> int:
    for line in message.splitlines() or [""]:
        click.echo(f"gameday: {line}", err=True)
    return code


def _leave_quietly(problem: BrokenPipeError) -> int:
    """Whoever read our output has gone, perhaps by the same interrupt as we."""
    from gameday.cli.consoles import silence  # late: only what went wrong needs it

    silence(sys.stdout)
    silence(sys.stderr)
    asked = problem.__context__  # click writes a line's end when it is interrupted
    return _interrupted(asked) if isinstance(asked, KeyboardInterrupt) else EXIT_ENVIRONMENT


def _say_unexpected(problem: Exception) -> int:
    from gameday.kube import ApiException, ClusterUnreachableError  # late: only what went wrong needs it

    said = " ".join(str(problem).split())[:300]
    if isinstance(problem, ClusterUnreachableError):
        return _say(said, EXIT_ENVIRONMENT)
    if isinstance(problem, ApiException):
        return _say(f"the cluster refused: {problem.status} {problem.reason}", EXIT_ENVIRONMENT)
    where = _keep_trace(problem)
    if isinstance(problem, OSError) and problem.errno in _MACHINE:
        file = f"{problem.filename}: " if problem.filename else ""
        return _say(f"{file}{problem.strerror}; the details are in {where}", EXIT_ENVIRONMENT)
    return _say(f"unexpected {type(problem).__name__}: {said}; the details are in {where}", EXIT_ENVIRONMENT)


def _keep_trace(problem: Exception) -> Any:
    trace = "".join(traceback.format_exception(problem))
    places = [Context.trace_file, Path(tempfile.gettempdir()) / f"gameday-error-{os.getpid()}.log"]
    for place in filter(None, places):
        try:
            with place.open("a", encoding="utf-8") as file:
                file.write(trace)
        except OSError:
            continue
        return place
    return "no file: none could be written"
