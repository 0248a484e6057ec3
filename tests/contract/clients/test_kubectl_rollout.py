"""kubectl, unmodified: rollouts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tests.contract.behaviours import behaviour
from tests.contract.workloads import REVISION, apply_template, owned, reasons, start, started, templated

if TYPE_CHECKING:
    from tests.contract.clients.kubectls import Kubectl

    Object = dict[str, Any]


@behaviour("kubectl rollout status waits for the rollout and says what it waits for", area="kubectl")
def test_rollout_status(kubectl: Kubectl) -> None:
    """Until time is up, or it is rolled out; a missing Deployment is an error."""
    path = start(kubectl.cluster, kubectl.namespace, templated(replicas=1, minReadySeconds=500))

    def status(*arguments: str, name: str = "web", ok: bool = True) -> str:
        done = kubectl.run("rollout", "status", f"deployment/{name}", *arguments, ok=ok)
        return done.stdout + done.stderr

    kubectl.cluster.until(path, lambda one: one["status"].get("updatedReplicas") == 1)
    said = status("--timeout=1s", ok=False)
    assert 'Waiting for deployment "web" rollout to finish: 0 of 1 updated replicas are available' in said
    assert "timed out waiting for the condition" in said
    kubectl.cluster.patch(path, {"spec": {"minReadySeconds": 0}})
    assert 'deployment "web" successfully rolled out' in status()
    assert 'deployments.apps "none" not found' in status(name="none", ok=False)


@behaviour("kubectl rollout history lists the revisions with their change-causes, undo goes back", area="kubectl")
def test_rollout_history_and_undo(kubectl: Kubectl) -> None:
    """Three revisions; back to the last one, and to the first by its number."""
    path = started(kubectl.cluster, kubectl.namespace, templated())
    for revision in "23":
        kubectl("annotate", "deployment/web", "--overwrite", f"kubernetes.io/change-cause=number {revision}")
        apply_template(kubectl.cluster, path, env=revision)
        until_revision(kubectl, path, revision)
    listed = kubectl.run("rollout", "history", "deployment/web").stdout
    assert [line.split(maxsplit=1)[0] for line in listed.splitlines() if line[:1].isdigit()] == ["1", "2", "3"]
    assert "number 3" in listed
    detail = kubectl.run("rollout", "history", "deployment/web", "--revision=3").stdout
    assert re.search(r"RELEASE:\s+3", detail)
    said = kubectl.run("rollout", "undo", "deployment/web")
    assert said.stdout.startswith("deployment.apps/web rolled back")
    until_revision(kubectl, path, "4")
    assert _release(kubectl.cluster.read(path)) == "2"
    kubectl("rollout", "undo", "deployment/web", "--to-revision=1")
    until_revision(kubectl, path, "5")
    assert _release(kubectl.cluster.read(path)) == "1"
    left = kubectl.run("rollout", "history", "deployment/web").stdout
    assert [line.split(maxsplit=1)[0] for line in left.splitlines() if line[:1].isdigit()] == ["3", "4", "5"]
    said = kubectl.run("rollout", "undo", "deployment/web", "--to-revision=9", ok=False)
    assert "unable to find specified revision 9 in history" in said.stderr


def until_revision(kubectl: Kubectl, path: str, revision: str) -> Object:
    """Wait until a Deployment is at a revision."""
    return kubectl.cluster.until(path, lambda one: one["metadata"]["annotations"][REVISION] == revision)


def _release(deployment: Object) -> str:
    env = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    return next(str(one["value"]) for one in env if one["name"] == "RELEASE")


@behaviour("kubectl rollout pause, resume and restart do what they say", area="kubectl")
def test_rollout_pause_resume_restart(kubectl: Kubectl) -> None:
    """A paused one cannot be restarted, nor paused again; a restart is a revision and an annotation."""
    path = started(kubectl.cluster, kubectl.namespace, templated())

    def rollout(verb: str, *, ok: bool = True) -> str:
        done = kubectl.run("rollout", verb, "deployment/web", ok=ok)
        return done.stdout + done.stderr

    assert rollout("pause") == "deployment.apps/web paused\n"
    kubectl.cluster.until(path, lambda one: reasons(one, "Progressing") == "DeploymentPaused")
    assert "is already paused" in rollout("pause", ok=False)
    assert "can't restart paused deployment" in rollout("restart", ok=False)
    assert rollout("resume") == "deployment.apps/web resumed\n"
    assert rollout("restart") == "deployment.apps/web restarted\n"
    found = until_revision(kubectl, path, "2")
    assert "kubectl.kubernetes.io/restartedAt" in found["spec"]["template"]["metadata"]["annotations"]
    assert len(owned(kubectl.cluster, "replicasets", kubectl.namespace)) == 2
