"""`gameday guardian`: the pod in a namespace that undoes faults whose run has died."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.runner.rendering import Manifest
    from gameday.runner.target import Target

__all__ = ["guardian"]

_READY_S = 120.0


@click.group()
def guardian() -> None:
    """The guardian of a namespace undoes its faults when the run that set them has died.

    Game days put one into each namespace that they make on a cluster that lives on; in a namespace of your own
    (`gameday run --namespace`) install one.
    """


def _where(command: Callable[..., int]) -> Callable[..., int]:
    for option in (
        click.option("--namespace", required=True, help="The namespace to watch."),
        click.option("--context", help="The cluster (default: the one of 'gameday up')."),
    ):
        command = option(command)
    return command


def _image(command: Callable[..., int]) -> Callable[..., int]:
    name = "The storefront's image, as your cluster finds it (default: gameday/storefront:dev)."
    return click.option("--image", envvar="GAMEDAY_IMAGE", metavar="NAME", help=name)(command)


def _nodes(command: Callable[..., int]) -> Callable[..., int]:
    what = "Let it patch nodes too, by a ClusterRole: to undo the draining of one, which is refused without."
    return click.option("--with-nodes", is_flag=True, help=what)(command)


@guardian.command()
@_where
@_image
@_nodes
def install(context: str | None, namespace: str, image: str | None, *, with_nodes: bool) -> int:
    """Put a guardian into the namespace, with a Role of its own, and wait until it watches."""
    return _install(context, namespace, image, with_nodes=with_nodes)


@guardian.command()
@_where
@_image
@_nodes
def upgrade(context: str | None, namespace: str, image: str | None, *, with_nodes: bool) -> int:
    """Bring the namespace's guardian up to this version, and wait until it watches again."""
    return _install(context, namespace, image, with_nodes=with_nodes)


@guardian.command()
@_where
def uninstall(context: str | None, namespace: str) -> int:
    """Take the guardian out of the namespace. Fine when there is none; refused while faults are on record."""
    from gameday.ledger import Ledger
    from gameday.ledger.mending import revert_command
    from gameday.runner import guardians
    from gameday.runner.errors import InvalidRequest

    target, manifests = _target(context, namespace, None)
    entries, broken = Ledger(target.connect(), namespace).read()
    if entries or broken:
        raise InvalidRequest(
            f"namespace {namespace}: {len(entries) + len(broken)} faults are on record, which the guardian would "
            f"undo; first: {revert_command(target.context, namespace)}"
        )
    guardians.uninstall(target.connect(), namespace, [*manifests, *_node_rights(target, namespace)])
    click.echo(f"gameday: no guardian watches {namespace} any more")
    return 0


def _install(context: str | None, namespace: str, image: str | None, *, with_nodes: bool) -> int:
    from gameday.runner import guardians

    target, manifests = _target(context, namespace, image)
    manifests += _node_rights(target, namespace) if with_nodes else []
    guardians.install(target.connect(), namespace, manifests, timeout_s=_READY_S)
    click.echo(f"gameday: a guardian watches {namespace}")
    return 0


def _node_rights(target: Target, namespace: str) -> list[Manifest]:
    """None on an embedded cluster, which has no roles, and one node."""
    from gameday.runner.catalogue import find_catalogue
    from gameday.runner.guardians import node_rights

    return [] if target.embedded else node_rights(find_catalogue(), namespace)


def _target(context: str | None, namespace: str, image: str | None) -> tuple[Target, list[Manifest]]:
    from gameday.runner.catalogue import find_catalogue
    from gameday.runner.guardians import guardian as objects
    from gameday.runner.target import check_namespace, existing

    manifests = objects(find_catalogue(), image)
    target = existing(context)
    check_namespace(target.connect(), namespace)
    return target, manifests
