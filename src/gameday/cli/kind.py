"""What `gameday up`, `down` and `run` do when they are told `--cluster kind`."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from gameday.runner.rendering import SMALL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gameday.kube import Kube
    from gameday.runner.kind.state import Made
    from gameday.runner.kind.up import Site
    from gameday.runner.target import Target

__all__ = ["down", "for_a_run", "node_image", "up"]

SHOP = "shop"


def up(options: dict[str, Any]) -> int:
    """Make the cluster and deploy the shop; both again is fine."""
    from gameday.runner.guardians import guardian
    from gameday.runner.interrupts import interruptible
    from gameday.runner.kind.clusters import Wanted
    from gameday.runner.kind.up import deploy_shop, ensure_cluster

    began = time.monotonic()
    site = _site(began, options["timeout"])
    image = node_image(options["image"], options["kubernetes_version"])
    wanted = Wanted(options["nodes"], options["shop_port"], image, options["data"])
    ports = []

    def deploy(kube: Kube, made: Made) -> None:
        data = made.data or options["data"] or SMALL
        site.state.write(replace(made, data=data))
        manifests = site.renderer(made.image, data=data, stays=True).render()
        deploy_shop(site, kube, SHOP, manifests, guardian(site.catalogue, made.image))
        ports.append(made.shop_port)

    with interruptible():
        ensure_cluster(site, wanted, keep=options["keep"], then=deploy)
    click.echo(f"shop:  http://127.0.0.1:{ports[0]}")
    click.echo(f"export KUBECONFIG={shlex.quote(str(site.state.kubeconfig))}")
    click.echo("mail:  kubectl port-forward -n shop service/postbox 8025:8080, and http://127.0.0.1:8025")
    click.echo(f"gameday: up in {time.monotonic() - began:.0f} s; end it with 'gameday down --cluster kind'")
    return 0


def down() -> int:
    """End the cluster; fine when there is none."""
    from gameday.runner.interrupts import interruptible
    from gameday.runner.kind.state import State
    from gameday.runner.kind.up import take_down

    with interruptible():
        was = take_down(State.here(), _said)
    click.echo("gameday: down" if was else "gameday: nothing is up")
    return 0


@contextlib.contextmanager
def for_a_run(*, keep: bool) -> Iterator[Target]:
    """The kind cluster that is up, or one that is made for runs and goes with their last, unless it is to be kept.

    To be used where a signal raises Interrupted: one that came otherwise would leave the cluster behind.
    """
    from gameday.runner.interrupts import undisturbed
    from gameday.runner.kind.clusters import Wanted
    from gameday.runner.kind.state import InUse
    from gameday.runner.kind.up import ensure_cluster, is_whole, take_down
    from gameday.runner.target import kind_cluster

    site = _site(time.monotonic())
    try:
        with site.state.in_use():
            if not is_whole(site.state):
                wanted = Wanted(node_image=node_image(None, None), any_port=True)
                ensure_cluster(site, wanted, keep=keep, for_runs=not keep)
            made = site.state.read()
            if keep and made is not None and made.for_runs:
                site.state.write(replace(made, for_runs=False))
            yield kind_cluster()
    finally:
        with undisturbed():  # a signal now would leave the cluster behind
            made = site.state.read()
            if made is not None and made.for_runs:
                try:
                    take_down(site.state, site.say)
                except InUse as others:
                    site.say(f"the kind cluster made for runs goes with the last of them ({others})")


def node_image(image: str | None, version: str | None) -> str | None:
    """The nodes' image, from the options that can say it; None for kind's own. Raises UsageError."""
    if image and version:
        raise click.UsageError("--image and --kubernetes-version both choose the nodes' image: leave one out")
    if version is not None:
        if not re.fullmatch(r"v?\d+\.\d+\.\d+", version):
            raise click.UsageError(f"--kubernetes-version {version}: expected all three numbers, such as 1.34.0")
        return f"kindest/node:v{version.removeprefix('v')}"
    return image or os.environ.get("GAMEDAY_NODE_IMAGE") or None


def _site(began: float, ready_s: float | None = None) -> Site:
    from gameday.runner.catalogue import find_catalogue
    from gameday.runner.kind.images import images
    from gameday.runner.kind.state import State
    from gameday.runner.kind.up import READY_S, Site

    def say(line: str) -> None:
        _tell(f"{time.monotonic() - began:8.1f} s  {line}")

    return Site(State.here(), find_catalogue(), images(), say, ready_s or READY_S)


def _said(line: str) -> None:
    _tell(f"gameday: {line}")


def _tell(line: str) -> None:
    """Say how far it has come. That nobody listens any more must not keep anything from being cleared up."""
    with contextlib.suppress(OSError):
        click.echo(line, err=True)
