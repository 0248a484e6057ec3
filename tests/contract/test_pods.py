"""Pods: phases, conditions, addresses, restarts and their end."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.behaviours import behaviour
from tests.contract.clusters import MERGE, PATIENCE_S
from tests.contract.manifests import IMAGE, WAIT, container, pod, serve
from tests.contract.running import (
    condition,
    ended,
    events,
    kept,
    mount,
    ready,
    run,
    running,
    say,
    shell,
    state,
    status,
    until_said,
    waits,
)

if TYPE_CHECKING:
    from tests.contract.clusters import Cluster

DEAF = "trap '' TERM; echo up; while :; do sleep 0.1; done"
"""A shell that does not hear SIGTERM, whether it is process 1 or not."""


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


@behaviour("A pod is Pending first, then Running; all its conditions become True, PodScheduled first", area="pods")
def test_a_pod_starts(cluster: Cluster, namespace: str) -> None:
    """A watch from before the pod's creation sees it come up."""
    pods = cluster.path("pods", namespace)
    version = cluster.read(pods)["metadata"]["resourceVersion"]
    cluster.create(pods, pod("one", container(WAIT)))
    phases, order = [], []
    for event in cluster.lines(pods, {"watch": "true", "resourceVersion": version, "timeoutSeconds": int(PATIENCE_S)}):
        seen = event["object"]
        phases.append(seen["status"]["phase"])
        true = [c["type"] for c in seen["status"].get("conditions", []) if c["status"] == "True"]
        order += [kind for kind in true if kind not in order]
        if ready(seen):
            break
    assert list(dict.fromkeys(phases)) == ["Pending", "Running"]
    assert order[0] == "PodScheduled"
    assert {"Initialized", "ContainersReady", "Ready"} < set(order)


@behaviour("A running pod's status has its addresses, its start and what it says of each container", area="pods")
def test_the_status_of_a_running_pod(cluster: Cluster, namespace: str) -> None:
    """Every field that clients read."""
    seen = run(cluster, namespace, pod("one", container(WAIT)), ready)
    known, of_it = seen["status"], status(seen)
    assert known["podIPs"] == [{"ip": known["podIP"]}]
    assert known["hostIP"] not in ("", known["podIP"])
    assert _instant(known["startTime"]) >= _instant(seen["metadata"]["creationTimestamp"])
    assert seen["spec"]["nodeName"]
    runtime, _, number = of_it["containerID"].partition("://")
    assert runtime
    assert len(number) == 64
    assert set(number) <= set("0123456789abcdef")
    assert of_it["imageID"]
    assert of_it["image"].removeprefix("docker.io/") == IMAGE.removeprefix("docker.io/")
    assert (of_it["ready"], of_it["started"], of_it["restartCount"]) == (True, True, 0)
    assert of_it["lastState"] == {}
    assert set(of_it["state"]) == {"running"}
    assert condition(seen, "Ready")["lastTransitionTime"]


@behaviour("The quality of service class follows from requests and limits", area="pods")
@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1m"}}, "Burstable"),
        ({"limits": {"cpu": "10m"}}, "Burstable"),
        ({"limits": {"cpu": "10m", "memory": "9Mi"}}, "Guaranteed"),
        ({"limits": {"cpu": "10m", "memory": "9Mi"}, "requests": {"cpu": "5m"}}, "Burstable"),
    ],
)
def test_quality_of_service(cluster: Cluster, namespace: str, resources: Any, expected: str) -> None:
    """It is there from the creation on."""
    manifest = pod("one", container(WAIT, resources=resources), nodeSelector={"none": "such"})
    made = cluster.create(cluster.path("pods", namespace), manifest)
    assert made["status"]["qosClass"] == expected


@behaviour("Limits without requests become the requests", area="pods")
def test_limits_become_requests(cluster: Cluster, namespace: str) -> None:
    """For the resources that have no request of their own."""
    resources = {"limits": {"cpu": "10m", "memory": "9Mi"}, "requests": {"cpu": "5m"}}
    made = cluster.create(cluster.path("pods", namespace), pod("one", container(WAIT, resources=resources)))
    assert made["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "5m", "memory": "9Mi"}


@behaviour("A pod that is not restarted succeeds with exit code 0: Completed, not ready", area="pods")
def test_a_pod_succeeds(cluster: Cluster, namespace: str) -> None:
    """The status of a pod that is over."""
    seen = run(cluster, namespace, pod("one", shell("exit 0"), restartPolicy="Never"))
    assert seen["status"]["phase"] == "Succeeded"
    over = state(seen)["terminated"]
    assert (over["exitCode"], over["reason"]) == (0, "Completed")
    assert over["containerID"] == status(seen)["containerID"]
    assert _instant(over["startedAt"]) <= _instant(over["finishedAt"])
    for kind in ("Ready", "ContainersReady"):
        assert (condition(seen, kind)["status"], condition(seen, kind)["reason"]) == ("False", "PodCompleted")
    assert condition(seen, "Initialized")["status"] == "True"


@behaviour("A pod that is not restarted fails if one of its containers does; the others end in their time", area="pods")
def test_a_pod_fails(cluster: Cluster, namespace: str) -> None:
    """One container fails with a code of its own while another still works."""
    seen = run(
        cluster, namespace, pod("one", shell("exit 3"), shell("sleep 1.5; exit 0", "other"), restartPolicy="Never")
    )
    assert seen["status"]["phase"] == "Failed"
    assert (state(seen)["terminated"]["exitCode"], state(seen)["terminated"]["reason"]) == (3, "Error")
    assert state(seen, "other")["terminated"]["exitCode"] == 0
    assert condition(seen, "Ready")["status"] == "False"


@behaviour("restartPolicy OnFailure restarts a container until it succeeds", area="pods")
def test_on_failure(cluster: Cluster, namespace: str) -> None:
    """It fails once; what it wrote into an emptyDir is there the second time."""
    script = "test -e /box/tried && exit 0; touch /box/tried; exit 5"
    manifest = pod("one", shell(script, volumeMounts=[mount("/box")]), restartPolicy="OnFailure",
                   volumes=[{"name": "work", "emptyDir": {}}])  # fmt: skip
    seen = run(cluster, namespace, manifest)
    assert seen["status"]["phase"] == "Succeeded"
    assert status(seen)["restartCount"] == 1


@behaviour(
    "A container that ends again and again waits in CrashLoopBackOff, 10 s first, then twice as long", area="pods"
)
def test_crash_loop(cluster: Cluster, namespace: str) -> None:
    """The first restart is at once; the second after the delay."""
    seen = run(cluster, namespace, pod("one", shell("exit 3")), waits("CrashLoopBackOff"))
    assert status(seen)["restartCount"] == 1
    assert "back-off 10s restarting failed container" in state(seen)["waiting"]["message"].replace("=main", "")
    first = status(seen)["lastState"]["terminated"]
    assert (first["exitCode"], first["reason"]) == (3, "Error")
    assert seen["status"]["phase"] == "Running"
    path = cluster.path("pods", namespace, "one")
    seen = cluster.until(path, lambda p: "20s" in state(p).get("waiting", {}).get("message", ""))
    second = status(seen)["lastState"]["terminated"]
    assert status(seen)["restartCount"] == 2
    assert 9 <= (_instant(second["startedAt"]) - _instant(first["finishedAt"])).total_seconds() <= 20


@behaviour("An unknown image is ErrImagePull, then ImagePullBackOff; the pod stays Pending", area="pods")
def test_an_unknown_image(cluster: Cluster, namespace: str) -> None:
    """No node can have this one; a watch from before the pod's creation sees both."""
    pods = cluster.path("pods", namespace)
    version = cluster.read(pods)["metadata"]["resourceVersion"]
    cluster.create(pods, pod("one", container(WAIT) | {"image": "127.0.0.1:1/none/such:v1"}))
    reasons: list[str] = []
    for event in cluster.lines(pods, {"watch": "true", "resourceVersion": version, "timeoutSeconds": int(PATIENCE_S)}):
        waiting = state(event["object"]).get("waiting", {})
        assert event["object"]["status"]["phase"] == "Pending"
        if waiting.get("reason") not in (None, "ContainerCreating", *reasons[-1:]):
            reasons.append(waiting["reason"])
            assert "127.0.0.1:1/none/such:v1" in waiting["message"]
        if len(reasons) == 2:
            break
    assert reasons == ["ErrImagePull", "ImagePullBackOff"]


@behaviour("An image that is nobody's to pull, or no image's name, is said so", area="pods")
@pytest.mark.parametrize(
    ("image", "policy", "reason"),
    [("gameday/none:v1", "Never", "ErrImageNeverPull"), ("Not A Name", "IfNotPresent", "InvalidImageName")],
)
def test_an_impossible_image(cluster: Cluster, namespace: str, image: str, policy: str, reason: str) -> None:
    """The container waits, and says why."""
    one = container(WAIT) | {"image": image, "imagePullPolicy": policy}
    seen = run(cluster, namespace, pod("one", one), waits(reason))
    assert seen["status"]["phase"] == "Pending"


@behaviour("A program that is not there ends with StartError, code 128", area="pods")
def test_no_such_program(cluster: Cluster, namespace: str) -> None:
    """The message names it."""
    seen = run(cluster, namespace, pod("one", container(["no-such-program"]), restartPolicy="Never"))
    assert seen["status"]["phase"] == "Failed"
    over = state(seen)["terminated"]
    assert (over["reason"], over["exitCode"]) == ("StartError", 128)
    assert 'exec: "no-such-program": executable file not found in $PATH' in over["message"]


@behaviour("A pod past its activeDeadlineSeconds fails with DeadlineExceeded", area="pods")
def test_active_deadline(cluster: Cluster, namespace: str) -> None:
    """Its containers are ended."""
    seen = run(cluster, namespace, pod("one", container(WAIT), activeDeadlineSeconds=2))
    assert (seen["status"]["phase"], seen["status"]["reason"]) == ("Failed", "DeadlineExceeded")
    assert "deadline" in seen["status"]["message"]


# --- the end


@behaviour("A deleted pod keeps running for its grace period, is marked, and hears SIGTERM", area="pods")
def test_a_pod_ends_gracefully(cluster: Cluster, namespace: str) -> None:
    """It takes its time, and ends with the code it chooses."""
    script = "trap 'sleep 1; exit 7' TERM; echo up; while :; do sleep 0.1; done"
    manifest = pod("one", shell(script), terminationGracePeriodSeconds=20)
    with kept(cluster, namespace, manifest) as path:
        until_said(cluster, path, "up")
        answer = cluster.call("DELETE", path)
        assert answer.status == 200
        assert answer.json["metadata"]["deletionGracePeriodSeconds"] == 20
        assert answer.json["metadata"]["deletionTimestamp"]
        seen = cluster.until(path, lambda p: "terminated" in state(p))
        assert state(seen)["terminated"]["exitCode"] == 7
        assert condition(seen, "Ready")["status"] == "False"


@behaviour("A container that does not hear SIGTERM is killed when the grace period is over: code 137", area="pods")
def test_a_deaf_pod_is_killed(cluster: Cluster, namespace: str) -> None:
    """A grace period that the deletion gives wins over the pod's own."""
    with kept(cluster, namespace, pod("one", shell(DEAF), terminationGracePeriodSeconds=600)) as path:
        until_said(cluster, path, "up")
        began = time.monotonic()
        cluster.call("DELETE", path, query={"gracePeriodSeconds": "2"})
        seen = cluster.until(path, lambda p: "terminated" in state(p))
        assert 1.5 < time.monotonic() - began < PATIENCE_S  # of ten minutes
        over = state(seen)["terminated"]
        assert (over["exitCode"], over["reason"]) == (137, "Error")


@behaviour("preStop runs first, and SIGTERM comes when it has ended", area="pods")
def test_pre_stop(cluster: Cluster, namespace: str) -> None:
    """A hook by exec leaves a mark that the program finds when it is told to end."""
    script = "trap 'test -e /box/mark && exit 7' TERM; echo up; while :; do sleep 0.1; done"
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "sleep 1; echo marked > /box/mark"]}}}
    one = shell(script, lifecycle=hook, volumeMounts=[mount("/box")])
    manifest = pod("one", one, terminationGracePeriodSeconds=20, volumes=[{"name": "work", "emptyDir": {}}])
    with kept(cluster, namespace, manifest) as path:
        until_said(cluster, path, "up")
        cluster.call("DELETE", path)
        seen = cluster.until(path, lambda p: "terminated" in state(p))
        assert state(seen)["terminated"]["exitCode"] == 7


@behaviour("preStop by httpGet asks the container itself, before SIGTERM", area="pods")
def test_pre_stop_by_http(cluster: Cluster, namespace: str) -> None:
    """The program says what it was asked before it was told to end, and stays long enough to be heard."""
    program = serve("self.server.asked = self.path; self.answer(200, 'x')")[-1]
    program = program.replace("http.server.ThreadingHTTPServer(", "server = http.server.ThreadingHTTPServer(")
    program = program.replace(
        ").serve_forever()", "); server.asked = ''; print('up', flush=True); server.serve_forever()"
    )
    program = program.replace(
        "lambda *_: os._exit(0)", "lambda *_: print(f'told to end after {server.asked}', flush=True)"
    )
    hook = {"preStop": {"httpGet": {"path": "/stop", "port": "http"}}}
    one = container(["python3", "-c", program], lifecycle=hook, ports=[{"name": "http", "containerPort": 8080}])
    with kept(cluster, namespace, pod("one", one, terminationGracePeriodSeconds=20)) as path:
        until_said(cluster, path, "up")
        cluster.call("DELETE", path)
        until_said(cluster, path, "told to end after /stop")


@behaviour("The time that preStop takes is part of the grace period", area="pods")
def test_a_long_pre_stop(cluster: Cluster, namespace: str) -> None:
    """A hook that never ends does not keep its pod, nor does a program that does not hear SIGTERM."""
    hook = {"preStop": {"exec": {"command": ["sleep", "500"]}}}
    path = cluster.path("pods", namespace, "one")
    manifest = pod("one", shell(DEAF, lifecycle=hook), terminationGracePeriodSeconds=3)
    cluster.create(cluster.path("pods", namespace), manifest)
    until_said(cluster, path, "up")
    began = time.monotonic()
    cluster.call("DELETE", path)
    cluster.until_gone(path)
    assert 2.5 < time.monotonic() - began < PATIENCE_S


@behaviour("postStart by exec runs beside the program; where it fails, the container is killed", area="pods")
def test_post_start(cluster: Cluster, namespace: str) -> None:
    """One pod whose hook helps, one whose hook fails."""
    volumes = [{"name": "work", "emptyDir": {}}]
    helps = {"postStart": {"exec": {"command": ["sh", "-c", "echo posted > /box/mark"]}}}
    waiting = "until test -e /box/mark; do sleep 0.1; done; cat /box/mark"
    fails = {"postStart": {"exec": {"command": ["sh", "-c", "exit 3"]}}}
    bad = pod("bad", shell("sleep 600", lifecycle=fails), restartPolicy="Never")
    cluster.create(cluster.path("pods", namespace), bad)
    said = say(cluster, namespace, shell(waiting, lifecycle=helps, volumeMounts=[mount("/box")]), volumes=volumes)
    assert said == "posted\n"
    seen = cluster.until(cluster.path("pods", namespace, "bad"), ended)
    assert seen["status"]["phase"] == "Failed"
    assert state(seen)["terminated"]["exitCode"] == 137  # a first process that does not care for SIGTERM


@behaviour("kubectl delete --grace-period=0 --force removes a pod at once, whatever it does", area="pods")
def test_force(cluster: Cluster, namespace: str) -> None:
    """The pod ignores SIGTERM and has a long grace period."""
    run(cluster, namespace, pod("one", shell(DEAF), terminationGracePeriodSeconds=600), running)
    began = time.monotonic()
    cluster.kubectl("delete", "pod", "one", "--grace-period=0", "--force", namespace=namespace)
    assert time.monotonic() - began < PATIENCE_S  # of ten minutes
    assert cluster.call("GET", cluster.path("pods", namespace, "one")).status == 404


@behaviour("While a deleted pod ends its name is taken; the next pod of that name has a new uid", area="pods")
def test_a_recreated_pod(cluster: Cluster, namespace: str) -> None:
    """Create, delete, create too early (a finalizer holds the first one), create again."""
    manifest = pod("one", container(WAIT), terminationGracePeriodSeconds=1)
    pods = cluster.path("pods", namespace)
    with kept(cluster, namespace, manifest) as path:
        first = cluster.until(path, running)
        cluster.call("DELETE", path)
        answer = cluster.call("POST", pods, pod("one", container(WAIT)))
        assert (answer.status, answer.reason) == (409, "AlreadyExists")
        assert "object is being deleted" in answer.json["message"]
    cluster.until_gone(path)
    assert cluster.create(pods, pod("one", container(WAIT)))["metadata"]["uid"] != first["metadata"]["uid"]


@behaviour(
    "A pod that is deleted while its init container runs ends without its containers having started", area="pods"
)
def test_deletion_during_the_start(cluster: Cluster, namespace: str) -> None:
    """Its init container would take very long."""
    manifest = pod("one", container(WAIT), initContainers=[shell("sleep 600", "long")])
    with kept(cluster, namespace, manifest) as path:
        cluster.until(path, lambda p: "running" in state(p, "long"))
        cluster.call("DELETE", path)
        seen = cluster.until(path, lambda p: "terminated" in state(p, "long"))
        assert "running" not in state(seen)
        assert status(seen).get("lastState", {}) == {}
        assert (status(seen)["restartCount"], status(seen).get("containerID", "")) == (0, "")
        assert "Started container main" not in [words for _, _, words in events(cluster, namespace, "one")]


@behaviour("Labels of a running pod change without a restart; its containers' command cannot", area="pods")
def test_a_running_pod_changes(cluster: Cluster, namespace: str) -> None:
    """The pod that runs is the pod that was made."""
    seen = run(cluster, namespace, pod("one", container(WAIT)), ready)
    path = cluster.path("pods", namespace, "one")
    changed = cluster.patch(path, {"metadata": {"labels": {"more": "yes"}}}, MERGE)
    assert status(changed)["containerID"] == status(seen)["containerID"]
    patch = [{"op": "replace", "path": "/spec/containers/0/command", "value": ["sleep", "7"]}]
    answer = cluster.call("PATCH", path, patch, kind="application/json-patch+json")
    assert (answer.status, answer.reason) == (422, "Invalid")
