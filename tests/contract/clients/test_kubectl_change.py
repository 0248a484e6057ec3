"""kubectl, unmodified: changing, waiting, deleting, and what goes on in a pod."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from tests.contract.behaviours import behaviour
from tests.contract.clients.typed import PATIENTLY, settings, text, web
from tests.contract.manifests import container, deployment, pod
from tests.contract.running import running, shell, status
from tests.contract.workloads import owned, started, templated

if TYPE_CHECKING:
    from tests.contract.clients.kubectls import Kubectl


@behaviour("kubectl wait waits for a condition, a field or a deletion, and fails when time is up", area="kubectl")
def test_wait(kubectl: Kubectl) -> None:
    """A Deployment becomes available."""
    kubectl("create", "-f", "-", text=text(web(replicas=1), settings()))
    said = kubectl("wait", "deployment/web", "--for=condition=Available", PATIENTLY)
    assert said == "deployment.apps/web condition met\n"
    kubectl("wait", "pods", "-l", "app=web", "--for=condition=Ready", PATIENTLY)
    kubectl("wait", "deployment/web", "--for=jsonpath={.status.readyReplicas}=1", PATIENTLY)
    late = kubectl.run("wait", "deployment/web", "--for=condition=Available=False", "--timeout=1s")
    assert (late.code, "timed out waiting for the condition" in late.stderr) == (1, True)
    held = kubectl.run("wait", "cm/one", "--for=delete", "--timeout=1s")
    assert (held.code, "timed out waiting" in held.stderr) == (1, True)
    kubectl("delete", "cm", "one", "--wait=false")
    kubectl("wait", "cm/one", "--for=delete", PATIENTLY)


@behaviour("kubectl scale sets the replicas, and refuses when they are not what was expected", area="kubectl")
def test_scale(kubectl: Kubectl) -> None:
    """Of a Deployment and of a ReplicaSet."""
    kubectl("create", "-f", "-", text=text(web()))
    assert kubectl("scale", "deployment/web", "--replicas=2", "--current-replicas=0") == "deployment.apps/web scaled\n"
    assert kubectl("get", "deployment", "web", "-o", "jsonpath={.spec.replicas}") == "2"
    refused = kubectl.run("scale", "deployment/web", "--replicas=1", "--current-replicas=7")
    assert refused.code == 1
    assert "Expected replicas to be 7, was 2" in refused.stderr
    kubectl("scale", "deploy", "-l", "app=web", "--replicas=0")
    kubectl("wait", "deployment/web", "--for=jsonpath={.status.observedGeneration}=3", PATIENTLY)
    assert 'deployments.apps "none" not found' in kubectl.run("scale", "deployment/none", "--replicas=1").stderr


@behaviour("kubectl patch sends strategic, merge and JSON patches; set changes a template by one", area="kubectl")
def test_patch(kubectl: Kubectl) -> None:
    """A patch that changes nothing says so."""
    kubectl("create", "-f", "-", text=text(web(), settings(a="1")))
    env = {"spec": {"template": {"spec": {"containers": [{"name": "main", "env": [{"name": "A", "value": "1"}]}]}}}}
    assert kubectl("patch", "deployment", "web", "-p", json.dumps(env)) == "deployment.apps/web patched\n"
    # Of an object that no controller writes to, for kubectl compares versions.
    assert kubectl("patch", "cm", "one", "--type=merge", "-p", '{"data":{"a":"1"}}') == (
        "configmap/one patched (no change)\n"
    )
    kubectl("patch", "deployment", "web", "--type=merge", "-p", '{"metadata":{"labels":{"x":"y"}}}')
    operations = [
        {"op": "test", "path": "/spec/replicas", "value": 0}, {"op": "add", "path": "/spec/paused", "value": True},
        {"op": "remove", "path": "/metadata/labels/x"},
    ]  # fmt: skip
    kubectl("patch", "deployment", "web", "--type=json", "-p", json.dumps(operations))
    kubectl("set", "env", "deployment/web", "B=2", "A-")
    kubectl("set", "image", "deployment/web", "main=nowhere.example/none:1")
    kubectl("set", "resources", "deployment/web", "--requests=cpu=10m")
    found = json.loads(kubectl("get", "deployment", "web", "-o", "json"))
    first = found["spec"]["template"]["spec"]["containers"][0]
    assert [one["name"] for one in first["env"]] == ["POD_IP", "B"]
    assert (first["image"], first["resources"]) == ("nowhere.example/none:1", {"requests": {"cpu": "10m"}})
    assert found["metadata"]["labels"] == {"app": "web"}


@behaviour("kubectl label and annotate add, refuse to overwrite, overwrite and take away", area="kubectl")
def test_label_and_annotate(kubectl: Kubectl) -> None:
    """Both commands, on a ConfigMap."""
    path = kubectl.cluster.path("configmaps", kubectl.namespace)
    kubectl.cluster.create(path, {"metadata": {"name": "one"}})
    for command, field in (("label", "labels"), ("annotate", "annotations")):
        kubectl(command, "configmap", "one", "a=1", "b=2")
        said = kubectl.run(command, "configmap/one", "a=3").stderr
        assert "already has a value (1)" in said
        assert "--overwrite is false" in said
        kubectl(command, "--overwrite", "configmap/one", "a=3", "b-")
        assert kubectl.cluster.read(f"{path}/one")["metadata"][field] == {"a": "3"}


@behaviour("kubectl delete takes names, selectors and files; it waits, and forces", area="kubectl")
def test_delete(kubectl: Kubectl) -> None:
    """A pod with ten minutes' grace goes at once by force; what is not there is an error, or ignored."""
    body = pod("one", container(["sh", "-c", "trap '' TERM; sleep 600"]), terminationGracePeriodSeconds=600)
    kubectl("create", "-f", "-", text=text({"apiVersion": "v1", "kind": "Pod", **body}, settings("a"), settings("b"),
                                           settings("c")))  # fmt: skip
    kubectl("wait", "pod/one", "--for=condition=Ready", PATIENTLY)
    assert re.match(r'configmap "a" deleted', kubectl("delete", "cm", "a"))
    assert re.match(r'configmap "b" deleted', kubectl("delete", "-f", "-", text=text(settings("b"))))
    assert len(kubectl("delete", "cm", "-l", "kept=here").splitlines()) == 1
    assert 'pod "one" force deleted' in kubectl("delete", "pod", "one", "--grace-period=0", "--force")
    assert kubectl("get", "pod", "one", "--ignore-not-found") == ""
    assert 'pods "one" not found' in kubectl.run("delete", "pod", "one").stderr
    assert kubectl("delete", "pod", "one", "--ignore-not-found") == ""


@behaviour("kubectl delete --cascade=orphan leaves what was owned, foreground takes it first", area="kubectl")
def test_cascades(kubectl: Kubectl) -> None:
    """A Deployment without its set and pod; then the set with the pod."""
    path = started(kubectl.cluster, kubectl.namespace, templated(replicas=1))
    kubectl("delete", "deployment", "web", "--cascade=orphan")
    assert kubectl.cluster.call("GET", path).status == 404
    (left,) = owned(kubectl.cluster, "replicasets", kubectl.namespace)
    assert "ownerReferences" not in left["metadata"]
    assert len(owned(kubectl.cluster, "pods", kubectl.namespace)) == 1
    kubectl("delete", "replicaset", left["metadata"]["name"], "--cascade=foreground")
    assert owned(kubectl.cluster, "pods", kubectl.namespace) == []


@behaviour("kubectl logs prints a Deployment's, a selector's and a container's lines, and follows them", area="kubectl")
def test_logs(kubectl: Kubectl) -> None:
    """A pod that ends ends what follows it."""
    body = pod("one", container(["sh", "-c", "echo one; echo two"]), restartPolicy="Never")
    kubectl("create", "-f", "-", text=text({"apiVersion": "v1", "kind": "Pod", **body}, web(replicas=1)))
    kubectl("wait", "pod/one", "--for=jsonpath={.status.phase}=Succeeded", PATIENTLY)
    assert kubectl("logs", "one") == "one\ntwo\n"
    assert kubectl("logs", "one", "-f", "-c", "main") == "one\ntwo\n"
    assert kubectl("logs", "one", "--tail=1", "--since=1h") == "two\n"
    assert re.fullmatch(r"(\d{4}-\d\d-\d\dT\S+ (one|two)\n){2}", kubectl("logs", "pod/one", "--timestamps"))
    assert kubectl("logs", "-l", "app=one", "--prefix").splitlines() == ["[pod/one/main] one", "[pod/one/main] two"]
    assert "previous terminated container" in kubectl.run("logs", "one", "--previous").stderr
    assert "container other is not valid for pod one" in kubectl.run("logs", "one", "-c", "other").stderr
    kubectl("rollout", "status", "deployment/web", PATIENTLY)
    assert kubectl("logs", "deployment/web") == "started\n"


@behaviour("kubectl logs works by label, of a Deployment, of all containers, followed, previous and since",
           area="kubectl")  # fmt: skip
def test_logs_of_many(kubectl: Kubectl) -> None:
    """Two pods of two containers, one of which was restarted."""
    script = "echo x >> /box/n; echo start $(wc -l < /box/n); test $(wc -l < /box/n) = 2 && sleep 600; exit 1"
    one = shell(script, volumeMounts=[{"name": "work", "mountPath": "/box"}])
    work = [{"name": "work", "emptyDir": {}}]
    cluster, namespace = kubectl.cluster, kubectl.namespace
    both = deployment("web", one, shell("echo beside; sleep 600", "other"), replicas=2, pod_volumes=work)
    cluster.create(cluster.path("deployments", namespace), both)
    cluster.until(cluster.path("deployments", namespace, "web"), lambda d: d["status"].get("replicas") == 2)
    names = [one["metadata"]["name"] for one in owned(cluster, "pods", namespace)]
    for name in names:
        cluster.until(cluster.path("pods", namespace, name),
                      lambda p: running(p) and status(p)["restartCount"] == 1)  # fmt: skip

    def said(*arguments: str) -> list[str]:
        return sorted(kubectl("logs", *arguments).splitlines())

    assert said("-l", "app=web", "-c", "main") == ["start 2"] * 2
    assert said("-l", "app=web", "-c", "main", "--previous", "--since=1h") == ["start 1"] * 2
    assert said("deployment/web", "--all-containers", "--since=1h") == ["beside", "start 2"]  # of one pod
    assert said("-l", "app=web", "-c", "other", "--prefix") == sorted(f"[pod/{name}/other] beside" for name in names)
    with kubectl.start("logs", "-f", "--since=1h", "-l", "app=web", "-c", "main") as following:
        assert following.stdout
        assert [following.stdout.readline() for _ in range(2)] == ["start 2\n"] * 2
        assert following.poll() is None
        following.terminate()


@behaviour("kubectl exec gives a command's output, input, errors and exit code", area="kubectl")
def test_exec(kubectl: Kubectl) -> None:
    """In a pod, and in one of a Deployment's."""
    kubectl("create", "-f", "-", text=text(web(replicas=1)))
    kubectl("rollout", "status", "deployment/web", PATIENTLY)
    assert kubectl("exec", "deployment/web", "--", "sh", "-c", "echo here $0", "now") == "here now\n"
    assert kubectl("exec", "-i", "deployment/web", "-c", "main", "--", "cat", text="words\n") == "words\n"
    done = kubectl.run("exec", "deployment/web", "--", "sh", "-c", "echo bad >&2; exit 3")
    assert (done.code, done.stdout) == (3, "")
    assert "bad" in done.stderr
    assert "exit code 3" in done.stderr
    assert kubectl.run("exec", "none", "--", "true").code == 1
