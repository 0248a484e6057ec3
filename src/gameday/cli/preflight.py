"""`gameday preflight`: what is missing for a run, before it is started."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import click

from gameday.cli.allowing import allowing
from gameday.cli.where import EMBEDDED, KIND, cluster_option, refuse_both

if TYPE_CHECKING:
    from gameday.allowlist import Allowance
    from gameday.runner.errors import EnvironmentFailure
    from gameday.runner.target import Target

__all__ = ["preflight"]


@click.command()
@click.argument("experiments", nargs=-1)
@cluster_option("One of Gameday's own (default: embedded, a private one).")
@click.option("--context", help="A cluster of your kubeconfig.")
@click.option("--namespace", help="The storefront that is there (default: a fresh one for each experiment).")
@click.option("--image", envvar="GAMEDAY_IMAGE", metavar="NAME",
              help="The storefront's image, as your cluster finds it (default: gameday/storefront:dev).")  # fmt: skip
@allowing
def preflight(
    experiments: tuple[str, ...], cluster: str | None, context: str | None, namespace: str | None, image: str | None,
    allowance: Allowance,
) -> int:  # fmt: skip
    """Say what is missing to run EXPERIMENTS (files, folders or names; default: all) there. Changes nothing.

    One line a check: ok, missing, or note, a limitation that keeps you from nothing. Exits 0 when nothing is missing,
    5 when this machine or the cluster lacks something, else 2: something must be asked otherwise, or allowed.
    """
    from gameday.runner.catalogue import find_catalogue
    from gameday.runner.plan import Selection
    from gameday.runner.preflight import Request, exit_code, findings, last_line

    refuse_both(cluster, context)
    if cluster == EMBEDDED and namespace:
        raise click.UsageError("--cluster embedded is a fresh one, without namespaces yet; say --context gameday-local")
    target = _target(cluster, context, namespace)
    where = _where(cluster, target, named=bool(context or namespace))
    selection = Selection(experiments, allowance=allowance)
    found = []
    for finding in findings(Request(where, target, find_catalogue(), selection, image)):
        click.echo(finding)
        found.append(finding)
    click.echo(last_line(found))
    return exit_code(found)


def _where(
    cluster: str | None, target: Target | EnvironmentFailure | None, *, named: bool
) -> Literal["embedded", "kind", "named"]:
    """Which sort of cluster is meant."""
    if cluster == KIND:
        return "kind"
    return "named" if named and not getattr(target, "embedded", False) else "embedded"


def _target(cluster: str | None, context: str | None, namespace: str | None) -> Target | EnvironmentFailure | None:
    """The cluster, None while there is none, or why it does not answer. Raises InvalidRequest for what cannot be."""
    from gameday.runner.errors import EnvironmentFailure, InvalidRequest
    from gameday.runner.target import existing, kind_cluster

    if cluster == KIND:
        from gameday.runner.kind.state import State
        from gameday.runner.kind.up import is_whole

        try:
            return replace(kind_cluster(), namespace=namespace) if is_whole(State.here()) else None
        except InvalidRequest:
            return None  # not up, or not ours: the checks of kind say which
        except EnvironmentFailure as problem:
            return problem
    if context is None and namespace is None:
        return None
    try:
        return replace(existing(context), namespace=namespace)
    except EnvironmentFailure as problem:
        return problem
