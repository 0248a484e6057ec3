"""Probes: by httpGet, tcpSocket and exec, their thresholds and times, and what follows from them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.behaviours import behaviour
from tests.contract.manifests import IMAGE, WAIT, container, pod, serve, service
from tests.contract.running import (
    condition,
    kept,
    log,
    mount,
    nudged,
    ready,
    run,
    running,
    shell,
    state,
    status,
    told,
    until_said,
)

if TYPE_CHECKING:
    from tests.contract.clusters import Cluster

WORK = [{"name": "work", "emptyDir": {}}]


_OFTEN = {"periodSeconds": 1, "failureThreshold": 1, "timeoutSeconds": 20}
"""How these probes ask: one that a busy machine answers late has not failed, as it would after the usual second."""


def _exec(script: str, **fields: Any) -> dict[str, Any]:
    return {"exec": {"command": ["sh", "-c", script]}, **_OFTEN, **fields}


def _get(path: str, port: int | str = 8080, **fields: Any) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": port, **fields}, **_OFTEN}


def _tcp(port: int) -> dict[str, Any]:
    return {"tcpSocket": {"port": port}, **_OFTEN}


def _settled(count: int) -> Any:
    """Whether so many containers of a pod are ready."""
    return lambda seen: sum(one["ready"] for one in seen.get("status", {}).get("containerStatuses", [])) >= count


@behaviour("An httpGet probe succeeds from 200 to 399; a redirect is followed on the same host only", area="probes")
def test_http_statuses(cluster: Cluster, namespace: str) -> None:
    """Containers that do nothing, each with a probe of another path of the one that serves."""
    body = """
    print(self.path, flush=True)
    if self.path.startswith("/to/"):
        self.send_response(302); self.send_header("Content-Length", "0")
        where = {"far": "http://192.0.2.1:9/", "near": "/500"}[self.path[4:]]
        self.send_header("Location", where); self.end_headers()
    else:
        self.answer(int(self.path[1:]), "x")
    """
    good, bad = ["/399", "/to/far"], ["/400", "/503", "/to/near"]
    asking = [container(WAIT, f"c{n}", readinessProbe=_get(path), lifecycle={}) for n, path in enumerate([*good, *bad])]
    manifest = pod("one", container(serve(body), readinessProbe=_get("/200")), *asking)
    run(cluster, namespace, manifest, _settled(1 + len(good)))
    path = cluster.path("pods", namespace, "one")
    for asked in bad:
        until_said(cluster, path, f"{asked}\n", container="main")
    wanted = {**dict.fromkeys(good, True), **dict.fromkeys(bad, False)}
    seen = cluster.until(
        path, lambda p: {name: status(p, f"c{n}").get("ready") for n, name in enumerate([*good, *bad])} == wanted
    )
    assert condition(seen, "Ready")["reason"] == "ContainersNotReady"


@behaviour("An httpGet probe finds its port by name and sends its headers, Host too", area="probes")
def test_http_port_and_headers(cluster: Cluster, namespace: str) -> None:
    """The server is well only for whoever asks so."""
    body = """
    well = (self.headers["Host"], self.headers["X-Who"], self.path) == ("shop.example", "kubelet", "/a/b?c=1")
    print(self.headers["User-Agent"].split("/")[0], flush=True)
    self.answer(200 if well else 500, "x")
    """
    headers = [{"name": "Host", "value": "shop.example"}, {"name": "X-Who", "value": "kubelet"}]
    probe = _get("/a/b?c=1", "http", httpHeaders=headers)
    one = container(serve(body), ports=[{"name": "http", "containerPort": 8080}], readinessProbe=probe)
    run(cluster, namespace, pod("one", one), ready)
    assert "kube-probe" in log(cluster, namespace, "one")


@behaviour("A tcpSocket probe succeeds where somebody listens", area="probes")
def test_tcp(cluster: Cluster, namespace: str) -> None:
    """One container that listens, one port that nobody listens on, and which was asked by then."""
    other = container(WAIT, "other", readinessProbe=_tcp(8081))
    manifest = pod("one", container(serve(), readinessProbe=_tcp(8080)), other)
    seen = run(cluster, namespace, manifest, _settled(1))
    assert (status(seen)["ready"], status(seen, "other")["ready"]) == (True, False)
    assert not ready(seen)


_BODY = "self.answer(200 if self.path == '/good' else 500, 'x')"
_HANDLERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "exec": (_exec("test -e /box/up"), _exec("exit 1")),
    "httpGet": (_get("/good"), _get("/bad")),
    "tcpSocket": (_tcp(8080), _tcp(8081)),
}
"""A probe by each handler that succeeds in a container that serves `_BODY` and has /box/up, and one that fails."""


@pytest.mark.parametrize("handler", _HANDLERS)
@behaviour("A liveness probe by any handler that fails ends the container, and starts it again", area="probes")
def test_liveness_handlers(cluster: Cluster, namespace: str, handler: str) -> None:
    """It hears SIGTERM, and ends well."""
    _, bad = _HANDLERS[handler]
    manifest = pod("one", container(serve(_BODY), livenessProbe={**bad, "initialDelaySeconds": 2}))
    seen = run(cluster, namespace, manifest, lambda p: status(p).get("restartCount"))
    assert status(seen)["lastState"]["terminated"]["exitCode"] == 0


@pytest.mark.parametrize("handler", _HANDLERS)
@behaviour("A startup probe by any handler holds back the others until it succeeds; `started` says so", area="probes")
def test_startup(cluster: Cluster, namespace: str, handler: str) -> None:
    """The liveness probe would fail in the three seconds from when the test lets the program go on."""
    good, _ = _HANDLERS[handler]
    script = 'until test -e /box/go; do sleep 0.1; done; sleep 3; touch /box/up; exec python3 -c "$SERVER"'
    one = shell(
        script, volumeMounts=[mount("/box")], env=[{"name": "SERVER", "value": serve(_BODY)[-1]}],
        startupProbe={**good, "failureThreshold": 300}, livenessProbe={**good, "failureThreshold": 3},
        readinessProbe=_exec("true"),
    )  # fmt: skip
    before = run(cluster, namespace, pod("one", one, volumes=WORK), running)
    assert (status(before)["started"], status(before)["ready"]) == (False, False)
    _do(cluster, namespace, "touch /box/go")
    seen = cluster.until(cluster.path("pods", namespace, "one"), ready)
    assert (status(seen)["started"], status(seen)["restartCount"]) == (True, 0)


def _do(cluster: Cluster, namespace: str, script: str) -> None:
    """Run a script in the pod `one`."""
    cluster.kubectl("exec", "one", "-c", "main", "--", "sh", "-c", script, namespace=namespace)


@behaviour("An exec probe that takes longer than its timeoutSeconds has failed", area="probes")
def test_exec_timeout(cluster: Cluster, namespace: str) -> None:
    """A liveness probe that would succeed in time."""
    slow = _exec("sleep 5", timeoutSeconds=1)
    seen = run(
        cluster, namespace, pod("one", container(WAIT, livenessProbe=slow)), lambda p: status(p).get("restartCount")
    )
    assert status(seen)["restartCount"] == 1


@behaviour("Readiness comes and goes with its probe, and Endpoints follow", area="probes")
def test_readiness(cluster: Cluster, namespace: str) -> None:
    """The probe looks for a file that the test makes and removes."""
    cluster.create(cluster.path("services", namespace), service("one"))
    one = container(WAIT, volumeMounts=[mount("/box")], readinessProbe=_exec("test -e /box/well"))
    seen = run(cluster, namespace, pod("one", one, volumes=WORK), running)
    address = seen["status"]["podIP"]
    endpoints, path = cluster.path("endpoints", namespace, "one"), cluster.path("pods", namespace, "one")
    cluster.until(endpoints, lambda e: _addresses(e, "notReadyAddresses") == [address])
    _do(cluster, namespace, "touch /box/well")
    cluster.until(path, ready)
    cluster.until(endpoints, lambda e: _addresses(e, "addresses") == [address])
    _do(cluster, namespace, "rm /box/well")
    seen = cluster.until(path, lambda p: not ready(p))
    assert condition(seen, "ContainersReady")["status"] == "False"
    assert running(seen)
    assert status(seen)["restartCount"] == 0
    cluster.until(endpoints, lambda e: _addresses(e, "notReadyAddresses") == [address])


def _addresses(endpoints: Any, field: str) -> list[str]:
    return [a["ip"] for subset in endpoints.get("subsets") or [] for a in subset.get(field) or []]


@behaviour("A failed liveness probe ends the container, with its grace period, and starts it again", area="probes")
def test_liveness(cluster: Cluster, namespace: str) -> None:
    """It does not hear SIGTERM, so that it is killed: 137."""
    script = "trap '' TERM; while :; do sleep 0.1; done"
    one = shell(script, livenessProbe=_exec("echo not well; exit 1"))
    seen = run(cluster, namespace, pod("one", one), lambda p: status(p).get("restartCount") and running(p))
    assert status(seen)["lastState"]["terminated"]["exitCode"] == 137


@pytest.mark.timeout(400)  # a kubelet sends five events a second at most: a busy one is minutes late
@behaviour("What the kubelet does with a pod is in its events", area="probes")
def test_events(cluster: Cluster, namespace: str) -> None:
    """Of a container that is not well."""
    run(cluster, namespace, pod("one", container(WAIT, livenessProbe=_exec("echo not well; exit 1"))), running)
    said = [
        ("Scheduled", f"Successfully assigned {namespace}/one to "),
        ("Pulled", f'Container image "{IMAGE}" already present on machine'),
        ("Created", "main"),
        ("Started", "Started container main"),
        ("Unhealthy", "Liveness probe failed: not well"),
        ("Killing", "Container main failed liveness probe, will be restarted"),
    ]
    for reason, words in said:
        told(cluster, namespace, "one", reason, words, timeout_s=300)


_COUNTING = "touch /box/run.$(ls /box | grep -c run); cat /box/asked.1 2>/dev/null; sleep 600"
_COUNTED = "echo asked >> /box/asked.$(ls /box | grep -c run); exit 1"
"""A program that tells how often the probe asked its first instance, and that probe, which always fails."""


@behaviour("A startup probe that fails failureThreshold times in a row ends the container", area="probes")
def test_startup_fails(cluster: Cluster, namespace: str) -> None:
    """The second instance says how often the first was asked."""
    probe = _exec(_COUNTED, failureThreshold=3, periodSeconds=2, initialDelaySeconds=2)
    manifest = pod("one", shell(_COUNTING, volumeMounts=[mount("/box")], startupProbe=probe), volumes=WORK)
    run(cluster, namespace, manifest, running)
    # Before 1.21 a kubelet sees that only when it next looks at the pod.
    path = cluster.path("pods", namespace, "one")
    seen = nudged(cluster, path, lambda p: status(p)["restartCount"] == 1 and running(p))
    over = status(seen)["lastState"]["terminated"]
    lasted = datetime.fromisoformat(over["finishedAt"]) - datetime.fromisoformat(over["startedAt"])
    assert lasted.total_seconds() >= 4
    until_said(cluster, path, "asked")
    asked = log(cluster, namespace, "one").count("asked")
    # The embedded cluster asks more often than that, and counts what falls on the period.
    assert asked >= 3 if cluster.embedded else asked == 3


@behaviour("A liveness probe counts failureThreshold failures in a row before it acts", area="probes")
def test_failure_threshold(cluster: Cluster, namespace: str) -> None:
    """One probe fails every other time, twice in a row never; the other always, and was asked three times."""
    flips = "test -e /box/flip && rm /box/flip || { touch /box/flip; exit 1; }"
    counted = _exec(_COUNTED, failureThreshold=3, initialDelaySeconds=2)
    manifest = pod(
        "one",
        container(WAIT, "flips", volumeMounts=[mount("/box")], livenessProbe=_exec(flips, failureThreshold=2)),
        shell(_COUNTING, "three", volumeMounts=[mount("/box")], livenessProbe=counted),
        volumes=WORK,
    )
    seen = run(cluster, namespace, manifest, lambda p: status(p, "three").get("restartCount") == 1 and running(p))
    assert status(seen, "flips")["restartCount"] == 0
    until_said(cluster, cluster.path("pods", namespace, "one"), "asked", container="three")
    assert log(cluster, namespace, "one", container="three") == "asked\n" * 3


@behaviour("A readiness probe counts successThreshold successes in a row", area="probes")
def test_success_threshold(cluster: Cluster, namespace: str) -> None:
    """Ready is no sooner than the third success, two periods after the first."""
    probe = _exec("date +%s >> /box/asked", successThreshold=3)
    one = shell("tail -f -n +1 --retry /box/asked", volumeMounts=[mount("/box")], readinessProbe=probe)
    seen = run(cluster, namespace, pod("one", one, volumes=WORK), ready)
    times: list[int] = []
    while len(times) < 3:
        times = [int(line) for line in log(cluster, namespace, "one").split() if line.isdigit()]
    at = datetime.fromisoformat(condition(seen, "Ready")["lastTransitionTime"]).timestamp()
    assert at >= times[2]
    assert times[2] - times[0] >= 1


@behaviour("No probe comes before its initialDelaySeconds", area="probes")
def test_initial_delay(cluster: Cluster, namespace: str) -> None:
    """A pod that would be ready at once."""
    one = container(WAIT, readinessProbe=_exec("true", initialDelaySeconds=3))
    seen = run(cluster, namespace, pod("one", one), ready)
    began = datetime.fromisoformat(state(seen)["running"]["startedAt"])
    turned = datetime.fromisoformat(condition(seen, "Ready")["lastTransitionTime"])
    assert (turned - began).total_seconds() >= 2  # both are whole seconds


@behaviour("A pod that is ending is not ended again by its liveness probe", area="probes")
def test_no_liveness_while_ending(cluster: Cluster, namespace: str) -> None:
    """From the first SIGTERM on the probe fails; the program ends 4 s later with 9, or with 5 at a second SIGTERM."""
    body = "self.answer(500 if told else 200, 'x')"
    program = serve(body)[-1].replace("signal.signal(signal.SIGTERM, lambda *_: os._exit(0))", _ENDING)
    one = container(["python3", "-c", program], livenessProbe=_get("/"), readinessProbe=_get("/"))
    with kept(cluster, namespace, pod("one", one, terminationGracePeriodSeconds=20)) as path:
        cluster.until(path, ready)
        cluster.call("DELETE", path)
        seen = cluster.until(path, lambda p: "terminated" in state(p))
        assert (state(seen)["terminated"]["exitCode"], status(seen)["restartCount"]) == (9, 0)


_ENDING = """
import threading
told = []
def end(*_):
    if told: os._exit(5)
    told.append(True)
    threading.Timer(4, lambda: os._exit(9)).start()
signal.signal(signal.SIGTERM, end)
"""
