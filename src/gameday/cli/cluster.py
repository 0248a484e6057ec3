"""`gameday up`, `status`, `logs`, `down`: a cluster that stays, embedded or of kind, with a storefront to play with."""

from __future__ import annotations

import json
import shlex
import threading
import time
from typing import TYPE_CHECKING, Any

import click

from gameday.cli.where import EMBEDDED, KIND, cluster_option, target_of
from gameday.runner.rendering import DATA, SMALL

if TYPE_CHECKING:
    from gameday.cluster import Running
    from gameday.kube import Kube

__all__ = ["down", "logs", "status", "up"]

SHOP = "shop"
_HTTP_PORT = 8080
_GUARDIAN_READY_S = 60.0


_FOR = {EMBEDDED: ("port",), KIND: ("nodes", "shop_port", "kubernetes_version", "image", "timeout", "keep")}
"""Which options of `up` are about one sort of cluster alone."""


@click.command()
@cluster_option("Which sort (default: embedded, which needs nothing; kind needs docker or podman, and kind).")
@click.option("--data", type=click.Choice(DATA),
              help="What the database holds (default: small); large: 100,000 customers, 5,000 registries, "
                   "2,000 products.")  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), help="Embedded: the API's port (default: a free one).")
@click.option("--nodes", type=click.IntRange(1, 10), help="Kind: how many, the control plane among them (default: 3).")
@click.option("--shop-port", type=click.IntRange(1, 65535), help="Kind: the shop's port on 127.0.0.1 (default: 8080).")
@click.option("--kubernetes-version", metavar="X.Y.Z", help="Kind: of the nodes (default: that of kind's own image).")
@click.option("--image", metavar="NAME", help="Kind: the nodes' image (default: $GAMEDAY_NODE_IMAGE, else kind's own).")
@click.option("--timeout", type=click.FloatRange(min=1), metavar="SECONDS",
              help="Kind: how long the nodes may take to be ready, and then the shop (default: 240).")  # fmt: skip
@click.option("--keep", is_flag=True, help="Kind: should anything go wrong, leave what was made, for a look.")
def up(cluster: str | None, **options: Any) -> int:
    """Start a cluster that stays, with a storefront in namespace `shop`; it lasts until `gameday down`.

    The embedded one is loopback only, and needs no root. One of kind is real Kubernetes in containers; to say this
    again is fine, and brings its storefront up to date.
    """
    cluster = cluster or EMBEDDED
    for sort, names in _FOR.items():
        for name in names if sort != cluster else ():
            if options[name]:
                raise click.UsageError(f"--{name.replace('_', '-')} is for --cluster {sort}; leave it out")
    if cluster == KIND:
        from gameday.cli import kind

        return kind.up(options)
    return _up_embedded(options["port"] or 0, options["data"] or SMALL)


def _up_embedded(port: int, data: str) -> int:
    from gameday.cluster import ClusterError, find, start
    from gameday.runner.catalogue import find_catalogue
    from gameday.runner.errors import EnvironmentFailure, InvalidRequest
    from gameday.runner.guardians import guardian
    from gameday.runner.prerequisites import check_machine
    from gameday.runner.rendering import Renderer
    from gameday.runner.target import LOCAL

    began = time.monotonic()
    there = find(LOCAL)
    if there is not None:
        raise InvalidRequest(f"the embedded cluster is up already (process {there.pid}); see 'gameday status'")
    catalogue = find_catalogue()
    manifests, watch = Renderer(catalogue, data=data).render(), guardian(catalogue)
    check_machine(manifests)
    try:
        running = start(LOCAL, owned=False, port=port)
    except ClusterError as problem:
        raise EnvironmentFailure(str(problem)) from problem
    try:
        shop, mail = _deploy_shop(running, manifests, watch)
    except BaseException:
        running.stop()  # nothing half-made is left
        raise
    click.echo(f"shop:  {shop}\nmail:  {mail}")
    click.echo(f"export KUBECONFIG={shlex.quote(str(running.kubeconfig))}")
    click.echo(f"gameday: up in {time.monotonic() - began:.1f} s; end it with 'gameday down'")
    return 0


def _deploy_shop(running: Running, manifests: list[dict[str, Any]], watch: list[dict[str, Any]]) -> tuple[str, str]:
    """Deploy the storefront and its guardian, and wait for them; the URLs of the shop and of its mailbox."""
    from gameday.kube import connect
    from gameday.runner import deploy, guardians

    kube = connect(kubeconfig=running.kubeconfig, context=running.context)
    deploy.create_namespace(kube, SHOP, deploy.UP)
    deploy.apply(kube, SHOP, manifests)
    guardians.install(kube, SHOP, watch, timeout_s=_GUARDIAN_READY_S)
    deploy.await_ready(kube, SHOP)
    return _url(kube, "edge"), _url(kube, "postbox")


def _url(kube: Kube, service: str) -> str:
    found = kube.core.read_namespaced_service(service, SHOP, _request_timeout=5)
    return f"http://{found.spec.cluster_ip}:{_HTTP_PORT}"


@click.command()
@cluster_option("The one of 'gameday up' (default: embedded).")
@click.option("--context", help="Any cluster, by its context.")
def status(cluster: str | None, context: str | None) -> int:
    """Show the cluster that is up, its storefronts, and the faults that are in force."""
    from gameday.activities.guard import ALLOWED_LABEL
    from gameday.cli.output import show_leftovers
    from gameday.ledger import Ledger, LedgerError
    from gameday.runner import deploy

    target = target_of(cluster, context)
    kube = target.connect()
    daemon = f", process {target.running.pid}" if target.running else ""
    click.echo(f"cluster {target.context}: {kube.client.configuration.host}{daemon}")
    selector = f"{ALLOWED_LABEL}=true"
    for item in kube.core.list_namespace(label_selector=selector, _request_timeout=5).items:
        name = item.metadata.name
        lacking = deploy.not_ready(kube, name)
        said = "all serving" if not lacking else "; ".join(f"{app}: {what}" for app, what in lacking.items())
        try:
            faults = len(Ledger(kube, name).entries())
        except (LedgerError, ValueError) as problem:
            said, faults = f"{said}; {problem}", 0
        click.echo(f"namespace {name}: {said}; {faults or 'no'} fault{'s' * (faults != 1)} in its ledger")
    show_leftovers(target)
    click.echo(f"export KUBECONFIG={shlex.quote(str(target.kubeconfig))}")
    return 0


@click.command()
@click.argument("app")
@click.option("-f", "--follow", is_flag=True, help="Go on as new lines come.")
@cluster_option("The one of 'gameday up' (default: embedded).")
@click.option("--context", help="Any cluster, by its context.")
@click.option("--namespace", default=SHOP, show_default=True, help="The storefront's namespace.")
def logs(app: str, cluster: str | None, context: str | None, namespace: str, *, follow: bool) -> int:
    """Print the logs of every pod of APP (edge, web, catalog, cart, orders, registry, members, mailer, postbox, db)."""
    from gameday.authoring.keys import did_you_mean
    from gameday.runner.errors import InvalidRequest

    kube = target_of(cluster, context).connect()
    listed = kube.core.list_namespaced_pod(namespace, _request_timeout=5, _preload_content=False)
    pods = json.loads(listed.data).get("items") or []
    apps = {str(pod["metadata"].get("labels", {}).get("app")) for pod in pods} - {"None"}
    if app not in apps:
        raise InvalidRequest(f"no pod of app {app} in namespace {namespace}{did_you_mean(app, apps)}")
    names = [pod["metadata"]["name"] for pod in pods if pod["metadata"].get("labels", {}).get("app") == app]
    threads = [
        threading.Thread(target=_print_log, args=(kube, namespace, name, len(names) > 1, follow), daemon=True)
        for name in names
    ]
    for thread in threads:
        thread.start()
        if not follow:
            thread.join()
    for thread in threads:
        thread.join()
    return 0


def _print_log(kube: Kube, namespace: str, pod: str, named: bool, follow: bool) -> None:  # noqa: FBT001
    """Print one pod's log, each line with the pod's name when there are several."""
    from gameday.kube import ApiException

    try:
        answer = kube.core.read_namespaced_pod_log(pod, namespace, follow=follow, _preload_content=False)
        for line in answer:
            text = line.decode("utf-8", "replace").rstrip("\n")
            click.echo(f"{pod}  {text}" if named else text)
    except ApiException as problem:
        click.echo(f"gameday: pod {pod}: {problem.reason}", err=True)


@click.command()
@cluster_option("Which one 'gameday up' started (default: embedded).")
def down(cluster: str | None) -> int:
    """Stop the cluster that `gameday up` started, and all that runs on it. Fine when nothing is up."""
    from gameday.cluster import find
    from gameday.runner.kind.state import State
    from gameday.runner.target import LOCAL

    if cluster == KIND:
        from gameday.cli import kind

        return kind.down()
    running = find(LOCAL)
    if running is not None:
        running.stop()
    click.echo("gameday: nothing is up" if running is None else "gameday: down")
    if cluster is None and State.here().read() is not None:
        click.echo("gameday: a kind cluster is up; to end that too: gameday down --cluster kind", err=True)
    return 0
