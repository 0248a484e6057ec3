"""Probes: by httpGet, tcpSocket and exec, their thresholds and times, and what follows from them."""

from __future__ import annotations

import textwrap
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.behaviours import behaviour
from tests.contract.manifests import WAIT, container, pod, serve, service
from tests.contract.running import (
    condition,
    events,
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


def _exec(script: str, **fields: Any) -> dict[str, Any]:
    return {"exec": {"command": ["sh", "-c", script]}, "periodSeconds": 1, "failureThreshold": 1, **fields}


def _get(path: str, port: int | str = 8080, **fields: Any) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": port, **fields}, "periodSeconds": 1, "failureThreshold": 1}


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
    for asked in bad:
        until_said(cluster, cluster.path("pods", namespace, "one"), f"{asked}\n", container="main")
    seen = cluster.read(cluster.path("pods", namespace, "one"))
    found = {name: status(seen, f"c{n}")["ready"] for n, name in enumerate([*good, *bad])}
    assert found == {**dict.fromkeys(good, True), **dict.fromkeys(bad, False)}
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
    """One container that listens, one port that nobody listens on."""
    good = {"tcpSocket": {"port": 8080}, "periodSeconds": 1}
    bad = {"tcpSocket": {"port": 8081}, "periodSeconds": 1, "failureThreshold": 1}
    manifest = pod("one", container(serve(), readinessProbe=good), container(WAIT, "other", readinessProbe=bad))
    seen = run(cluster, namespace, manifest, _settled(1))
    assert (status(seen)["ready"], status(seen, "other")["ready"]) == (True, False)
    assert not ready(seen)


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
    """The probe looks for a file that the program makes and removes."""
    cluster.create(cluster.path("services", namespace), service("one"))
    script = "sleep 1; touch /work/well; sleep 3; rm /work/well; sleep 600"
    one = shell(script, volumeMounts=[mount("/work")], readinessProbe=_exec("test -e /work/well"))
    seen = run(cluster, namespace, pod("one", one, volumes=WORK), ready)
    address = seen["status"]["podIP"]
    endpoints, path = cluster.path("endpoints", namespace, "one"), cluster.path("pods", namespace, "one")
    cluster.until(endpoints, lambda e: _addresses(e, "addresses") == [address])
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
        ("Pulled", 'Container image "gameday/storefront:dev" already present on machine'),
        ("Created", "main"),
        ("Started", "Started container main"),
        ("Unhealthy", "Liveness probe failed: not well"),
        ("Killing", "Container main failed liveness probe, will be restarted"),
    ]
    for reason, words in said:
        told(cluster, namespace, "one", reason, words, timeout_s=300)


@behaviour("A startup probe holds back the others until it succeeds; `started` says so", area="probes")
def test_startup(cluster: Cluster, namespace: str) -> None:
    """The liveness probe would fail at once."""
    one = shell(
        "sleep 3; touch /work/up; sleep 600", volumeMounts=[mount("/work")],
        startupProbe=_exec("test -e /work/up", failureThreshold=30), livenessProbe=_exec("test -e /work/up"),
        readinessProbe=_exec("true"),
    )  # fmt: skip
    before = run(cluster, namespace, pod("one", one, volumes=WORK), running)
    assert (status(before)["started"], status(before)["ready"]) == (False, False)
    seen = cluster.until(cluster.path("pods", namespace, "one"), ready)
    assert (status(seen)["started"], status(seen)["restartCount"]) == (True, 0)


@behaviour("A startup probe that never succeeds ends the container after failureThreshold times", area="probes")
def test_startup_fails(cluster: Cluster, namespace: str) -> None:
    """It counts what the probe did."""
    probe = _exec("echo asked >> /work/asked; exit 1", failureThreshold=3)
    one = shell(
        "test -e /work/asked && sort /work/asked | uniq -c; sleep 600",
        volumeMounts=[mount("/work")],
        startupProbe=probe,
    )
    manifest = pod("one", one, volumes=WORK)
    run(cluster, namespace, manifest, running)
    # Before 1.21 a kubelet sees that only when it next looks at the pod.
    nudged(cluster, cluster.path("pods", namespace, "one"), lambda p: status(p)["restartCount"])


@behaviour("A liveness probe counts failureThreshold failures in a row before it acts", area="probes")
def test_failure_threshold(cluster: Cluster, namespace: str) -> None:
    """The probe fails every other time, twice in a row never."""
    flips = "test -e /work/flip && rm /work/flip || { touch /work/flip; exit 1; }"
    three = "echo x >> /work/three; exit 1"
    manifest = pod(
        "one",
        container(WAIT, "flips", volumeMounts=[mount("/work")], livenessProbe=_exec(flips, failureThreshold=2)),
        shell("test -e /work/three && cat /work/three; sleep 600", "three", volumeMounts=[mount("/work")],
              livenessProbe=_exec(three, failureThreshold=3)),
        volumes=WORK,
    )  # fmt: skip
    seen = run(cluster, namespace, manifest, lambda p: status(p, "three").get("restartCount") == 1 and running(p))
    assert status(seen, "flips")["restartCount"] == 0
    path = cluster.path("pods", namespace, "one")
    until_said(cluster, path, "x", container="three")
    assert len(log(cluster, namespace, "one", container="three").split()) % 3 == 0


@behaviour("A readiness probe counts successThreshold successes in a row", area="probes")
def test_success_threshold(cluster: Cluster, namespace: str) -> None:
    """Ready is no sooner than the third success, two periods after the first."""
    probe = _exec("date +%s >> /work/asked", successThreshold=3)
    one = shell("tail -f -n +1 --retry /work/asked", volumeMounts=[mount("/work")], readinessProbe=probe)
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
    assert 2 <= (datetime.fromisoformat(condition(seen, "Ready")["lastTransitionTime"]) - began).total_seconds() <= 8


@behaviour("Probes end with their container: an ending pod is not probed as alive", area="probes")
def test_no_liveness_while_ending(cluster: Cluster, namespace: str) -> None:
    """The pod takes 3 s to end, and its probe would fail as soon as it ends."""
    body = """
    self.answer(200, "x")
    """
    program = textwrap.dedent(serve(body)[-1]).replace("os._exit(0)", "(time.sleep(3), os._exit(9))")
    program = program.replace("import http.server,", "import time, http.server,")
    one = container(
        ["python3", "-c", program], livenessProbe=_get("/") | {"failureThreshold": 2}, readinessProbe=_get("/")
    )
    run(cluster, namespace, pod("one", one, terminationGracePeriodSeconds=20), ready)
    path = cluster.path("pods", namespace, "one")
    cluster.call("DELETE", path)
    cluster.until_gone(path)
    said = {m for _, _, m in events(cluster, namespace, "one")}
    assert "Container main failed liveness probe, will be restarted" not in said
