"""Pods as processes: what runs in them, how they fail, how they end."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from gameday.cluster.logs import CommandError
from tests.unit.cluster.engine.lab import ended, engine, running, state_of, untimed

if TYPE_CHECKING:
    from pathlib import Path

    from gameday.cluster.kubelet.runtime.client import Command, Process
    from gameday.cluster.store import Object

SERVE = ["python", "-m", "http.server", "--bind", "$(POD_IP)", "8080"]
POD_IP = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
HTTP = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}


def script(text: str) -> list[str]:
    """A command that runs a Python script in a fresh interpreter."""
    return [sys.executable, "-c", text]


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_pod_runs_to_its_end_and_keeps_its_output(tmp_path: Path) -> None:
    """A pod that is not to be restarted succeeds, and its output can be read afterwards."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            lab.pod("job", ["sh", "-c", "echo one; echo two >&2"], spec_restartPolicy="Never")
            pod = await lab.until("pods", "job", ended)
            assert pod["status"]["phase"] == "Succeeded"
            assert state_of(pod)["state"]["terminated"]["reason"] == "Completed"
            assert lab.log("job") == "one\ntwo"

    asyncio.run(story())


def test_init_containers_run_in_order_and_share_an_empty_dir(tmp_path: Path) -> None:
    """What an init container writes into an emptyDir is there for the next ones, by the mount path."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            mount = [{"name": "work", "mountPath": "/var/data"}]
            init = [
                {"name": n, "image": "gameday/storefront:dev", "volumeMounts": mount,
                 "command": ["sh", "-c", f"echo {n} >> /var/data/log"]} for n in ("first", "second")
            ]  # fmt: skip
            lab.pod("job", ["cat", "/var/data/log"], volumeMounts=mount, spec_restartPolicy="Never",
                    spec_volumes=[{"name": "work", "emptyDir": {}}], spec_initContainers=init)  # fmt: skip
            pod = await lab.until("pods", "job", ended)
            assert lab.log("job") == "first\nsecond"
            assert [c["state"]["terminated"]["exitCode"] for c in pod["status"]["initContainerStatuses"]] == [0, 0]

    asyncio.run(story())


def test_a_mount_does_not_hide_this_machines_own_programs(tmp_path: Path) -> None:
    """A volume mounted where the interpreter lies (a checkout below /tmp) changes the manifest's paths, not ours."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            hidden = os.path.dirname(sys.executable)  # noqa: PTH120 - text
            text = "import os, sys\nprint(sys.executable, os.environ['PATH'], sys.argv[1], sep='\\n')"
            lab.pod("job", ["python3", "-c", text, f"{hidden}/x"], spec_restartPolicy="Never",
                    volumeMounts=[{"name": "w", "mountPath": hidden}],
                    spec_volumes=[{"name": "w", "emptyDir": {}}])  # fmt: skip
            await lab.until("pods", "job", ended)
            program, path, argument = lab.log("job").splitlines()
            assert program == sys.executable
            assert hidden in path.split(":")
            assert argument.endswith("/x")
            assert not argument.startswith(hidden)

    asyncio.run(story())


def test_environment_comes_from_all_its_sources(tmp_path: Path) -> None:
    """Values, ConfigMaps, Secrets, fields, Services and references to earlier variables all arrive."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            lab.create("configmaps", "conf", data={"COLOUR": "green", "SIZE": "9"})
            lab.create("secrets", "key", data={"password": "aHVzaA=="})
            lab.create("services", "cart-api", spec={"clusterIP": "127.0.9.9", "ports": [{"name": "http", "port": 80}]})
            env = [
                {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "key", "key": "password"}}},
                {"name": "URL", "value": "http://$(CART_API_SERVICE_HOST):$(CART_API_SERVICE_PORT_HTTP)/$$(X)$(NOPE)"},
                {"name": "SIZE", "value": "10"},
            ]
            command = ["sh", "-c", "echo $COLOUR $SIZE $PASSWORD $URL $HOSTNAME"]
            lab.pod("job", command, env=env, envFrom=[{"configMapRef": {"name": "conf"}}], spec_restartPolicy="Never")
            await lab.until("pods", "job", ended)
            assert lab.log("job") == "green 10 hush http://127.0.9.9:80/$(X)$(NOPE) job"

    asyncio.run(story())


def test_a_changed_config_map_reaches_the_volume_whole(tmp_path: Path) -> None:
    """A mounted ConfigMap is refreshed soon, by one rename."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            lab.create("configmaps", "conf", data={"a": "1", "b": "1"})
            text = "import sys,time,pathlib\np=pathlib.Path(sys.argv[1])\n"
            text += "while (p/'a').read_text() == '1': time.sleep(.02)\n"
            text += "print((p/'a').read_text(), (p/'b').read_text(), (p/'c').exists())"
            mounts = [{"name": "conf", "mountPath": "/etc/conf"}]
            volumes = [{"name": "conf", "configMap": {"name": "conf"}}]
            lab.pod("job", [*script(text), "/etc/conf"], volumeMounts=mounts, spec_volumes=volumes,
                    spec_restartPolicy="Never")  # fmt: skip
            await lab.until("pods", "job", running)
            lab.store.update(
                "configmaps", {"metadata": {"name": "conf", "namespace": "shop"}, "data": {"a": "2", "b": "2"}}
            )
            await lab.until("pods", "job", ended)
            assert lab.log("job") == "2 2 False"

    asyncio.run(story())


@pytest.mark.parametrize("where", ["/tmp/out", "../../out"])
def test_variables_do_not_lead_out_of_a_volume(tmp_path: Path, where: str) -> None:
    """A subPathExpr is checked again when its variables are known: CreateContainerConfigError, and nothing is made."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            mount = {"name": "w", "mountPath": "/w", "subPathExpr": "$(WHERE)"}
            lab.pod("web", ["sleep", "100"], env=[{"name": "WHERE", "value": where}], volumeMounts=[mount],
                    spec_volumes=[{"name": "w", "emptyDir": {}}])  # fmt: skip
            pod = await lab.until(
                "pods", "web", lambda p: state_of(p).get("state", {}).get("waiting", {}).get("message")
            )
            waiting = state_of(pod)["state"]["waiting"]
            assert waiting["reason"] == "CreateContainerConfigError"
            assert where in waiting["message"]
            assert not (tmp_path / "pods" / pod["metadata"]["uid"] / "out").exists()

    asyncio.run(story())


def test_no_path_of_a_container_leads_out_of_its_root(tmp_path: Path) -> None:
    """Neither its working directory nor the path of its last words: `/..` is `/`."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            up = "/.." * 30 + str(tmp_path / "out")
            lab.pod("job", ["pwd"], workingDir=up, terminationMessagePath=f"{up}/words", spec_restartPolicy="Never")
            pod = await lab.until("pods", "job", ended)
            assert state_of(pod)["state"]["terminated"]["reason"] == "Completed"
            assert f"/{pod['metadata']['uid']}/root/main/" in lab.log("job")
            assert not (tmp_path / "out").exists()

    asyncio.run(story())


def test_an_unknown_image_is_not_pulled(tmp_path: Path) -> None:
    """An image that the cluster does not know ends in ImagePullBackOff, and the message names those it knows."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            lab.pod("odd", ["true"], image="busybox:1")
            pod = await lab.until(
                "pods",
                "odd",
                lambda p: state_of(p).get("state", {}).get("waiting", {}).get("reason") == "ImagePullBackOff",
            )
            assert "gameday/storefront" in state_of(pod)["state"]["waiting"]["message"]
            assert pod["status"]["phase"] == "Pending"

    asyncio.run(story())


@pytest.mark.parametrize("made", ["mkfifo $f", "ln -s /etc/passwd $f", "mkdir $f", "ln -s /dev/zero $f"])
def test_last_words_are_a_regular_file(tmp_path: Path, made: str) -> None:
    """What a container puts in its place is neither waited for nor followed."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            command = ["sh", "-c", f"f=/dev/termination-log; rm $f; {made}; echo made"]
            lab.pod("job", command, spec_restartPolicy="Never")
            terminated = state_of(await lab.until("pods", "job", ended))["state"]["terminated"]
            assert lab.log("job") == "made"
            assert (terminated["exitCode"], terminated.get("message")) == (0, None)

    asyncio.run(story())


def test_last_words_are_cut(tmp_path: Path) -> None:
    """Their first 4096 bytes are kept."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            lab.pod("job", ["sh", "-c", "yes | head -c 9000 > /dev/termination-log"], spec_restartPolicy="Never")
            terminated = state_of(await lab.until("pods", "job", ended))["state"]["terminated"]
            assert len(terminated["message"]) == 4096

    asyncio.run(story())


def test_a_crashing_container_backs_off(tmp_path: Path) -> None:
    """The first restart is immediate, then CrashLoopBackOff says 10 s; the previous output can be read."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            lab.pod("bad", ["sh", "-c", "echo boom; exit 3"])
            pod = await lab.until(
                "pods",
                "bad",
                lambda p: state_of(p).get("state", {}).get("waiting", {}).get("reason") == "CrashLoopBackOff",
            )
            status = state_of(pod)
            assert status["restartCount"] == 1
            assert status["lastState"]["terminated"]["exitCode"] == 3
            assert "back-off 10s" in status["state"]["waiting"]["message"]
            assert lab.log("bad", previous=True) == "boom"

    asyncio.run(story())


def test_readiness_follows_the_probe(tmp_path: Path) -> None:
    """A pod is ready when its probe succeeds, and no longer when that fails three times."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            probe = {"exec": {"command": ["test", "-e", "/w/ok"]}, "periodSeconds": 1, "failureThreshold": 1}
            command = ["sh", "-c", "touch /w/ok; trap 'rm /w/ok' USR1; while :; do sleep 0.05; done"]
            lab.pod("web", command, readinessProbe=probe, volumeMounts=[{"name": "w", "mountPath": "/w"}],
                    spec_volumes=[{"name": "w", "emptyDir": {}}])  # fmt: skip
            pod = await lab.until("pods", "web", lambda p: state_of(p).get("ready"))
            conditions = {c["type"]: c["status"] for c in pod["status"]["conditions"]}
            assert conditions["Ready"] == conditions["ContainersReady"] == "True"
            (tmp_path / "pods" / pod["metadata"]["uid"] / "volumes" / "w" / "ok").unlink()
            pod = await lab.until("pods", "web", lambda p: not state_of(p).get("ready"))
            assert running(pod)

    asyncio.run(story())


def test_a_talkative_probe_comes_to_its_end(tmp_path: Path) -> None:
    """What a command writes is taken while it runs, however much; the event has the first of it."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            text = "echo first; yes | head -c 300000; test -e /w/ok"
            probe = {"exec": {"command": ["sh", "-c", text]}, "periodSeconds": 1, "timeoutSeconds": 10}
            lab.pod("web", ["sleep", "100"], readinessProbe=probe, volumeMounts=[{"name": "w", "mountPath": "/w"}],
                    spec_volumes=[{"name": "w", "emptyDir": {}}])  # fmt: skip
            pod = await lab.until("pods", "web", running)
            async with asyncio.timeout(20):
                said: list[Object] = []
                while not said:
                    said = [e for e in lab.store.list("events", "shop") if e["reason"] == "Unhealthy"]
                    await asyncio.sleep(0.02)
            assert "first" in said[0]["message"]
            assert len(said[0]["message"]) < 1200
            (tmp_path / "pods" / pod["metadata"]["uid"] / "volumes" / "w" / "ok").touch()
            await lab.until("pods", "web", lambda p: state_of(p).get("ready"))

    asyncio.run(story())


def test_a_command_does_not_outlive_the_container_it_was_meant_for(tmp_path: Path) -> None:
    """One that starts while its container ends is killed, and whoever wanted it is told."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            pod = lab.pod("web", ["sleep", "100"], spec_restartPolicy="Never")
            await lab.until("pods", "web", running)
            spawn, late = lab.runtime.spawn, []

            async def slow(command: Command, *streams: int) -> Process:
                late.append(await spawn(command, *streams))
                container = lab.kubelet._pods["shop", pod["metadata"]["name"]]._containers[0]
                assert container._instance
                container._instance.process.kill()
                await lab.until("pods", "web", ended)
                return late[0]

            lab.runtime.spawn = slow  # type: ignore[method-assign]
            out = os.open(os.devnull, os.O_WRONLY)
            with pytest.raises(CommandError, match="container not found"):
                await lab.kubelet.execute("shop", "web", "main", ["sleep", "100"], out)
            async with asyncio.timeout(20):
                assert (await late[0].exited).code == 137

    asyncio.run(story())


def test_a_failed_liveness_probe_restarts_the_container(tmp_path: Path) -> None:
    """It is ended with its grace, in which it is not asked any more, and started again."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            probe = {
                "exec": {"command": ["sh", "-c", "echo x >> asked; exit 1"]},
                "periodSeconds": 1,
                "timeoutSeconds": 30,
            }
            # The probe waits until the program has begun, each time: what was asked before is not wiped off by it.
            begun = {"exec": {"command": ["test", "-e", "up"]}, "periodSeconds": 1, "failureThreshold": 100}
            program = ["sh", "-c", "cat asked; rm -f asked; touch up; sleep 100; :"]
            lab.pod("web", program, spec_terminationGracePeriodSeconds=3, startupProbe=begun,
                    livenessProbe={**probe, "failureThreshold": 1},
                    lifecycle={"preStop": {"exec": {"command": ["rm", "-f", "up"]}}})  # fmt: skip
            pod = await lab.until("pods", "web", lambda p: state_of(p).get("restartCount") == 1 and running(p))
            assert state_of(pod)["lastState"]["terminated"]["exitCode"] == 137
            while not lab.log("web"):  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.02)
            assert lab.log("web") == "x"

    asyncio.run(story())


def test_deletion_is_graceful_and_then_takes_all_processes(tmp_path: Path) -> None:
    """SIGTERM goes to the main process; what it leaves behind, in other sessions too, is killed."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            text = (
                "import signal,subprocess,sys,time\n"
                "child = subprocess.Popen(['sleep', '100'], start_new_session=True)\n"
                "def end(*_):\n    print('bye', flush=True); sys.exit(0)\n"
                "signal.signal(signal.SIGTERM, end)\n"
                "print(child.pid, flush=True)\n"
                "while True: time.sleep(0.05)\n"
            )
            lab.pod("web", script(text), spec_terminationGracePeriodSeconds=60)
            pod = await lab.until("pods", "web", running)
            while not lab.log("web"):  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.02)
            child = int(lab.log("web"))
            said = lab.open_log("web")
            began = time.monotonic()
            lab.store.delete("pods", "shop", "web")
            assert "deletionTimestamp" in lab.store.get("pods", "shop", "web")["metadata"]
            await lab.until_gone("pods", "web")
            assert time.monotonic() - began < 30  # of a grace period of 60
            assert untimed(said.read()).endswith("bye")
            said.close()
            assert not alive(child)
        assert not (tmp_path / "pods" / pod["metadata"]["uid"]).exists()
        assert not (tmp_path / "logs" / "shop" / "web" / pod["metadata"]["uid"]).exists()

    asyncio.run(story())


def test_a_pod_that_ignores_sigterm_is_killed_after_its_grace(tmp_path: Path) -> None:
    """SIGKILL comes when the grace period is over, not before."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            lab.pod("deaf", ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"],
                    spec_terminationGracePeriodSeconds=60)  # fmt: skip
            await lab.until("pods", "deaf", running)
            while not lab.log("deaf"):  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.02)
            began = time.monotonic()
            lab.store.delete("pods", "shop", "deaf", grace_s=1)
            await lab.until_gone("pods", "deaf")
            assert 0.9 < time.monotonic() - began < 30  # its own grace period is 60

    asyncio.run(story())


def test_pre_stop_runs_before_sigterm(tmp_path: Path) -> None:
    """The hook has ended when the main process is told to end."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            hook = {"preStop": {"exec": {"command": ["sh", "-c", "sleep 0.2; echo hook >> /w/log"]}}}
            command = ["sh", "-c", "echo up; trap 'cat /w/log; exit 0' TERM; while :; do sleep 0.05; done"]
            lab.pod("web", command, lifecycle=hook, volumeMounts=[{"name": "w", "mountPath": "/w"}],
                    spec_volumes=[{"name": "w", "emptyDir": {}}], spec_terminationGracePeriodSeconds=60)  # fmt: skip
            await lab.until("pods", "web", running)
            while not lab.log("web"):  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.02)
            said = lab.open_log("web")
            lab.store.delete("pods", "shop", "web")
            await lab.until_gone("pods", "web")
            assert untimed(said.read()) == "up\nhook"
            said.close()

    asyncio.run(story())


def test_a_python_service_starts_in_a_fresh_session(tmp_path: Path) -> None:
    """`python -m` forks from the warm parent: own process group, own environment, asyncio works."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            (tmp_path / "probe_me.py").write_text(
                "import asyncio, os, signal, sys\n"
                "async def main(): await asyncio.sleep(0.01); return await asyncio.to_thread(os.getsid, 0)\n"
                "sid = asyncio.run(main())\n"
                "print(sid == os.getpid(), __name__, sys.argv[1:], os.environ['A'], 'KUBECONFIG' in os.environ,\n"
                "      signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, len(os.listdir('/proc/self/fd')))\n"
            )
            env = [{"name": "A", "value": "1"}, {"name": "PYTHONPATH", "value": str(tmp_path)}]
            lab.pod("job", ["python", "-m", "probe_me", "x"], env=env, spec_restartPolicy="Never")
            await lab.until("pods", "job", ended)
            assert lab.log("job") == "True __main__ ['x'] 1 False True 4"

    asyncio.run(story())


def test_the_end_of_the_warm_parent_is_noticed_and_takes_the_pods(tmp_path: Path) -> None:
    """When the warm parent is killed, its containers die and the runtime says so; what was ours before lives on."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            lab.pod("web", ["sh", "-c", "echo $$$$; exec sleep 100"])
            await lab.until("pods", "web", running)
            while not lab.log("web"):  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.02)
            pid = int(lab.log("web"))
            os.kill(lab.runtime.pid, 9)
            async with asyncio.timeout(20):
                await lab.runtime.lost.wait()
                while alive(pid):  # noqa: ASYNC110 - the kernel's doing
                    await asyncio.sleep(0.02)

    with subprocess.Popen(["sleep", "100"]) as ours:
        asyncio.run(story())
        assert ours.poll() is None
        ours.kill()


def test_too_long_an_argument_fails_its_own_container_only(tmp_path: Path) -> None:
    """What does not fit into a message to the warm parent is a StartError; other pods still start."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            lab.pod("long", ["echo", "x" * 1_200_000], spec_restartPolicy="Never")
            terminated = state_of(await lab.until("pods", "long", ended))["state"]["terminated"]
            assert (terminated["reason"], terminated["exitCode"]) == ("StartError", 128)
            assert terminated["message"] == "argument list too long"
            lab.pod("job", ["echo", "on"], spec_restartPolicy="Never")
            await lab.until("pods", "job", ended)
            assert lab.log("job") == "on"
            assert not lab.runtime.lost.is_set()

    asyncio.run(story())


def test_a_message_the_kernel_refuses_fails_its_container(tmp_path: Path) -> None:
    """EMSGSIZE is told to whoever waits for the start, who would else wait for ever."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            lab.runtime._max_message = 1 << 30
            lab.pod("long", ["echo", "x" * 9_000_000], spec_restartPolicy="Never")
            terminated = state_of(await lab.until("pods", "long", ended))["state"]["terminated"]
            assert terminated["message"] == "argument list too long"

    asyncio.run(story())
