"""`gameday lint`: all that is wrong with experiment files, at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gameday.cli.allowing import allowing
from gameday.cli.edge import EXIT_INVALID

if TYPE_CHECKING:
    from gameday.allowlist import Allowance

__all__ = ["lint"]


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@allowing
def lint(files: tuple[Path, ...], allowance: Allowance) -> int:
    """Check experiment FILES (or folders; default: the whole catalogue), with line and column.

    Finds what Chaos Toolkit lets through: unknown and duplicate keys, arguments that do not fit, a hypothesis
    that cannot fail, rollbacks that would be skipped. Exits 0 when nothing is wrong, else 2.
    """
    from gameday.runner.catalogue import find_catalogue
    from gameday.runner.plan import lint_all

    catalogue = find_catalogue()
    missing = [file for file in files if not file.exists()]
    if missing:
        raise click.UsageError(f"no such file: {', '.join(map(str, missing))}")
    found = {file: sorted(file.rglob("*.yaml")) if file.is_dir() else [file] for file in files}
    empty = [folder for folder, inside in found.items() if not inside]
    if empty:
        raise click.UsageError(f"no experiment file (*.yaml) in {', '.join(map(str, empty))}")
    chosen = [one for inside in found.values() for one in inside]
    linted = lint_all(chosen if files else catalogue.files(), catalogue, allowance)
    problems = [problem for one in linted for problem in one.problems]
    for problem in problems:
        click.echo(problem)
    word = "file" if len(linted) == 1 else "files"
    click.echo(f"gameday: {len(linted)} {word} checked, {len(problems) or 'no'} problem{'s' * (len(problems) != 1)}")
    return EXIT_INVALID if problems else 0
