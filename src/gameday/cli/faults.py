"""`gameday ledger` and `gameday revert`: which faults are on record, and undoing them."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import click

from gameday.cli.edge import EXIT_DIRTY

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.kube import Kube
    from gameday.runner.target import Target

__all__ = ["ledger", "revert"]


def _where(command: Callable[..., int]) -> Callable[..., int]:
    """The options that say which ledgers."""
    for option in (
        click.option("--all-namespaces", "-A", is_flag=True, help="Every namespace that takes part."),
        click.option("--namespace", help="The namespace (default: shop)."),
        click.option("--context", help="The cluster (default: the one of 'gameday up')."),
    ):
        command = option(command)
    return command


@click.command()
@_where
def ledger(context: str | None, namespace: str | None, *, all_namespaces: bool) -> int:
    """List the faults on record: what, since when, and how each is undone. Changes nothing."""
    from gameday.ledger import Ledger, stray_nodes
    from gameday.runner.proof import UNREACHABLE

    target = _target(context, namespace, all_namespaces=all_namespaces)
    kube, names = _namespaces_meant(target, namespace, all_namespaces=all_namespaces)
    found = 0
    for name in names:
        entries, broken = Ledger(kube, name).read()
        found += len(entries) + len(broken)
        for entry in entries:
            undo = ", ".join(operation.op for operation in entry.undo)
            age = f"{max(0.0, time.time() - entry.made_at):.0f} s ago"
            click.echo(f"{name}  {entry.id}  {entry.kind}  {entry.state}  {age}  undo: {undo}")
        for key, why in broken.items():
            click.echo(f"{name}  {key}  not understood: {why}")
    with contextlib.suppress(*UNREACHABLE):  # a courtesy, as below
        strays = [one for one in stray_nodes(kube, None if all_namespaces else names[0]) if one.cordoned]
        found += len(strays)
        for stray in strays:
            click.echo(stray)
    if not found:
        click.echo(f"gameday: no fault is on record in {_namespaces(names)}")
    return 0


@click.command()
@_where
def revert(context: str | None, namespace: str | None, *, all_namespaces: bool) -> int:
    """Undo every fault on record, newest first. Exits 0 when all is undone, else 4 with the commands that mend.

    A node that a fault of the namespace cordoned takes pods again too when the fault is on record no more. With -A
    also of namespaces that are gone; it names those that killed runs left then, and how to delete them.
    """
    from gameday.cli.output import show_leftovers
    from gameday.ledger import free_nodes
    from gameday.ledger import revert as undo
    from gameday.runner.proof import UNREACHABLE

    target = _target(context, namespace, all_namespaces=all_namespaces)
    kube, names = _namespaces_meant(target, namespace, all_namespaces=all_namespaces)
    outcomes = [(name, outcome) for name in names for outcome in undo(kube, name)]
    outcomes += free_nodes(kube, None if all_namespaces else names[0])
    for name, outcome in outcomes:
        click.echo(f"{name}  {outcome.fault}  {'undone' if outcome.ok else 'NOT undone'}: {outcome.detail}")
        if outcome.mend_command:
            click.echo(f"mend: {outcome.mend_command}")
    left = sum(not outcome.ok for _, outcome in outcomes)
    if not outcomes:
        click.echo(f"gameday: no fault is on record in {_namespaces(names)}")
    else:
        click.echo(f"gameday: {len(outcomes) - left} undone" + (f", {left} left" if left else ""))
    if all_namespaces:
        with contextlib.suppress(*UNREACHABLE):  # a courtesy: not everybody may list namespaces
            show_leftovers(target)
    return EXIT_DIRTY if left else 0


def _target(context: str | None, namespace: str | None, *, all_namespaces: bool) -> Target:
    from gameday.runner.target import existing

    if namespace and all_namespaces:
        raise click.UsageError("--namespace and --all-namespaces contradict each other: choose one")
    return existing(context)


def _namespaces_meant(target: Target, namespace: str | None, *, all_namespaces: bool) -> tuple[Kube, list[str]]:
    """The cluster's connection and the namespaces that are meant."""
    from gameday.activities.guard import ALLOWED_LABEL

    kube = target.connect()
    if not all_namespaces:
        return kube, [namespace or "shop"]
    found: Any = kube.core.list_namespace(label_selector=f"{ALLOWED_LABEL}=true", _request_timeout=5)
    return kube, [item.metadata.name for item in found.items]


def _namespaces(names: list[str]) -> str:
    return ", ".join(names) if names else "any namespace that takes part"
