"""What people type: kubectl as it is, without an option that would make it easier."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import yaml

from tests.contract.behaviours import behaviour
from tests.contract.clusters import STRATEGIC
from tests.contract.manifests import service
from tests.contract.workloads import (
    REVISION,
    apply_template,
    owned,
    reasons,
    start,
    started,
    templated,
    until_events,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contract.clusters import Cluster

    Object = dict[str, Any]


def write(folder: Path, deployment: Object, **data: str) -> None:
    """A kustomization of a Deployment, its Service, and a ConfigMap that is generated."""
    for name, kind, api, body in (
        ("deployment", "Deployment", "apps/v1", deployment), ("service", "Service", "v1", service("web")),
    ):  # fmt: skip
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({"apiVersion": api, "kind": kind, **body}))
    literals = [f"{k}={v}" for k, v in data.items()]
    kustomization = {
        "resources": ["deployment.yaml", "service.yaml"],
        "configMapGenerator": [{"name": "settings", "literals": literals}],
        "labels": [{"pairs": {"tier": "front"}}],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))


# --- apply and its kin


@behaviour("kubectl apply -k creates, leaves unchanged, and configures", area="kubectl")
def test_apply_kustomization(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """Three times the same folder, the third one with another template and other data."""
    write(tmp_path, templated(), colour="red")
    said = cluster.kubectl("apply", "-k", str(tmp_path), namespace=namespace)
    assert re.search(r"^configmap/settings-\w+ created$", said.stdout, re.MULTILINE)
    assert "deployment.apps/web created" in said.stdout
    assert not said.stderr
    said = cluster.kubectl("apply", "-k", str(tmp_path), namespace=namespace)
    assert len(re.findall(" unchanged$", said.stdout, re.MULTILINE)) == 3
    write(tmp_path, templated(env="2"), colour="blue")
    said = cluster.kubectl("apply", "-k", str(tmp_path), namespace=namespace)
    assert "deployment.apps/web configured" in said.stdout
    assert "service/web unchanged" in said.stdout
    assert re.search(r"^configmap/settings-\w+ created$", said.stdout, re.MULTILINE)
    found = cluster.read(cluster.path("deployments", namespace, "web"))
    assert found["metadata"]["labels"] == {"tier": "front"}


@behaviour("kubectl apply takes out what the last one had and this one has not, and leaves what others put in",
           area="kubectl")  # fmt: skip
def test_apply_prunes_fields(cluster: Cluster, namespace: str) -> None:
    """A key, a label, a variable of a container; the scale of another client stays."""
    made = templated()
    made["metadata"]["labels"] = {"first": "yes", "both": "yes"}
    del made["spec"]["replicas"]
    made["spec"]["paused"] = True
    text = yaml.safe_dump({"apiVersion": "apps/v1", "kind": "Deployment", **made})
    cluster.kubectl("apply", "-f", "-", namespace=namespace, text=text)
    cluster.kubectl("scale", "deployment/web", "--replicas=3", namespace=namespace)
    cluster.kubectl("label", "deployment/web", "theirs=yes", namespace=namespace)
    del made["metadata"]["labels"]["first"]
    main = made["spec"]["template"]["spec"]["containers"][0]
    main["env"] = [one for one in main["env"] if one["name"] != "RELEASE"]
    text = yaml.safe_dump({"apiVersion": "apps/v1", "kind": "Deployment", **made})
    said = cluster.kubectl("apply", "-f", "-", namespace=namespace, text=text)
    assert said.stdout == "deployment.apps/web configured\n"
    found = cluster.read(cluster.path("deployments", namespace, "web"))
    assert found["metadata"]["labels"] == {"both": "yes", "theirs": "yes"}
    assert found["spec"]["replicas"] == 3
    assert [one["name"] for one in found["spec"]["template"]["spec"]["containers"][0]["env"]] == ["POD_IP"]


@behaviour("kubectl diff shows what apply would change, and exits with 1 if anything", area="kubectl")
def test_diff(cluster: Cluster, namespace: str) -> None:
    """Nothing, then one line; nothing is stored."""
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "data": {"colour": "red"}}
    cluster.kubectl("apply", "-f", "-", namespace=namespace, text=json.dumps(made))
    assert cluster.kubectl("diff", "-f", "-", namespace=namespace, text=json.dumps(made)).stdout == ""
    made["data"] = {"colour": "blue"}
    said = cluster.kubectl("diff", "-f", "-", namespace=namespace, text=json.dumps(made), ok=False)
    assert said.code == 1
    assert re.findall(r"^[-+]  \w.*$", said.stdout, re.MULTILINE) == ["-  colour: red", "+  colour: blue"]
    assert cluster.read(cluster.path("configmaps", namespace, "one"))["data"] == {"colour": "red"}


@behaviour("kubectl create makes deployments, configmaps, secrets and services, or only prints them", area="kubectl")
def test_create(cluster: Cluster, namespace: str) -> None:
    """From flags; --dry-run=client sends nothing, --dry-run=server stores nothing."""
    for arguments, said in (
        (("deployment", "web", "--image=gameday/storefront:dev", "--replicas=0"), "deployment.apps/web"),
        (("configmap", "settings", "--from-literal=colour=red"), "configmap/settings"),
        (("secret", "generic", "keys", "--from-literal=key=value"), "secret/keys"),
        (("service", "clusterip", "web", "--tcp=80:8080"), "service/web"),
    ):
        assert cluster.kubectl("create", *arguments, namespace=namespace).stdout == f"{said} created\n"
    assert cluster.read(cluster.path("secrets", namespace, "keys"))["data"] == {"key": "dmFsdWU="}
    again = cluster.kubectl("create", "configmap", "settings", namespace=namespace, ok=False)
    assert 'configmaps "settings" already exists' in again.stderr
    for kind in ("client", "server"):
        dry = ("create", "configmap", "dry", f"--dry-run={kind}", "-o", "yaml")
        assert yaml.safe_load(cluster.kubectl(*dry, namespace=namespace).stdout)["metadata"]["name"] == "dry"
    assert cluster.call("GET", cluster.path("configmaps", namespace, "dry")).status == 404


@behaviour("kubectl patch takes all three kinds of patch", area="kubectl")
def test_patch(cluster: Cluster, namespace: str) -> None:
    """A container by its name, a label taken away by null, an operation."""
    path = start(cluster, namespace, templated(paused=True))
    main = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "gameday/storefront:v2"}]}}}}
    said = cluster.kubectl("patch", "deployment", "web", "-p", json.dumps(main), namespace=namespace)
    assert said.stdout == "deployment.apps/web patched\n"
    merge = {"metadata": {"labels": {"one": "1", "two": None}}}
    cluster.kubectl("patch", "deployment/web", "--type=merge", "-p", json.dumps(merge), namespace=namespace)
    operations = [{"op": "test", "path": "/spec/paused", "value": True},
                  {"op": "replace", "path": "/spec/replicas", "value": 2}]  # fmt: skip
    cluster.kubectl("patch", "deployment/web", "--type=json", "-p", json.dumps(operations), namespace=namespace)
    found = cluster.read(path)
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "gameday/storefront:v2"
    assert found["spec"]["template"]["spec"]["containers"][0]["command"] == ["sleep", "600"]
    assert (found["metadata"]["labels"], found["spec"]["replicas"]) == ({"one": "1"}, 2)
    same = cluster.kubectl("patch", "deployment/web", "--type=merge", "-p", json.dumps(merge), namespace=namespace)
    assert same.stdout == "deployment.apps/web patched (no change)\n"


@behaviour("kubectl scale sets the replicas, and not if they are other than expected", area="kubectl")
def test_scale(cluster: Cluster, namespace: str) -> None:
    """With --current-replicas."""
    path = start(cluster, namespace, templated(paused=True))
    said = cluster.kubectl("scale", "deployment", "web", "--replicas=2", namespace=namespace)
    assert said.stdout == "deployment.apps/web scaled\n"
    said = cluster.kubectl(
        "scale", "deployment/web", "--current-replicas=1", "--replicas=3", namespace=namespace, ok=False
    )
    assert said.code == 1
    assert "Expected replicas to be 1, was 2" in said.stderr
    assert cluster.read(path)["spec"]["replicas"] == 2


@behaviour("kubectl label and annotate add, refuse to overwrite, overwrite and take away", area="kubectl")
def test_label_and_annotate(cluster: Cluster, namespace: str) -> None:
    """Both commands, on a ConfigMap."""
    path = cluster.path("configmaps", namespace)
    cluster.create(path, {"metadata": {"name": "one"}})
    for command, field in (("label", "labels"), ("annotate", "annotations")):
        cluster.kubectl(command, "configmap", "one", "a=1", "b=2", namespace=namespace)
        said = cluster.kubectl(command, "configmap/one", "a=3", namespace=namespace, ok=False)
        assert "already has a value (1)" in said.stderr
        assert "--overwrite is false" in said.stderr
        cluster.kubectl(command, "--overwrite", "configmap/one", "a=3", "b-", namespace=namespace)
        assert cluster.read(f"{path}/one")["metadata"][field] == {"a": "3"}


@behaviour("kubectl set image and set env change the template", area="kubectl")
def test_set(cluster: Cluster, namespace: str) -> None:
    """A variable is set and another taken away."""
    path = start(cluster, namespace, templated(paused=True))
    said = cluster.kubectl("set", "image", "deployment/web", "main=gameday/storefront:v2", namespace=namespace)
    assert said.stdout == "deployment.apps/web image updated\n"
    said = cluster.kubectl("set", "env", "deployment/web", "COLOUR=red", "RELEASE-", namespace=namespace)
    assert said.stdout == "deployment.apps/web env updated\n"
    main = cluster.read(path)["spec"]["template"]["spec"]["containers"][0]
    assert main["image"] == "gameday/storefront:v2"
    assert [one["name"] for one in main["env"]] == ["POD_IP", "COLOUR"]


@behaviour("kubectl expose makes a Service of a Deployment's selector", area="kubectl")
def test_expose(cluster: Cluster, namespace: str) -> None:
    """With the port that is given."""
    start(cluster, namespace, templated())
    said = cluster.kubectl("expose", "deployment", "web", "--port=80", "--target-port=8080", namespace=namespace)
    assert said.stdout == "service/web exposed\n"
    spec = cluster.read(cluster.path("services", namespace, "web"))["spec"]
    assert spec["selector"] == {"app": "web"}
    assert spec["ports"] == [{"port": 80, "targetPort": 8080, "protocol": "TCP"}]


@behaviour("kubectl replace takes a whole object, and a stale one is a conflict", area="kubectl")
def test_replace(cluster: Cluster, namespace: str) -> None:
    """What get printed, changed."""
    cluster.create(cluster.path("configmaps", namespace), {"metadata": {"name": "one"}, "data": {"a": "1"}})
    got = yaml.safe_load(cluster.kubectl("get", "configmap", "one", "-o", "yaml", namespace=namespace).stdout)
    got["data"] = {"b": "2"}
    said = cluster.kubectl("replace", "-f", "-", namespace=namespace, text=yaml.safe_dump(got))
    assert said.stdout == "configmap/one replaced\n"
    said = cluster.kubectl("replace", "-f", "-", namespace=namespace, text=yaml.safe_dump(got), ok=False)
    assert "the object has been modified" in said.stderr


# --- rollouts


@behaviour("kubectl rollout status waits for the rollout and says what it waits for", area="kubectl")
def test_rollout_status(cluster: Cluster, namespace: str) -> None:
    """Until time is up, or it is rolled out; a missing Deployment is an error."""
    path = start(cluster, namespace, templated(replicas=1, minReadySeconds=500))

    def status(*arguments: str, name: str = "web", ok: bool = True) -> str:
        done = cluster.kubectl("rollout", "status", f"deployment/{name}", *arguments, namespace=namespace, ok=ok)
        return done.stdout + done.stderr

    said = status("--timeout=2s", ok=False)
    assert 'Waiting for deployment "web" rollout to finish: 0 of 1 updated replicas are available' in said
    assert "timed out waiting for the condition" in said
    cluster.patch(path, {"spec": {"minReadySeconds": 0}})
    assert 'deployment "web" successfully rolled out' in status()
    assert 'deployments.apps "none" not found' in status(name="none", ok=False)


@behaviour("kubectl rollout history lists the revisions with their change-causes, undo goes back", area="kubectl")
def test_rollout_history_and_undo(cluster: Cluster, namespace: str) -> None:
    """Three revisions; back to the last one, and to the first by its number."""
    path = started(cluster, namespace, templated())
    for revision in "23":
        cluster.kubectl("annotate", "deployment/web", "--overwrite", f"kubernetes.io/change-cause=number {revision}",
                        namespace=namespace)  # fmt: skip
        apply_template(cluster, path, env=revision)
        until_revision(cluster, path, revision)
    listed = cluster.kubectl("rollout", "history", "deployment/web", namespace=namespace).stdout
    assert [line.split(maxsplit=1)[0] for line in listed.splitlines() if line[:1].isdigit()] == ["1", "2", "3"]
    assert "number 3" in listed
    detail = cluster.kubectl("rollout", "history", "deployment/web", "--revision=3", namespace=namespace).stdout
    assert re.search(r"RELEASE:\s+3", detail)
    said = cluster.kubectl("rollout", "undo", "deployment/web", namespace=namespace)
    assert said.stdout.startswith("deployment.apps/web rolled back")
    until_revision(cluster, path, "4")
    assert _release(cluster.read(path)) == "2"
    cluster.kubectl("rollout", "undo", "deployment/web", "--to-revision=1", namespace=namespace)
    until_revision(cluster, path, "5")
    assert _release(cluster.read(path)) == "1"
    left = cluster.kubectl("rollout", "history", "deployment/web", namespace=namespace).stdout
    assert [line.split(maxsplit=1)[0] for line in left.splitlines() if line[:1].isdigit()] == ["3", "4", "5"]
    said = cluster.kubectl("rollout", "undo", "deployment/web", "--to-revision=9", namespace=namespace, ok=False)
    assert "unable to find specified revision 9 in history" in said.stderr


def until_revision(cluster: Cluster, path: str, revision: str) -> Object:
    """Wait until a Deployment is at a revision."""
    return cluster.until(path, lambda one: one["metadata"]["annotations"][REVISION] == revision)


def _release(deployment: Object) -> str:
    env = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    return next(str(one["value"]) for one in env if one["name"] == "RELEASE")


@behaviour("kubectl rollout pause, resume and restart do what they say", area="kubectl")
def test_rollout_pause_resume_restart(cluster: Cluster, namespace: str) -> None:
    """A paused one cannot be restarted, nor paused again; a restart is a revision and an annotation."""
    path = started(cluster, namespace, templated())

    def rollout(verb: str, *, ok: bool = True) -> str:
        done = cluster.kubectl("rollout", verb, "deployment/web", namespace=namespace, ok=ok)
        return done.stdout + done.stderr

    assert rollout("pause") == "deployment.apps/web paused\n"
    cluster.until(path, lambda one: reasons(one, "Progressing") == "DeploymentPaused")
    assert "is already paused" in rollout("pause", ok=False)
    assert "can't restart paused deployment" in rollout("restart", ok=False)
    assert rollout("resume") == "deployment.apps/web resumed\n"
    assert rollout("restart") == "deployment.apps/web restarted\n"
    found = until_revision(cluster, path, "2")
    assert "kubectl.kubernetes.io/restartedAt" in found["spec"]["template"]["metadata"]["annotations"]
    assert len(owned(cluster, "replicasets", namespace)) == 2


@behaviour("kubectl wait waits for a condition, a field and a deletion, and fails when time is up", area="kubectl")
def test_wait(cluster: Cluster, namespace: str) -> None:
    """Of a Deployment, and of pods by their labels."""
    path = start(cluster, namespace, templated(replicas=1))

    def wait(*arguments: str, ok: bool = True) -> str:
        done = cluster.kubectl("wait", *arguments, namespace=namespace, ok=ok)
        return done.stdout + done.stderr

    assert wait("--for=condition=Available", "deployment/web") == "deployment.apps/web condition met\n"
    assert "condition met" in wait("--for=condition=Ready", "pod", "-l", "app=web")
    assert "condition met" in wait("--for=jsonpath={.status.readyReplicas}=1", "deployment/web")
    assert "timed out waiting" in wait("--for=delete", "deployment/web", "--timeout=1s", ok=False)
    cluster.call("DELETE", path)
    wait("--for=delete", "pod", "-l", "app=web", "--timeout=30s")
    assert not owned(cluster, "pods", namespace)


# --- reading


@behaviour("kubectl get prints tables, wide and with labels, and yaml, jsonpath, names and columns", area="kubectl")
def test_get(cluster: Cluster, namespace: str) -> None:
    """The Deployment, its set, its pod and its Service."""
    path = started(cluster, namespace, templated(replicas=1))
    cluster.create(cluster.path("services", namespace), service("web"))

    def get(*arguments: str) -> str:
        return cluster.kubectl("get", *arguments, namespace=namespace).stdout

    lines = [re.split(r"\s{2,}", line) for line in get("deployments", "-o", "wide").splitlines()]
    assert lines[0] == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"]
    assert (lines[1][:4], lines[1][5:]) == (
        ["web", "1/1", "1", "1"],
        ["main", "gameday/storefront:dev", "app=web"],
    )
    assert re.search(r"^web-\S+\s+1/1\s+Running\s+0\s+\d+s", get("pods"), re.MULTILINE)
    assert "pod-template-hash=" in get("pods", "--show-labels")
    headings = get("pods", "-o", "wide").splitlines()[0].split()
    assert headings[:7] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE"]
    assert get("rs", "--no-headers").split()[1:4] == ["1", "1", "1"]
    assert re.search(r"web\s+ClusterIP\s+[\d.]+\s+<none>\s+80/TCP", get("svc"))
    assert get("deploy", "web", "-o", "jsonpath={.status.readyReplicas}") == "1"
    assert get("deploy", "-o", "name") == "deployment.apps/web\n"
    assert get("deploy", "-o", "custom-columns=N:.metadata.name,R:.spec.replicas").split() == ["N", "R", "web", "1"]
    shown = yaml.safe_load(get("deploy", "web", "-o", "yaml"))
    assert (shown["kind"], shown["metadata"]["uid"]) == ("Deployment", cluster.read(path)["metadata"]["uid"])
    everything = get("all").split()
    assert {"deployment.apps/web", "service/web"} <= set(everything)
    assert get("pods", "-l", "app=web", "--field-selector=status.phase=Running", "-o", "name").startswith("pod/web-")
    said = cluster.kubectl("get", "pods", "-l", "app=none", namespace=namespace)
    assert f"No resources found in {namespace} namespace." in said.stderr


@behaviour("kubectl describe tells of deployments with their Events, of pods and of services", area="kubectl")
def test_describe(cluster: Cluster, namespace: str) -> None:
    """Replicas, conditions, Events, owner, ports."""
    started(cluster, namespace, templated(replicas=1))
    until_events(cluster, namespace, "involvedObject.kind=Deployment", "ScalingReplicaSet")
    cluster.create(cluster.path("services", namespace), service("web"))

    def describe(*arguments: str) -> str:
        return cluster.kubectl("describe", *arguments, namespace=namespace).stdout

    said = describe("deployment", "web")
    assert "1 desired | 1 updated | 1 total | 1 available | 0 unavailable" in said
    assert re.search(r"Progressing\s+True\s+NewReplicaSetAvailable", said)
    assert "ScalingReplicaSet" in said
    said = describe("pods", "-l", "app=web")
    assert re.search(r"Controlled By:\s+ReplicaSet/web-\w+", said)
    assert re.search(r"Image:\s+gameday/storefront:dev", said)
    assert re.search(r"TargetPort:\s+8080/TCP", describe("service", "web"))


@behaviour("kubectl get events shows what happened to an object", area="kubectl")
def test_events(cluster: Cluster, namespace: str) -> None:
    """Of a Deployment, by a field selector, sorted."""
    start(cluster, namespace, templated(replicas=1))
    until_events(cluster, namespace, "involvedObject.kind=Deployment", "ScalingReplicaSet")
    arguments = ("--field-selector=involvedObject.kind=Deployment", "--sort-by=.lastTimestamp")
    said = cluster.kubectl("get", "events", *arguments, namespace=namespace).stdout.splitlines()
    assert said[0].split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert re.search(r"Normal\s+ScalingReplicaSet\s+deployment/web\s+Scaled up replica set web-", said[1])


# --- deleting


@behaviour("kubectl delete waits for the end, --cascade=orphan leaves what was owned, --force does not wait",
           area="kubectl")  # fmt: skip
def test_delete(cluster: Cluster, namespace: str) -> None:
    """A Deployment without its set; then a pod by force; then what is left, by its labels."""
    made = templated(replicas=1, pod_terminationGracePeriodSeconds=60)
    made["spec"]["template"]["spec"]["containers"][0]["command"] = ["sh", "-c", "trap '' TERM; sleep 600"]
    path = started(cluster, namespace, made)
    said = cluster.kubectl("delete", "deployment", "web", "--cascade=orphan", namespace=namespace)
    assert re.match(r'deployment.apps "web" deleted', said.stdout)
    assert cluster.call("GET", path).status == 404
    (replica_set,), (pod,) = owned(cluster, "replicasets", namespace), owned(cluster, "pods", namespace)
    assert "ownerReferences" not in replica_set["metadata"]
    cluster.patch(cluster.path("replicasets", namespace, replica_set["metadata"]["name"]), {"spec": {"replicas": 0}},
                  STRATEGIC)  # fmt: skip
    cluster.kubectl("delete", "pod", pod["metadata"]["name"], "--force", "--grace-period=0", namespace=namespace)
    assert cluster.call("GET", cluster.path("pods", namespace, pod["metadata"]["name"])).status == 404
    cluster.kubectl("delete", "replicasets", "-l", "app=web", namespace=namespace)
    assert not owned(cluster, "replicasets", namespace)
    said = cluster.kubectl("delete", "deployment", "web", namespace=namespace, ok=False)
    assert 'deployments.apps "web" not found' in said.stderr
    cluster.kubectl("delete", "deployment", "web", "--ignore-not-found", namespace=namespace)


# --- what there is


@behaviour("kubectl api-resources and api-versions list what is served", area="kubectl")
def test_what_is_served(cluster: Cluster, namespace: str) -> None:
    """With short names and kinds."""
    said = cluster.kubectl("api-resources").stdout
    assert re.search(r"^deployments\s+deploy\s+apps/v1\s+true\s+Deployment$", said, re.MULTILINE)
    assert re.search(r"^pods\s+po\s+v1\s+true\s+Pod$", said, re.MULTILINE)
    assert {"v1", "apps/v1"} <= set(cluster.kubectl("api-versions").stdout.split())


@behaviour("kubectl explain tells a field's meaning", area="kubectl",
           differs="the schemas that are served are those that apply needs: no descriptions")  # fmt: skip
def test_explain(cluster: Cluster, namespace: str) -> None:
    """Of a Deployment's replicas."""
    said = cluster.kubectl("explain", "deployment.spec.replicas").stdout
    assert "Number of desired pods" in said


@behaviour("kubectl auth can-i answers", area="kubectl",
           differs="there is no RBAC to ask: whoever has the token may do everything")  # fmt: skip
def test_can_i(cluster: Cluster, namespace: str) -> None:
    """The administrator may."""
    assert cluster.kubectl("auth", "can-i", "create", "deployments", namespace=namespace).stdout == "yes\n"
