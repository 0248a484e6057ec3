"""Faults on a live cluster: in force, proven, undone; and undone by others when their process was killed.

By default against an embedded cluster of their own. With `GAMEDAY_E2E_CONTEXT` naming a context of the
kubeconfig, against that one.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from chaoslib.exceptions import ActivityFailed
from kubernetes.client.rest import RESTClientObject

from gameday import evidence
from gameday.activities import fault as faults
from gameday.activities import guard, insertion, network, pods, templates, undo
from gameday.activities.caps import Caps
from gameday.activities.targets import deployments_available, ready_endpoints
from gameday.kube import ApiException, Kube, connect
from gameday.ledger import Ledger, Outcome, SetConfig, differences, revert, snapshot, still_in_force
from gameday.ledger.calls import wait_until
from gameday.ledger.entries import FORMAT
from tests.e2e.hunts import over_after

if TYPE_CHECKING:
    from collections.abc import Iterator

IMAGE = "gameday/storefront:dev"
CONFIG = {"rule": "to: owner", "greeting": "Hello"}
REPORTER = """
import hashlib, http.server, json, os, pathlib
FOLDER, EVENTS = pathlib.Path(os.environ['CONFIG_DIR']), {}
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        digest = hashlib.sha256()
        for file in sorted(p for p in FOLDER.iterdir() if not p.name.startswith('.')):
            digest.update((file.name + chr(0) + file.read_text() + chr(0)).encode())
        sha = digest.hexdigest()
        if self.path == '/event':
            EVENTS[sha] = EVENTS.get(sha, 0) + 1
        body = json.dumps({'config_sha256': sha, 'by_config': {k: {'events': v} for k, v in EVENTS.items()}}).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass
http.server.ThreadingHTTPServer((os.environ.get('POD_IP', '0.0.0.0'), 8080), Handler).serve_forever()
"""
KILLED_AT = """
import os, signal, sys
from kubernetes.client.rest import RESTClientObject
from gameday.activities import caps, guard, insertion, network, pods, undo
guard.set_caps(caps.Caps(max_share=1))
send, writes = RESTClientObject.request, 0
def request(self, method, *args, **kwargs):
    global writes
    if method == 'GET':
        return send(self, method, *args, **kwargs)
    writes += 1
    if writes == int(sys.argv[1]) and sys.argv[2] == 'before':
        os.kill(os.getpid(), signal.SIGKILL)
    answer = send(self, method, *args, **kwargs)
    if writes == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
    return answer
RESTClientObject.request = request
"""


def deployment(name: str, replicas: int) -> dict[str, Any]:
    """A small HTTP service whose pods answer at once and leave at once."""
    container = {
        "name": name,
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", REPORTER],
        "env": [
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "CONFIG_DIR", "value": "/etc/config"},
        ],
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/state", "port": "http"}, "periodSeconds": 1},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/config"}],
    }
    labels = {"app": name, "tier": "backend"}
    spec = {
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": "rules"}}],
    }
    template = {"metadata": {"labels": labels}, "spec": spec}
    selector = {"matchLabels": {"app": name}}
    return {"metadata": {"name": name}, "spec": {"replicas": replicas, "selector": selector, "template": template}}


def service(name: str) -> dict[str, Any]:
    """The Service before it."""
    ports = [{"name": "http", "port": 8080, "targetPort": "http"}]
    return {"metadata": {"name": name}, "spec": {"selector": {"app": name}, "ports": ports}}


@pytest.fixture(scope="module")
def kube(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kube]:
    """A connection to the cluster under test, which the environment names for activities too."""
    with pytest.MonkeyPatch.context() as patch:
        context = os.environ.get("GAMEDAY_E2E_CONTEXT")
        if context:
            patch.setenv("KUBERNETES_CONTEXT", context)
            yield connect(context=context)
            return
        import gameday.cluster as embedded

        patch.setenv("GAMEDAY_STATE", str(tmp_path_factory.mktemp("state")))
        running = embedded.start(f"faults-{uuid.uuid4().hex[:6]}", owned=True, timeout_s=60)
        try:
            patch.setenv("KUBECONFIG", str(running.kubeconfig))
            patch.setenv("KUBERNETES_CONTEXT", running.context)
            # chaostoolkit-kubernetes goes by what the client read when it was imported.
            patch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(running.kubeconfig))
            yield connect(kubeconfig=running.kubeconfig, context=running.context)
        finally:
            running.stop()


@pytest.fixture(scope="module")
def shop(kube: Kube) -> Iterator[str]:
    """A namespace that takes part, with two services, `web` (2 pods) and `cart` (1)."""
    name = f"c1-{uuid.uuid4().hex[:6]}"
    kube.core.create_namespace({"metadata": {"name": name, "labels": {guard.ALLOWED_LABEL: "true"}}})
    try:
        kube.core.create_namespaced_config_map(name, {"metadata": {"name": "rules"}, "data": CONFIG})
        for app, replicas in (("web", 2), ("cart", 1)):
            kube.apps.create_namespaced_deployment(name, deployment(app, replicas))
            kube.core.create_namespaced_service(name, service(app))
        assert wait_until(lambda: deployments_available(kube, name, ["web", "cart"]), 60)
        assert wait_until(lambda: len(ready_endpoints(kube, name, "web")) == 2, 10)
        yield name
    finally:
        kube.core.delete_namespace(name)


@pytest.fixture(autouse=True)
def restored(kube: Kube, shop: str) -> Iterator[None]:
    """After each test the namespace is what it was before, its ledger is empty and its pods are available."""
    evidence.forget()
    guard.set_caps(Caps(max_share=1))  # of three pods
    before = snapshot(kube, shop)
    yield
    outcomes = revert(kube, shop)
    assert [o for o in outcomes if not o.ok] == []
    assert differences(before, snapshot(kube, shop)) == []
    assert Ledger(kube, shop).entries() == []
    assert wait_until(lambda: deployments_available(kube, shop, ["web", "cart"]), 60)
    assert wait_until(lambda: len(ready_endpoints(kube, shop, "web")) == 2, 30)


def address(kube: Kube, namespace: str, name: str) -> str:
    """The cluster address of a Service."""
    return str(kube.core.read_namespaced_service(name, namespace).spec.cluster_ip)


def ask(host: str, path: str = "/state") -> tuple[Any, float]:
    """The JSON answer of a service and the seconds it took."""
    started = time.monotonic()
    connection = http.client.HTTPConnection(host, 8080, timeout=10)
    connection.request("GET", path)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer, time.monotonic() - started


def recorded(event: str) -> list[dict[str, Any]]:
    """The facts of one name that this test has recorded."""
    return [e for e in evidence.events() if e["event"] == event]


def test_scale_to_zero_and_back(kube: Kube, shop: str) -> None:
    """All pods are gone and said to be; the rollback brings the counts back, and says when pods are there again."""
    host = address(kube, shop, "web")
    done = pods.scale_to_zero(shop, "tier=backend")
    assert done["proof"]["pods_gone"] == 3
    assert still_in_force(kube, shop) == [(done["fault"], True, "as the fault left it")]
    with pytest.raises(OSError):
        ask(host)
    assert [o["effective"] for o in undo.revert_faults(shop)] == [True]
    names = [e["event"] for e in evidence.events()]
    assert names == ["fault-planned", "fault-in-force", "fault-touched", "fault-undone", "fault-effective-undone"]
    assert undo.revert_faults(shop) == []


def test_an_act_that_lands_after_its_undo_is_undone_by_its_maker(
    kube: Kube, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody reverts while the request is on its way: no record has it then, but the process that sent it."""
    send: Any = RESTClientObject.request
    by_others: list[list[Outcome]] = []

    def request(self: Any, method: str, url: str, *arguments: Any, **options: Any) -> Any:
        if method == "PATCH" and "/deployments/" in url and not by_others:
            by_others.append(revert(kube, shop))
        return send(self, method, url, *arguments, **options)

    monkeypatch.setattr(RESTClientObject, "request", request)
    with pytest.raises(ActivityFailed, match="is gone, expected it as planned"):
        pods.scale_to_zero(shop, "app=web")
    assert [one.ok for one in by_others[0]] == [True]
    assert kube.apps.read_namespaced_deployment("web", shop).spec.replicas == 0
    assert Ledger(kube, shop).entries() == []
    assert [o["ok"] for o in undo.revert_faults(shop)] == [True]
    assert kube.apps.read_namespaced_deployment("web", shop).spec.replicas == 2
    assert undo.revert_faults(shop) == []


def test_the_same_fault_again_is_undone_once(kube: Kube, shop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its first try had planned, which somebody undid before it acted, is not taken for a late act."""

    def fail(*_: Any) -> None:
        raise ApiException(status=500, reason="out of order")

    with monkeypatch.context() as patch:
        patch.setattr(faults, "carry_out", fail)
        with pytest.raises(ActivityFailed, match="out of order"):
            pods.scale_to_zero(shop, "app=web")
    assert [one.ok for one in revert(kube, shop)] == [True]
    again = pods.scale_to_zero(shop, "app=web")
    assert [o["fault"] for o in undo.revert_faults(shop)] == [again["fault"]]


def test_a_delay_through_the_fault_proxy(kube: Kube, shop: str) -> None:
    """Traffic goes through the proxy, a delay shows and is counted, and all of it goes away again."""
    host = address(kube, shop, "web")
    inserted = insertion.insert_fault_proxy(shop, "web")
    assert insertion.insert_fault_proxy(shop, "web")["fault"] == inserted["fault"]
    kept = http.client.HTTPConnection(host, 8080, timeout=10)
    kept.request("GET", "/state")
    kept.getresponse().read()
    done = network.delay_requests(shop, "web", 1500)
    assert ask(host)[1] >= 1.5
    started = time.monotonic()
    kept.request("GET", "/state")
    kept.getresponse().read()
    assert time.monotonic() - started >= 1.5
    assert all(ok for _, ok, _ in still_in_force(kube, shop))
    undo.record_touch(shop)
    assert recorded("fault-touched")[-1]["count"] == 2
    assert recorded("fault-touched")[-1]["fault"] == done["fault"]
    assert [o["ok"] for o in network.clear_faults(shop, "web")] == [True]
    assert min(ask(host)[1] for _ in range(5)) < 1.5  # all were delayed: one that is not shows that it is gone
    assert [o["ok"] for o in insertion.remove_fault_proxy(shop, "web")] == [True]
    assert insertion.remove_fault_proxy(shop, "web") == []
    assert wait_until(lambda: answers(host), 20)


def answers(host: str) -> bool:
    """Whether a service answers."""
    try:
        ask(host)
    except OSError:
        return False
    return True


def test_a_proxy_comes_and_goes_without_a_failed_request(kube: Kube, shop: str) -> None:
    """New connections, made all the while, never fail when the proxy is put in and taken out."""
    host = address(kube, shop, "web")
    over, failed, asked = threading.Event(), [], []

    def go_on_asking() -> None:
        while not over.wait(0.02):
            try:
                asked.append(ask(host))
            except OSError as problem:
                failed.append(problem)

    shopper = threading.Thread(target=go_on_asking)
    shopper.start()
    try:
        insertion.insert_fault_proxy(shop, "web")
        undo.revert_faults(shop)
        enough = len(asked) + 50
        assert wait_until(lambda: len(asked) >= enough, 20)
    finally:
        over.set()
        shopper.join()
    assert failed == []


def test_a_broken_rule_is_loaded_counted_and_taken_back(kube: Kube, shop: str) -> None:
    """The pods report the changed config, events under it are counted from its onset on, then the old one returns."""
    host = address(kube, shop, "cart")
    ask(host, "/event")
    done = templates.misconfigure(
        shop, "rules", "rule", {"service": "cart"}, replace=[{"find": "owner", "with": "everybody"}]
    )
    assert ask(host)[0]["config_sha256"] == done["proof"]["config_sha256"]
    ask(host, "/event")
    ask(host, "/event")
    undo.record_touch(shop)
    assert recorded("fault-touched")[-1]["count"] == 2
    assert [o["effective"] for o in undo.revert_faults(shop, timeout_s=90)] == [True]
    assert ask(host)[0]["config_sha256"] == templates.config_sha256(CONFIG)


def test_pods_are_killed_one_after_the_other(kube: Kube, shop: str) -> None:
    """Each app is hit, the last ready pod of a replicated one never, and every kill is confirmed by UID."""
    with over_after(4):
        done = pods.terminate_pods(shop, "tier=backend", every_s=1, duration_s=60, seed=7)
    assert {k["app"] for k in done["killed"]} == {"web", "cart"}
    assert recorded("fault-touched")[-1]["count"] == len(done["killed"])
    now = {p.metadata.uid for p in kube.core.list_namespaced_pod(shop).items}
    assert now.isdisjoint(k["uid"] for k in done["killed"])
    assert [o["effective"] for o in undo.revert_faults(shop)] == [True]


def test_killing_ends_once_a_violation_is_certain(shop: str) -> None:
    """There is nothing more to learn, so the pods are left in peace."""
    evidence.record("violation", probe="p", detail="for certain")
    started = time.monotonic()
    done = pods.terminate_pods(shop, "tier=backend", duration_s=30)
    assert done["cut_short"]
    assert time.monotonic() - started < 20  # of 30


def test_the_guard_refuses(kube: Kube, shop: str) -> None:
    """No opt-in, no match, no selector: nothing is touched, and the failure is on record."""
    with pytest.raises(guard.NotAllowedError, match="0 pods match"):
        pods.scale_to_zero(shop, "tier=nobody")
    with pytest.raises(guard.NotAllowedError, match="never attacked"):
        pods.scale_to_zero("default", "tier=backend")
    with pytest.raises(guard.NotAllowedError, match="empty"):
        pods.scale_to_zero(shop, " ")
    kube.core.patch_namespace(shop, {"metadata": {"labels": {guard.ALLOWED_LABEL: None}}})
    try:
        with pytest.raises(guard.NotAllowedError, match="expected 'true'"):
            pods.scale_to_zero(shop, "tier=backend")
    finally:
        kube.core.patch_namespace(shop, {"metadata": {"labels": {guard.ALLOWED_LABEL: "true"}}})
    assert [e["refused"] for e in recorded("fault-failed")] == [True] * 4
    assert Ledger(kube, shop).entries() == []


def test_a_selector_that_somebody_else_put_back_is_noticed(kube: Kube, shop: str) -> None:
    """The proxy still delays, but nobody is led to it any more: that fault is not in force."""
    before = kube.core.read_namespaced_service("web", shop).spec.selector
    insertion.insert_fault_proxy(shop, "web")
    done = network.delay_requests(shop, "web", 50)
    led = kube.core.read_namespaced_service("web", shop).spec.selector
    put_back = {**dict.fromkeys(led), **before}
    kube.core.patch_namespaced_service("web", shop, {"spec": {"selector": put_back}})
    standing = {fault: ok for fault, ok, _ in still_in_force(kube, shop)}
    assert standing[done["fault"]] is False
    undo.revert_faults(shop)
    assert Ledger(kube, shop).entries() == []


def test_what_somebody_else_changed_is_reported_and_left(kube: Kube, shop: str) -> None:
    """A third value is a conflict with a command that mends it; their own undo of the fault is noticed."""
    done = pods.scale_to_zero(shop, "app=cart")
    kube.apps.patch_namespaced_deployment("cart", shop, {"spec": {"replicas": 3}})
    assert [(f, ok) for f, ok, _ in still_in_force(kube, shop)] == [(done["fault"], False)]
    (outcome,) = revert(kube, shop)
    assert (outcome.ok, outcome.conflict) == (False, True)
    assert "somebody else" in outcome.detail
    assert outcome.mend_command.endswith("scale deployment cart --replicas=1")
    assert kube.apps.read_namespaced_deployment("cart", shop).spec.replicas == 3
    with pytest.raises(ActivityFailed, match="could not be undone"):
        undo.revert_faults(shop)
    kube.apps.patch_namespaced_deployment("cart", shop, {"spec": {"replicas": 1}})
    assert [o.ok for o in revert(kube, shop)] == [True]


def test_an_entry_that_is_not_understood_stops_nothing_else(kube: Kube, shop: str) -> None:
    """The others are undone; the bad one is reported and never executed."""
    pods.scale_to_zero(shop, "app=cart")
    bad = json.dumps({"format": FORMAT, "id": "bad", "kind": "x", "undo": [{"op": "exec", "command": "true"}]})
    kube.core.patch_namespaced_config_map("gameday-ledger", shop, {"data": {"bad": bad}})
    outcomes = {o.fault: o for o in revert(kube, shop)}
    assert [o.ok for f, o in outcomes.items() if f != "bad"] == [True]
    assert not outcomes["bad"].ok
    assert "nothing of it was executed" in outcomes["bad"].detail
    Ledger(kube, shop).remove("bad")


def test_a_replaced_object_that_still_carries_the_fault_is_mended(kube: Kube, shop: str) -> None:
    """A ConfigMap that was recreated from a copy made during the fault gets its old value all the same."""
    found = kube.core.read_namespaced_config_map("rules", shop)
    from gameday.ledger import Entry

    change = SetConfig("rules", found.metadata.uid, {"rule": CONFIG["rule"]}, {"rule": "broken"})
    Ledger(kube, shop).write(Entry("by-hand", "misconfigure", (change,)))
    kube.core.delete_namespaced_config_map("rules", shop)
    body = {"metadata": {"name": "rules"}, "data": {**CONFIG, "rule": "broken"}}
    kube.core.create_namespaced_config_map(shop, body)
    assert [o.ok for o in revert(kube, shop)] == [True]
    assert kube.core.read_namespaced_config_map("rules", shop).data == CONFIG


def run_killed(code: str, write: int, when: str) -> int:
    """Run code in a process that dies by SIGKILL at its n-th write to the API; its exit status."""
    argv = [sys.executable, "-c", KILLED_AT + code, str(write), when]
    return subprocess.run(argv, check=False, timeout=90, stderr=subprocess.DEVNULL).returncode


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_killed_scaling_is_undone_from_the_ledger(kube: Kube, shop: str, when: str) -> None:
    """Wherever the process dies between its writes, reverting restores every object."""
    before = snapshot(kube, shop)
    for write in (1, 2, 3, 4):
        assert run_killed(f"pods.scale_to_zero({shop!r}, 'tier=backend')", write, when) == -signal.SIGKILL
        assert [o for o in revert(kube, shop) if not o.ok] == []
        assert differences(before, snapshot(kube, shop)) == []
        assert wait_until(lambda: deployments_available(kube, shop, ["web", "cart"]), 60)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("write", range(1, 8))
def test_a_killed_insertion_is_undone_from_the_ledger(kube: Kube, shop: str, write: int, when: str) -> None:
    """Wherever the process dies on its way to a proxy, reverting restores every object and traffic flows."""
    before = snapshot(kube, shop)
    assert run_killed(f"insertion.insert_fault_proxy({shop!r}, 'web')", write, when) == -signal.SIGKILL
    assert [o for o in revert(kube, shop) if not o.ok] == []
    assert differences(before, snapshot(kube, shop)) == []
    assert wait_until(lambda: answers(address(kube, shop, "web")), 20)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_killed_undo_is_finished_by_the_next(kube: Kube, shop: str, when: str) -> None:
    """Reverting may die anywhere too: whoever comes next finishes it."""
    before = snapshot(kube, shop)
    insertion.insert_fault_proxy(shop, "web")
    deaths = 0
    while run_killed(f"undo.revert_faults({shop!r})", 1 if when == "after" else 2, when) == -signal.SIGKILL:
        deaths += 1  # each time one write further
    assert deaths >= 5
    assert [o for o in revert(kube, shop) if not o.ok] == []
    assert differences(before, snapshot(kube, shop)) == []


def test_a_proxy_that_does_not_answer_ends_with_its_delay(kube: Kube, shop: str) -> None:
    """A delay whose proxy cannot be reached any more is undone by taking the proxy away."""
    insertion.insert_fault_proxy(shop, "web")
    network.delay_requests(shop, "web", 5000)
    kube.core.delete_namespaced_service("web-gameday-control", shop, _preload_content=False)
    assert [o for o in revert(kube, shop) if not o.ok] == []
