"""kubectl, unmodified: the wheel's and the machine's."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.contract.behaviours import behaviour
from tests.contract.manifests import WAIT, container, deployment, pod, service

if TYPE_CHECKING:
    from tests.contract.clients.kubectls import Kubectl

_OVERLAYS = Path(__file__).parents[3] / "k8s" / "overlays"


def _text(*bodies: dict[str, Any]) -> str:
    return yaml.safe_dump_all(bodies)


def _deployment(name: str = "web", replicas: int = 0, **fields: Any) -> dict[str, Any]:
    command = ["sh", "-c", "trap 'exit 0' TERM; echo started; while :; do sleep 0.1; done"]
    made = deployment(name, container(command), replicas=replicas, **fields)
    made["metadata"]["labels"] = {"app": name}
    return {"apiVersion": "apps/v1", "kind": "Deployment", **made}


def _settings(name: str = "one", **data: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {"kept": "here"}},
        "data": data,
    }


def _lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


@pytest.fixture
def shop(kubectl: Kubectl, tmp_path: Path) -> str:
    """A kustomization of the storefront for this cluster, without its pods."""
    overlay = _OVERLAYS / ("embedded" if kubectl.cluster.embedded else "plain")
    patch = "- {op: replace, path: /spec/replicas, value: 0}"
    body = {
        "resources": [os.path.relpath(overlay, tmp_path)],
        "patches": [{"target": {"kind": "Deployment"}, "patch": patch}],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(body))
    return str(tmp_path)


@behaviour("kubectl apply -k applies the storefront, is idle the second time, and delete -k removes it", area="kubectl")
def test_apply_kustomization(kubectl: Kubectl, shop: str) -> None:
    """A dry run on the server says what will be; the pods are left out.

    kubectl says `configured` of a Deployment whose strategy has no type: it sends `$retainKeys`, which changes nothing.
    """
    dry = kubectl("apply", "-k", shop, "--dry-run=server").splitlines()
    assert all(line.endswith(" created (server dry run)") for line in dry)
    assert kubectl("get", "deployments", "-o", "name") == ""
    first = kubectl("apply", "-k", shop).splitlines()
    assert [line.split()[0] for line in first] == [line.split()[0] for line in dry]
    assert all(line.endswith(" created") for line in first)
    before = _versions(kubectl)
    second = kubectl("apply", "-k", shop).splitlines()
    assert "service/web unchanged" in second
    assert _versions(kubectl) == before
    assert kubectl("diff", "-k", shop) == ""
    named = kubectl("get", "deployments,services", "-o", "name").split()
    assert {"deployment.apps/edge", "deployment.apps/orders", "service/web"} <= set(named)
    gone = kubectl("delete", "-k", shop, "--wait=false").splitlines()
    assert len(gone) == len(first)


def _versions(kubectl: Kubectl) -> list[str]:
    """What a change to an object changes; a Deployment's own version also changes with its status."""
    kept = kubectl("get", "cm,secrets,services", "-o", "jsonpath={range .items[*]}{.metadata.resourceVersion} {end}")
    return (kept + kubectl("get", "deployments", "-o", "jsonpath={.items[*].metadata.generation}")).split()


@behaviour("kubectl apply removes what a manifest no longer has, and keeps what others set", area="kubectl")
def test_apply_three_ways(kubectl: Kubectl) -> None:
    """The last applied manifest is kept in an annotation."""
    kubectl("apply", "-f", "-", text=_text(_settings(a="1", b="2")))
    kubectl("patch", "configmap", "one", "--type=merge", "-p", '{"data":{"other":"3"}}')
    assert kubectl("apply", "-f", "-", text=_text(_settings(a="1"))) == "configmap/one configured\n"
    assert json.loads(kubectl("get", "configmap", "one", "-o", "jsonpath={.data}")) == {"a": "1", "other": "3"}
    assert json.loads(kubectl("apply", "view-last-applied", "configmap/one", "-o", "json"))["data"] == {"a": "1"}
    first = _deployment()
    first["spec"]["template"]["spec"]["containers"][0]["env"] += [{"name": "MORE", "value": "1"}]
    kubectl("apply", "-f", "-", text=_text(first))
    assert kubectl("apply", "-f", "-", text=_text(_deployment())) == "deployment.apps/web configured\n"
    path = "jsonpath={.spec.template.spec.containers[0].env[*].name}"
    assert kubectl("get", "deployment", "web", "-o", path) == "POD_IP"


@behaviour("kubectl apply and create refuse a manifest with an unknown field", area="kubectl")
def test_validation(kubectl: Kubectl) -> None:
    """Newer clusters say so themselves, for older ones kubectl reads their schema."""
    wrong = _deployment()
    wrong["spec"]["replica"] = 1
    for verb in ("apply", "create"):
        done = kubectl.run(verb, "-f", "-", text=_text(wrong))
        assert done.code == 1
        assert 'unknown field "' in done.stderr
        assert "replica" in done.stderr
    done = kubectl.run("create", "-f", "-", text=_text({**_settings(), "kind": "Unheard"}))
    assert done.code == 1
    assert 'no matches for kind "Unheard" in version "v1"' in done.stderr


@behaviour("kubectl get prints tables, wide ones, names, JSON, JSONPath and columns, chosen and sorted", area="kubectl")
def test_get(kubectl: Kubectl) -> None:
    """Short names and several resources at a time."""
    kubectl("create", "-f", "-", text=_text(_settings("b", x="1"), _settings("a"), _deployment(),
                                            {"apiVersion": "v1", "kind": "Service", **service("web")}))  # fmt: skip
    head, first, second = _lines(kubectl("get", "cm", "-l", "kept=here"))
    assert head == ["NAME", "DATA", "AGE"]
    assert (first[:2], second[:2]) == (["a", "0"], ["b", "1"])
    assert _lines(kubectl("get", "deploy", "web", "--no-headers"))[0][:4] == ["web", "0/0", "0", "0"]
    wide = _lines(kubectl("get", "deploy", "web", "-o", "wide"))
    assert wide[0][-3:] == ["CONTAINERS", "IMAGES", "SELECTOR"]
    assert wide[1][-3:] == ["main", "gameday/storefront:dev", "app=web"]
    assert kubectl("get", "cm", "--field-selector", "metadata.name=a", "-o", "name") == "configmap/a\n"
    assert kubectl("get", "cm", "-l", "kept in (here)", "-o", "jsonpath={.items[*].metadata.name}") == "a b"
    columns = "custom-columns=N:.metadata.name,X:.data.x"
    by_age = ("--sort-by=.metadata.name", "-l", "kept")
    assert _lines(kubectl("get", "cm", *by_age, "-o", columns)) == [["N", "X"], ["a", "<none>"], ["b", "1"]]
    assert yaml.safe_load(kubectl("get", "service/web", "-o", "yaml"))["spec"]["ports"][0]["targetPort"] == 8080
    everything = kubectl("get", "all")
    assert re.search(r"^service/web +ClusterIP ", everything, re.MULTILINE)
    assert re.search(r"^deployment.apps/web ", everything, re.MULTILINE)
    assert _lines(kubectl("get", "cm", "a", "--show-labels"))[1][-1] == "kept=here"
    assert kubectl.run("get", "cm", "none").stderr == 'Error from server (NotFound): configmaps "none" not found\n'
    assert kubectl("get", "cm", "none", "--ignore-not-found") == ""
    assert kubectl.run("get", "pods").stderr.startswith("No resources found in ")
    assert "the server doesn't have a resource type" in kubectl.run("get", "unheard").stderr


@behaviour("kubectl get --watch prints a row for each change", area="kubectl")
def test_get_watch(kubectl: Kubectl) -> None:
    """It ends when the request's time is over."""
    kubectl("create", "-f", "-", text=_text(_settings("a")))
    rows = _lines(kubectl("get", "cm", "-l", "kept", "--watch", "--output-watch-events", "--request-timeout=1s"))
    assert rows[0][:2] == ["EVENT", "NAME"]
    assert rows[1][:2] == ["ADDED", "a"]


@behaviour("kubectl describes pods, Deployments, ReplicaSets, Services, nodes, namespaces and settings", area="kubectl")
def test_describe(kubectl: Kubectl) -> None:
    """With what belongs to each: events, endpoints, pods."""
    body = _deployment(replicas=1)
    kubectl("create", "-f", "-", text=_text(body, _settings(a="1"),
                                            {"apiVersion": "v1", "kind": "Service", **service("web")}))  # fmt: skip
    kubectl("rollout", "status", "deployment/web", "--timeout=40s")
    _await_event(kubectl, "ScalingReplicaSet")
    endpoints = kubectl.cluster.path("endpoints", kubectl.namespace, "web")
    kubectl.cluster.until(endpoints, lambda one: any(subset.get("addresses") for subset in one.get("subsets", [])))
    shown = kubectl("describe", "deployment", "web")
    assert re.search(r"Replicas: +1 desired \| 1 updated \| 1 total \| 1 available \| 0 unavailable", shown)
    assert re.search(r"NewReplicaSet: +web-\S+ \(1/1 replicas created\)", shown)
    assert "ScalingReplicaSet" in shown
    of_pod = kubectl("describe", "pods", "-l", "app=web")
    assert re.search(r"Status: +Running", of_pod)
    assert re.search(r"Controlled By: +ReplicaSet/web-", of_pod)
    assert re.search(r"Pods Status: +1 Running / 0 Waiting", kubectl("describe", "rs"))
    of_service = kubectl("describe", "service", "web")
    assert re.search(r"TargetPort: +8080/TCP", of_service)
    # It reads discovery.k8s.io/v1, which an older cluster does not have.
    assert re.search(r"Endpoints: +[0-9.]+:8080", of_service) or kubectl.cluster.version < (1, 21)
    assert re.search(r"Status: +Active", kubectl("describe", "namespace", kubectl.namespace))
    assert re.search(r"^a:\n----\n1$", kubectl("describe", "cm", "one"), re.MULTILINE)
    node = kubectl("get", "pods", "-o", "jsonpath={.items[0].spec.nodeName}")
    of_node = kubectl("describe", "node", node)
    assert re.search(r"Ready +True ", of_node)
    assert re.search(rf"{kubectl.namespace} +web-", of_node)


def _await_event(kubectl: Kubectl, reason: str) -> None:
    """Events are written when there is time for it."""
    query = {"watch": "true", "fieldSelector": f"reason={reason}", "timeoutSeconds": 30}
    assert next(kubectl.cluster.lines(f"/api/v1/namespaces/{kubectl.namespace}/events", query), None), reason


@behaviour("kubectl logs prints a Deployment's, a selector's and a container's lines, and follows them", area="kubectl")
def test_logs(kubectl: Kubectl) -> None:
    """A pod that ends ends what follows it."""
    body = pod("one", container(["sh", "-c", "echo one; echo two"]), restartPolicy="Never")
    kubectl("create", "-f", "-", text=_text({"apiVersion": "v1", "kind": "Pod", **body}, _deployment(replicas=1)))
    kubectl("wait", "pod/one", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=40s")
    assert kubectl("logs", "one") == "one\ntwo\n"
    assert kubectl("logs", "one", "-f", "-c", "main") == "one\ntwo\n"
    assert kubectl("logs", "one", "--tail=1", "--since=1h") == "two\n"
    assert re.fullmatch(r"(\d{4}-\d\d-\d\dT\S+ (one|two)\n){2}", kubectl("logs", "pod/one", "--timestamps"))
    assert kubectl("logs", "-l", "app=one", "--prefix").splitlines() == ["[pod/one/main] one", "[pod/one/main] two"]
    assert "previous terminated container" in kubectl.run("logs", "one", "--previous").stderr
    assert "container other is not valid for pod one" in kubectl.run("logs", "one", "-c", "other").stderr
    kubectl("rollout", "status", "deployment/web", "--timeout=40s")
    assert kubectl("logs", "deployment/web") == "started\n"


@behaviour("kubectl exec gives a command's output, input, errors and exit code", area="kubectl")
def test_exec(kubectl: Kubectl) -> None:
    """In a pod, and in one of a Deployment's."""
    kubectl("create", "-f", "-", text=_text(_deployment(replicas=1)))
    kubectl("rollout", "status", "deployment/web", "--timeout=40s")
    assert kubectl("exec", "deployment/web", "--", "sh", "-c", "echo here $0", "now") == "here now\n"
    assert kubectl("exec", "-i", "deployment/web", "-c", "main", "--", "cat", text="words\n") == "words\n"
    done = kubectl.run("exec", "deployment/web", "--", "sh", "-c", "echo bad >&2; exit 3")
    assert (done.code, done.stdout) == (3, "")
    assert "bad" in done.stderr
    assert "exit code 3" in done.stderr
    assert kubectl.run("exec", "none", "--", "true").code == 1


@behaviour("kubectl wait waits for a condition, a field or a deletion, and fails when time is up", area="kubectl")
def test_wait(kubectl: Kubectl) -> None:
    """A Deployment becomes available."""
    kubectl("create", "-f", "-", text=_text(_deployment(replicas=1), _settings()))
    said = kubectl("wait", "deployment/web", "--for=condition=Available", "--timeout=40s")
    assert said == "deployment.apps/web condition met\n"
    kubectl("wait", "pods", "-l", "app=web", "--for=condition=Ready", "--timeout=40s")
    kubectl("wait", "deployment/web", "--for=jsonpath={.status.readyReplicas}=1", "--timeout=40s")
    late = kubectl.run("wait", "deployment/web", "--for=condition=Available=False", "--timeout=1s")
    assert (late.code, "timed out waiting for the condition" in late.stderr) == (1, True)
    kubectl("delete", "cm", "one", "--wait=false")
    kubectl("wait", "cm/one", "--for=delete", "--timeout=20s")


@behaviour("kubectl scale sets the replicas, and refuses when they are not what was expected", area="kubectl")
def test_scale(kubectl: Kubectl) -> None:
    """Of a Deployment and of a ReplicaSet."""
    kubectl("create", "-f", "-", text=_text(_deployment()))
    assert kubectl("scale", "deployment/web", "--replicas=2", "--current-replicas=0") == "deployment.apps/web scaled\n"
    assert kubectl("get", "deployment", "web", "-o", "jsonpath={.spec.replicas}") == "2"
    refused = kubectl.run("scale", "deployment/web", "--replicas=1", "--current-replicas=7")
    assert refused.code == 1
    assert "Expected replicas to be 7, was 2" in refused.stderr
    kubectl("scale", "deploy", "-l", "app=web", "--replicas=0")
    kubectl("wait", "deployment/web", "--for=jsonpath={.status.observedGeneration}=3", "--timeout=20s")
    assert 'deployments.apps "none" not found' in kubectl.run("scale", "deployment/none", "--replicas=1").stderr


@behaviour("kubectl patch sends strategic, merge and JSON patches; set, label and annotate do too", area="kubectl")
def test_patch(kubectl: Kubectl) -> None:
    """A patch that changes nothing says so."""
    kubectl("create", "-f", "-", text=_text(_deployment()))
    env = {"spec": {"template": {"spec": {"containers": [{"name": "main", "env": [{"name": "A", "value": "1"}]}]}}}}
    assert kubectl("patch", "deployment", "web", "-p", json.dumps(env)) == "deployment.apps/web patched\n"
    assert kubectl("patch", "deployment", "web", "-p", json.dumps(env)) == "deployment.apps/web patched (no change)\n"
    kubectl("patch", "deployment", "web", "--type=merge", "-p", '{"metadata":{"labels":{"x":"y"}}}')
    operations = '[{"op":"replace","path":"/spec/replicas","value":0},{"op":"remove","path":"/metadata/labels/x"}]'
    kubectl("patch", "deployment", "web", "--type=json", "-p", operations)
    kubectl("set", "env", "deployment/web", "B=2", "A-")
    kubectl("set", "image", "deployment/web", "main=nowhere.example/none:1")
    kubectl("set", "resources", "deployment/web", "--requests=cpu=10m")
    kubectl("label", "deployment/web", "tier=web", "app-")
    kubectl("annotate", "deployment/web", "said=so")
    found = json.loads(kubectl("get", "deployment", "web", "-o", "json"))
    first = found["spec"]["template"]["spec"]["containers"][0]
    assert [one["name"] for one in first["env"]] == ["POD_IP", "B"]
    assert (first["image"], first["resources"]) == ("nowhere.example/none:1", {"requests": {"cpu": "10m"}})
    assert found["metadata"]["labels"] == {"tier": "web"}
    assert found["metadata"]["annotations"]["said"] == "so"
    again = kubectl.run("label", "deployment/web", "tier=db")
    assert "--overwrite is false" in again.stderr


@behaviour("kubectl rollout tells status and history, restarts, pauses, resumes and undoes", area="kubectl")
def test_rollout(kubectl: Kubectl) -> None:
    """Each change of the template is a revision."""
    kubectl("create", "-f", "-", text=_text(_deployment(replicas=1)))
    assert (
        kubectl("rollout", "status", "deployment/web", "--timeout=40s")
        .splitlines()[-1]
        .endswith("successfully rolled out")
    )
    kubectl("scale", "deployment/web", "--replicas=0")
    kubectl("rollout", "pause", "deployment/web")
    kubectl("set", "env", "deployment/web", "A=1")
    assert "Error from server" not in kubectl("rollout", "history", "deployment/web")
    assert _revisions(kubectl) == ["1"]
    paused = kubectl.run("rollout", "restart", "deployment/web")
    assert paused.code == 1
    assert "paused" in paused.stderr
    kubectl("rollout", "resume", "deployment/web")
    kubectl("rollout", "status", "deployment/web", "--timeout=40s")
    assert _revisions(kubectl) == ["1", "2"]
    assert "A:\t1" in kubectl("rollout", "history", "deployment/web", "--revision=2").replace("A:    1", "A:\t1")
    assert kubectl("rollout", "undo", "deployment/web") == "deployment.apps/web rolled back\n"
    kubectl("rollout", "status", "deployment/web", "--timeout=40s")
    assert _revisions(kubectl) == ["2", "3"]
    assert kubectl("get", "deployment/web", "-o", "jsonpath={..env[*].name}") == "POD_IP"
    assert kubectl("rollout", "undo", "deployment/web", "--to-revision=2") == "deployment.apps/web rolled back\n"
    assert kubectl("rollout", "restart", "deployment/web") == "deployment.apps/web restarted\n"
    kubectl("rollout", "status", "deployment/web", "--timeout=40s")
    assert _revisions(kubectl) == ["3", "4", "5"]


def _revisions(kubectl: Kubectl) -> list[str]:
    return [line[0] for line in _lines(kubectl("rollout", "history", "deployment/web")) if line and line[0].isdecimal()]


@behaviour(
    "kubectl delete takes names, selectors and files; it waits, forces and can leave what depends", area="kubectl"
)
def test_delete(kubectl: Kubectl) -> None:
    """An orphaned ReplicaSet stays."""
    body = pod("one", container(WAIT))
    kubectl("create", "-f", "-", text=_text({"apiVersion": "v1", "kind": "Pod", **body}, _settings("a"), _settings("b"),
                                            _settings("c"), _deployment()))  # fmt: skip
    assert re.match(r'configmap "a" deleted', kubectl("delete", "cm", "a"))
    assert re.match(r'configmap "b" deleted', kubectl("delete", "-f", "-", text=_text(_settings("b"))))
    assert len(kubectl("delete", "cm", "-l", "kept=here").splitlines()) == 1
    assert 'pod "one" force deleted' in kubectl("delete", "pod", "one", "--grace-period=0", "--force")
    assert kubectl("get", "pod", "one", "--ignore-not-found") == ""
    kubectl("wait", "deployment/web", "--for=jsonpath={.status.observedGeneration}=1", "--timeout=20s")
    kubectl("delete", "deployment", "web", "--cascade=orphan")
    (left,) = kubectl("get", "rs", "-o", "name").split()
    kubectl("delete", left, "--cascade=foreground")
    assert kubectl("delete", "deployment", "web", "--ignore-not-found") == ""
    assert 'deployments.apps "web" not found' in kubectl.run("delete", "deployment", "web").stderr


@behaviour("kubectl create, run and expose make objects from their arguments", area="kubectl")
def test_create(kubectl: Kubectl) -> None:
    """A second create fails; a dry run on the client sends nothing."""
    kubectl("create", "configmap", "one", "--from-literal=a=1")
    assert "already exists" in kubectl.run("create", "configmap", "one").stderr
    kubectl("create", "secret", "generic", "word", "--from-literal=word=open")
    assert kubectl("get", "secret", "word", "-o", "jsonpath={.data.word}") == "b3Blbg=="
    kubectl("create", "deployment", "web", "--image=gameday/storefront:dev", "--replicas=0")
    assert kubectl("expose", "deployment", "web", "--port=80", "--target-port=8080") == "service/web exposed\n"
    assert kubectl("get", "service", "web", "-o", "jsonpath={.spec.selector}") == '{"app":"web"}'
    kubectl("run", "one", "--image=gameday/storefront:dev", "--dry-run=server", "--", "sleep", "1")
    shown = yaml.safe_load(kubectl("create", "configmap", "two", "--dry-run=client", "-o", "yaml"))
    assert shown["kind"] == "ConfigMap"
    assert kubectl("get", "cm", "two", "--ignore-not-found") == ""
    assert kubectl("create", "serviceaccount", "robot") == "serviceaccount/robot created\n"


@behaviour("kubectl api-resources, api-versions and events tell what is served and what happened", area="kubectl")
def test_discovery(kubectl: Kubectl) -> None:
    """Short names, groups, verbs."""
    rows = {row[0]: row for row in _lines(kubectl("api-resources", "-o", "wide", "--no-headers"))}
    assert rows["deployments"][1:5] == ["deploy", "apps/v1", "true", "Deployment"]
    assert rows["nodes"][1:5] == ["no", "v1", "false", "Node"]
    assert "watch" in rows["pods"][5]
    namespaced = kubectl("api-resources", "--namespaced=false", "-o", "name").split()
    assert {"namespaces", "nodes"} <= set(namespaced)
    assert {"apps/v1", "v1", "coordination.k8s.io/v1"} <= set(kubectl("api-versions").split())
    kubectl("create", "-f", "-", text=_text(_deployment(replicas=1)))
    kubectl("rollout", "status", "deployment/web", "--timeout=40s")
    _await_event(kubectl, "ScalingReplicaSet")
    assert "ScalingReplicaSet" in kubectl("events", "--for=deployment/web")
    assert re.search(r"Normal +ScalingReplicaSet +deployment/web ", kubectl("get", "events"))


@behaviour("kubectl version tells the server's version, and warns when it is too far from its own", area="kubectl")
def test_version(kubectl: Kubectl) -> None:
    """More than one minor version either way."""
    told = json.loads(kubectl("version", "-o", "json"))
    own, server = (int(told[side]["minor"].rstrip("+")) for side in ("clientVersion", "serverVersion"))
    assert (1, server) == kubectl.cluster.version
    warned = "exceeds the supported minor version skew" in kubectl.run("version").stderr
    assert warned == (abs(own - server) > 1)


@behaviour("kubectl top is refused where no metrics are served", area="kubectl")
def test_top(kubectl: Kubectl) -> None:
    """Neither for nodes nor for pods."""
    for what in ("nodes", "pods"):
        done = kubectl.run("top", what)
        assert (done.code, done.stderr) == (1, "error: Metrics API not available\n")
