"""Containers: in order, together, their environment, their last words, and what they may not do."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.behaviours import behaviour
from tests.contract.manifests import WAIT, container, pod, serve, service
from tests.contract.running import (
    condition,
    log,
    mount,
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

WORK = [{"name": "work", "emptyDir": {}}]


@behaviour("Init containers run one after the other, each to its end, before the containers start", area="pods")
def test_init_containers(cluster: Cluster, namespace: str) -> None:
    """Each adds a line to a file that all of them share."""
    here: Any = {"volumeMounts": [mount("/box")]}
    init = [shell("sleep 0.5; echo one >> /box/said", "one", **here), shell("echo two >> /box/said", "two", **here)]
    manifest = pod("job", shell("cat /box/said", **here), initContainers=init, volumes=WORK, restartPolicy="Never")
    seen = run(cluster, namespace, manifest)
    assert log(cluster, namespace, "job") == "one\ntwo\n"
    for name in ("one", "two"):
        assert (state(seen, name)["terminated"]["reason"], status(seen, name)["ready"]) == ("Completed", True)
    assert [one["name"] for one in seen["status"]["initContainerStatuses"]] == ["one", "two"]


@behaviour("While an init container runs the pod is Pending, not initialized, and its containers wait", area="pods")
def test_while_an_init_container_runs(cluster: Cluster, namespace: str) -> None:
    """The second of two has not begun either."""
    init = [container(WAIT, "long"), container(WAIT, "next")]
    seen = run(
        cluster, namespace, pod("one", container(WAIT), initContainers=init), lambda p: "running" in state(p, "long")
    )
    assert seen["status"]["phase"] == "Pending"
    why = condition(seen, "Initialized")
    assert (why["status"], why["reason"]) == ("False", "ContainersNotInitialized")
    assert why["message"] == "containers with incomplete status: [long next]"
    assert state(seen) == state(seen, "next") == {"waiting": {"reason": "PodInitializing"}}


@behaviour("A failed init container fails a pod that is not restarted; its containers never start", area="pods")
def test_a_failed_init_container(cluster: Cluster, namespace: str) -> None:
    """Its exit code is in the status."""
    manifest = pod("one", container(WAIT), initContainers=[shell("exit 4", "bad")], restartPolicy="Never")
    seen = run(cluster, namespace, manifest)
    assert seen["status"]["phase"] == "Failed"
    assert state(seen, "bad")["terminated"]["exitCode"] == 4
    assert state(seen) == {"waiting": {"reason": "PodInitializing"}}
    assert condition(seen, "Initialized")["status"] == "False"


@behaviour("A failed init container is tried again where the pod is restarted", area="pods")
def test_an_init_container_is_tried_again(cluster: Cluster, namespace: str) -> None:
    """It fails once, then the pod comes up."""
    script = "test -e /box/tried && exit 0; touch /box/tried; exit 5"
    init = [shell(script, "flaky", volumeMounts=[mount("/box")])]
    seen = run(cluster, namespace, pod("one", container(WAIT), initContainers=init, volumes=WORK), running)
    assert status(seen, "flaky")["restartCount"] == 1
    assert state(seen, "flaky")["terminated"]["exitCode"] == 0


@behaviour("The containers of a pod share its volumes and its address", area="pods")
def test_containers_of_a_pod(cluster: Cluster, namespace: str) -> None:
    """One writes and serves, the other reads and asks."""
    ask = (
        "import os, time, urllib.request\n"
        "while not os.path.exists('/box/here'): time.sleep(0.05)\n"
        "while True:\n"
        "    try: print(urllib.request.urlopen(f\"http://{os.environ['POD_IP']}:8080\").read().decode()); break\n"
        "    except OSError: time.sleep(0.05)\n"
        "open('/box/done', 'w').close()\n"
    )
    script = 'touch /box/here; python3 -c "$SERVER" & until test -e /box/done; do sleep 0.1; done'
    server = {"env": [{"name": "SERVER", "value": serve()[-1]}], "volumeMounts": [mount("/box")]}
    said = say(cluster, namespace, container(["python3", "-c", ask], volumeMounts=[mount("/box")]),
               shell(script, "other", **server), volumes=WORK)  # fmt: skip
    assert said == "hello\n"


@behaviour("A container that ends is restarted alone; the others of its pod go on", area="pods")
def test_a_restart_of_one(cluster: Cluster, namespace: str) -> None:
    """The pod keeps its address and its other container."""
    script = "test -e /box/tried && sleep 600; touch /box/tried; until test -e /box/end; do sleep 0.1; done"
    main, other = shell(script, volumeMounts=[mount("/box")]), container(WAIT, "other", volumeMounts=[mount("/box")])
    manifest = pod("one", main, other, volumes=WORK)
    before = run(cluster, namespace, manifest, running)
    cluster.kubectl("exec", "one", "-c", "other", "--", "touch", "/box/end", namespace=namespace)
    path = cluster.path("pods", namespace, "one")
    seen = cluster.until(path, lambda p: status(p)["restartCount"] == 1 and running(p))
    assert status(seen)["containerID"] != status(before)["containerID"]
    assert status(seen)["lastState"]["terminated"]["containerID"] == status(before)["containerID"]
    assert status(seen, "other") == status(before, "other")
    assert seen["status"]["podIP"] == before["status"]["podIP"]


# --- last words


@behaviour("What a container writes to its termination message path is in its status", area="pods")
@pytest.mark.parametrize("fields", [{}, {"terminationMessagePath": "/tmp/last-words"}], ids=["default", "own"])
def test_termination_message(cluster: Cluster, namespace: str, fields: dict[str, str]) -> None:
    """With the default path and with one of its own."""
    path = fields.get("terminationMessagePath", "/dev/termination-log")
    one = shell(f"echo said; printf 'why it ended' > {path}; exit 2", **fields)
    seen = run(cluster, namespace, pod("one", one, restartPolicy="Never"))
    assert state(seen)["terminated"]["message"] == "why it ended"


@behaviour("With FallbackToLogsOnError a failed container's last lines are its message, a good one's not", area="pods")
def test_fallback_to_logs(cluster: Cluster, namespace: str) -> None:
    """Only where it wrote no message."""
    fall = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    bad, good = shell("echo one; echo two >&2; exit 2", "bad", **fall), shell("echo fine", "good", **fall)
    seen = run(cluster, namespace, pod("one", bad, good, restartPolicy="Never"))
    # Both streams are in it, in the order in which the container runtime got round to reading them.
    assert sorted(state(seen, "bad")["terminated"]["message"].splitlines()) == ["one", "two"]
    assert "message" not in state(seen, "good")["terminated"]


# --- environment


@behaviour("$(NAME) is expanded in command, args and env; $$ is one $; unknown names stay", area="volumes")
def test_expansion(cluster: Cluster, namespace: str) -> None:
    """An earlier variable may be used, a later one may not."""
    env = [{"name": "A", "value": "one"}, {"name": "B", "value": "$(A)-$$(A)-$(C)-$(NO)"}, {"name": "C", "value": "x"}]
    command = ["python3", "-c", "import os, sys; print(os.environ['B'], *sys.argv[1:])", "$(A)", "$$(A)"]
    said = say(cluster, namespace, container(command, env=env, args=["$(B)", "$(NO)", "a$$b"]))
    assert said == "one-$(A)-$(C)-$(NO) one $(A) one-$(A)-$(C)-$(NO) $(NO) a$b\n"


_SHOW = "import json, os; print(json.dumps(dict(os.environ)))"


def _environment(cluster: Cluster, namespace: str, env: list[Any], labels: Any = None, **fields: Any) -> Any:
    spec = {k.removeprefix("pod_"): fields.pop(k) for k in list(fields) if k.startswith("pod_")}
    manifest = pod("job", container(["python3", "-c", _SHOW], env=env, **fields), labels=labels,
                   restartPolicy="Never", **spec)  # fmt: skip
    manifest["metadata"]["annotations"] = {"note": "a b"}
    run(cluster, namespace, manifest)
    return json.loads(log(cluster, namespace, "job"))


@behaviour("Fields of the pod are variables by fieldRef", area="volumes")
def test_field_references(cluster: Cluster, namespace: str) -> None:
    """Every field that Kubernetes offers."""
    paths = ["metadata.name", "metadata.namespace", "metadata.uid", "metadata.labels['app']", "spec.nodeName",
             "metadata.annotations['note']", "spec.serviceAccountName", "status.podIP", "status.hostIP",
             "status.podIPs", "metadata.labels['none']"]  # fmt: skip
    env = [{"name": f"V{n}", "valueFrom": {"fieldRef": {"fieldPath": p}}} for n, p in enumerate(paths)]
    found = _environment(cluster, namespace, env, {"app": "shop"})
    seen = cluster.read(cluster.path("pods", namespace, "job"))
    meta, spec, known = seen["metadata"], seen["spec"], seen["status"]
    assert [found[f"V{n}"] for n in range(len(paths))] == [
        "job", namespace, meta["uid"], "shop", spec["nodeName"], "a b", "default", known["podIP"], known["hostIP"],
        known["podIP"], "",
    ]  # fmt: skip
    assert found["HOSTNAME"] == "job"


@behaviour("Requests and limits are variables by resourceFieldRef, in units of its divisor, rounded up", area="volumes")
def test_resource_references(cluster: Cluster, namespace: str) -> None:
    """Of CPU and memory."""
    asked = [("limits.cpu", "0"), ("limits.cpu", "1m"), ("requests.memory", "0"), ("limits.memory", "1Mi")]
    env = [
        {"name": f"V{n}", "valueFrom": {"resourceFieldRef": {"resource": r, "divisor": d}}}
        for n, (r, d) in enumerate(asked)
    ]
    resources = {"limits": {"cpu": "250m", "memory": "64Mi"}, "requests": {"cpu": "1m", "memory": "32Mi"}}
    found = _environment(cluster, namespace, env, resources=resources)
    assert [found[f"V{n}"] for n in range(len(asked))] == ["1", "250", str(32 << 20), "64"]


@behaviour("ConfigMaps and Secrets are variables, by key and whole, with a prefix, a later one winning", area="volumes")
def test_configuration_references(cluster: Cluster, namespace: str) -> None:
    """`env` wins over `envFrom`; optional references that lead nowhere set nothing."""
    cluster.create(cluster.path("configmaps", namespace), {"metadata": {"name": "c"}, "data": {"A": "1", "B": "2"}})
    cluster.create(cluster.path("secrets", namespace), {"metadata": {"name": "s"}, "stringData": {"B": "secret"}})
    env = [
        {"name": "ONE", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "A"}}},
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "B"}}},
        {"name": "NO", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "none", "optional": True}}},
        {"name": "A", "value": "own"},
    ]
    sources = [
        {"configMapRef": {"name": "c"}}, {"secretRef": {"name": "s"}}, {"configMapRef": {"name": "c"}, "prefix": "P_"},
        {"secretRef": {"name": "none", "optional": True}},
    ]  # fmt: skip
    found = _environment(cluster, namespace, env, envFrom=sources)
    wanted = {"ONE": "1", "KEY": "secret", "A": "own", "B": "secret", "P_A": "1", "P_B": "2"}
    assert {name: found.get(name) for name in wanted} == wanted
    assert "NO" not in found


@behaviour("Each Service of the namespace, and the API, has its variables in pods that start after it", area="volumes")
def test_service_variables(cluster: Cluster, namespace: str) -> None:
    """Host, port, port by name, and the older links; none with enableServiceLinks false, but the API's."""
    made = cluster.create(cluster.path("services", namespace), service("cart-api"))
    found = _environment(cluster, namespace, [])
    address = made["spec"]["clusterIP"]
    assert found["CART_API_SERVICE_HOST"] == address
    assert found["CART_API_SERVICE_PORT"] == found["CART_API_SERVICE_PORT_HTTP"] == "80"
    assert found["CART_API_PORT"] == found["CART_API_PORT_80_TCP"] == f"tcp://{address}:80"
    api = cluster.read("/api/v1/namespaces/default/services/kubernetes")["spec"]
    assert found["KUBERNETES_SERVICE_HOST"] == api["clusterIP"]
    cluster.call("DELETE", cluster.path("pods", namespace, "job"))
    cluster.until_gone(cluster.path("pods", namespace, "job"))
    found = _environment(cluster, namespace, [], pod_enableServiceLinks=False)
    assert "CART_API_SERVICE_HOST" not in found
    assert found["KUBERNETES_SERVICE_PORT"] == str(api["ports"][0]["port"])


@behaviour("A reference to a ConfigMap, Secret or key that is missing is a CreateContainerConfigError", area="volumes")
def test_missing_configuration(cluster: Cluster, namespace: str) -> None:
    """One container for each; the message names what is missing."""
    cluster.create(cluster.path("configmaps", namespace), {"metadata": {"name": "c"}, "data": {"A": "1"}})
    missing: dict[str, Any] = {
        "no-map": {"configMapKeyRef": {"name": "nope", "key": "a"}},
        "no-key": {"configMapKeyRef": {"name": "c", "key": "b"}},
        "no-secret": {"secretKeyRef": {"name": "nope", "key": "a"}},
    }
    several = [container(WAIT, name, env=[{"name": "X", "valueFrom": v}]) for name, v in missing.items()]
    reason = "CreateContainerConfigError"
    seen = run(cluster, namespace, pod("one", *several), lambda p: all(waits(reason, name=n)(p) for n in missing))
    said = {name: state(seen, name)["waiting"]["message"] for name in missing}
    assert said["no-map"] == 'configmap "nope" not found'
    assert said["no-key"] == f"couldn't find key b in ConfigMap {namespace}/c"
    assert said["no-secret"] == 'secret "nope" not found'
    assert seen["status"]["phase"] == "Pending"


# --- what a container finds


@behaviour("A container starts in its workingDir", area="pods")
def test_working_directory(cluster: Cluster, namespace: str) -> None:
    """Relative paths are below it."""
    one = shell("echo here > mark; cat /box/mark", workingDir="/box", volumeMounts=[mount("/box")])
    assert say(cluster, namespace, one, volumes=WORK) == "here\n"


@behaviour("spec.hostname is what a container's HOSTNAME says", area="pods")
def test_hostname(cluster: Cluster, namespace: str) -> None:
    """The pod has another name."""
    assert say(cluster, namespace, shell("echo $HOSTNAME"), hostname="web-0", subdomain="web") == "web-0\n"


@behaviour("runAsNonRoot with runAsUser 0 is a CreateContainerConfigError", area="pods")
def test_run_as_non_root(cluster: Cluster, namespace: str) -> None:
    """The container's own securityContext wins over the pod's."""
    one = container(WAIT, securityContext={"runAsUser": 0})
    seen = run(
        cluster, namespace, pod("one", one, securityContext={"runAsNonRoot": True, "runAsUser": 1000}),
        waits("CreateContainerConfigError"),
    )  # fmt: skip
    assert "runAsUser breaks non-root policy" in state(seen)["waiting"]["message"]


# --- what a machine of its own would give


@behaviour("A container's first process has number 1", area="pods",
           differs="there is no privilege to make a PID namespace with: pods are processes among the machine's",
)  # fmt: skip
def test_process_one(cluster: Cluster, namespace: str) -> None:
    """As the container itself sees it."""
    number = int(say(cluster, namespace, container(["python3", "-c", "import os; print(os.getpid())"])))
    assert (number == 1) is not cluster.embedded


@behaviour("The machine's name, as a container sees it, is the pod's", area="pods",
           differs="there is no privilege to name a machine: HOSTNAME is right, uname says the real machine's name",
)  # fmt: skip
def test_machine_name(cluster: Cluster, namespace: str) -> None:
    """By uname, not by the environment."""
    said = say(cluster, namespace, container(["python3", "-c", "import os; print(os.uname().nodename)"]))
    assert said == (f"{os.uname().nodename}\n" if cluster.embedded else "job\n")


@behaviour("The containers of a pod reach each other by localhost", area="pods")
def test_localhost(cluster: Cluster, namespace: str) -> None:
    """One listens at a port of 127.0.0.1 and writes it down, the other asks there."""
    here: Any = {"volumeMounts": [mount("/box")]}
    ask = "import os, socket, time\nwhile not os.path.exists('/box/port'): time.sleep(0.05)\n" + _ASK.format(
        port="int(open('/box/port').read())"
    )
    listen = container(["python3", "-c", _LISTEN.format(file="/box/port") + "server.accept()"], "other", **here)
    assert say(cluster, namespace, container(["python3", "-c", ask], **here), listen, volumes=WORK) == "met\n"


@behaviour("Pods do not share localhost", area="pods",
           differs="there is no privilege to make a network namespace with: use the pod's address, which is its own",
)  # fmt: skip
def test_localhost_of_another_pod(cluster: Cluster, namespace: str) -> None:
    """While one pod listens, another finds nobody."""
    wait = "\nwhile True: server.accept()\n"
    run(cluster, namespace, pod("one", container(["python3", "-c", _LISTEN.format(file="/tmp/port") + wait])), running)
    until_said(cluster, cluster.path("pods", namespace, "one"), "listening at ")
    port = log(cluster, namespace, "one").split()[-1]
    said = say(cluster, namespace, container(["python3", "-c", "import socket\n" + _ASK.format(port=port)]))
    assert said == ("met\n" if cluster.embedded else "nobody\n")


_LISTEN = """
import os, socket
server = socket.create_server(("127.0.0.1", 0))
port = server.getsockname()[1]
print("listening at", port, flush=True)
with open("{file}.part", "w") as file: file.write(str(port))
os.rename("{file}.part", "{file}")
"""
_ASK = """
try: socket.create_connection(("127.0.0.1", {port}), 5); print("met")
except OSError: print("nobody")
"""


@behaviour("A container runs as its runAsUser", area="pods",
           differs="there is no privilege to be another user: all pods run as the user who started the cluster",
)  # fmt: skip
def test_run_as_user(cluster: Cluster, namespace: str) -> None:
    """With the group as well."""
    context = {"runAsUser": 1234, "runAsGroup": 4321}
    said = say(cluster, namespace, shell("echo $(id -u) $(id -g)"), securityContext=context)
    assert said == (f"{os.getuid()} {os.getgid()}\n" if cluster.embedded else "1234 4321\n")


@behaviour("readOnlyRootFilesystem and a readOnly mount cannot be written to", area="volumes",
           differs="there is no privilege to mount: a volume is a folder of the user's")  # fmt: skip
def test_read_only(cluster: Cluster, namespace: str) -> None:
    """Neither a file in the container's own folder nor one in the volume."""
    one = shell("touch mark 2>/dev/null && echo root; touch /box/mark 2>/dev/null && echo volume; true",
                volumeMounts=[mount("/box", readOnly=True)],
                securityContext={"readOnlyRootFilesystem": True})  # fmt: skip
    assert say(cluster, namespace, one, volumes=WORK) == ("root\nvolume\n" if cluster.embedded else "")


@behaviour("A pod that asks for more than any node has stays Pending: Unschedulable", area="pods")
def test_more_than_there_is(cluster: Cluster, namespace: str) -> None:
    """A million CPUs."""
    greedy = pod("one", container(WAIT, resources={"requests": {"cpu": "1000000"}}))
    seen = run(cluster, namespace, greedy, lambda p: condition(p, "PodScheduled"))
    assert (condition(seen, "PodScheduled")["status"], condition(seen, "PodScheduled")["reason"]) == (
        "False", "Unschedulable",
    )  # fmt: skip
    assert seen["status"]["phase"] == "Pending"
