"""`--cluster` and `--context`: which cluster a command is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.runner.target import Target

__all__ = ["EMBEDDED", "KIND", "cluster_option", "target_of"]

EMBEDDED, KIND = "embedded", "kind"


def cluster_option(help_text: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """The option `--cluster`, as the commands have it that can be about either."""
    return click.option("--cluster", type=click.Choice([EMBEDDED, KIND]), help=help_text)


def target_of(cluster: str | None, context: str | None) -> Target:
    """The cluster that is meant, and up. Raises InvalidRequest, EnvironmentFailure; UsageError when both are given."""
    from gameday.runner.target import existing, kind_cluster, local

    refuse_both(cluster, context)
    if cluster == KIND:
        return kind_cluster()
    return local() if cluster == EMBEDDED else existing(context)


def refuse_both(cluster: str | None, context: str | None) -> None:
    """Raise UsageError when a cluster is named in two ways."""
    if cluster and context:
        raise click.UsageError(f"--cluster {cluster} and --context {context} both name a cluster: choose one")
