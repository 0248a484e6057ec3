"""What is wrong with one container, volume, connection or frame stays with it."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import WSMsgType

from gameday.cluster.api.exec import Streams
from gameday.cluster.kubelet import commands, containers
from gameday.cluster.kubelet.health import Health
from gameday.cluster.logs import CommandError, Exit
from gameday.cluster.proxy import services
from tests.unit.cluster.engine.lab import Lab, engine, running, state_of, untimed
from tests.unit.cluster.engine.test_workloads import fetch

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.cluster.store import Object

IMAGE = "gameday/storefront:dev"
FAR_PORT: Object = {"tcpSocket": {"port": 70000}}


def waiting(pod: Object) -> Any:
    """Why the first container waits."""
    return state_of(pod).get("state", {}).get("waiting", {})


async def until_event(lab: Lab, reason: str, holds: Callable[[Object], Any] = bool, *, times: int = 1) -> Object:
    """Wait until something happened so many times; its last event."""
    async with asyncio.timeout(20):
        watch = lab.store.watch("events", "shop")
        while True:
            found = [e for e in lab.store.list("events", "shop") if e["reason"] == reason and holds(e)]
            if found and sum(e.get("count", 1) for e in found) >= times:
                watch.close()
                return found[-1]
            await watch.next()


def open_files() -> int:
    """How many descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


def pair(lab: Lab, **fields: Any) -> None:
    """A pod of two containers: `main`, which has the fields, and `other`, which is sound."""
    bad = {"name": "main", "image": IMAGE, "command": ["sleep", "1000"], **fields}
    other = {"name": "other", "image": IMAGE, "command": ["sleep", "1000"]}
    spec = {"terminationGracePeriodSeconds": 1, "containers": [bad, other]}
    lab.create("pods", "pair", spec=spec, status={"phase": "Pending"})


async def other_is_watched(lab: Lab) -> None:
    """The sound container is one that the kubelet still restarts when it dies."""
    await lab.until("pods", "pair", lambda p: "running" in p["status"]["containerStatuses"][1]["state"])
    instance = lab.kubelet._pods["shop", "pair"]._containers[1]._instance
    assert instance
    os.kill(instance.process.started.result(), signal.SIGKILL)
    await lab.until("pods", "pair", lambda p: p["status"]["containerStatuses"][1]["restartCount"] == 1)


@pytest.mark.parametrize("hook", [{"exec": {}}, FAR_PORT], ids=["no command", "no such port"])
def test_a_hook_that_makes_no_sense_fails_its_container_alone(tmp_path: Path, hook: Object) -> None:
    """The container is killed, which an event explains; its sibling is still watched."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            pair(lab, lifecycle={"postStart": hook})
            await until_event(lab, "FailedPostStartHook")
            await other_is_watched(lab)

    asyncio.run(story())


def test_a_pre_stop_hook_that_makes_no_sense_does_not_keep_sigterm_away(tmp_path: Path) -> None:
    """The container still hears it."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            text = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"
            lab.pod("web", ["sh", "-c", text], lifecycle={"preStop": FAR_PORT},
                    spec_terminationGracePeriodSeconds=60)  # fmt: skip
            await lab.until("pods", "web", running)
            while not lab.log("web"):  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.02)
            said = lab.open_log("web")
            lab.store.delete("pods", "shop", "web")
            await lab.until_gone("pods", "web")
            assert untimed(said.read()) == "up\nbye"
            said.close()

    asyncio.run(story())


def test_an_error_of_ours_before_the_start_shows_in_its_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A waiting state and an event say so, it is tried again with a delay, and its sibling runs."""

    def broken(store: Any, pod: Object, spec: Object, *more: Any) -> Any:
        if spec["name"] == "main":
            raise RuntimeError("a bug")
        return commands.prepare(store, pod, spec, *more)

    monkeypatch.setattr(containers, "prepare", broken)

    async def story() -> None:
        async with engine(tmp_path) as lab:
            pair(lab)
            event = await until_event(lab, "FailedSync")
            assert "RuntimeError('a bug')" in event["message"]
            pod = await lab.until("pods", "pair", lambda p: waiting(p).get("reason") == "CrashLoopBackOff")
            assert state_of(pod)["restartCount"] == 0
            await other_is_watched(lab)

    asyncio.run(story())


def test_an_error_of_ours_after_the_start_ends_and_restarts_its_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No process lives on unwatched."""
    watch, broken = Health.watch, [True]

    async def once(self: Health, exited: asyncio.Future[Any]) -> None:
        if self._record.name == "main" and broken:
            broken.pop()
            raise RuntimeError("a bug")
        await watch(self, exited)

    monkeypatch.setattr(Health, "watch", once)

    async def story() -> None:
        async with engine(tmp_path) as lab:
            pair(lab)
            pod = await lab.until("pods", "pair", lambda p: state_of(p).get("restartCount") == 1 and running(p))
            assert state_of(pod)["lastState"]["terminated"]["exitCode"] == 137
            await until_event(lab, "FailedSync")
            await other_is_watched(lab)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("item", "why"),
    [
        ({"path": "a"}, "neither fieldRef nor resourceFieldRef"),
        ({"path": "a", "resourceFieldRef": {"containerName": "no", "resource": "limits.cpu"}}, '"no" not found'),
        ({"path": "a", "resourceFieldRef": {"resource": "limits.cpu"}}, "not found"),
        ({"path": "a\0b", "fieldRef": {"fieldPath": "metadata.name"}}, "null byte"),
    ],
)
def test_a_volume_that_cannot_be_made_says_so_and_leaves_nothing(tmp_path: Path, item: Object, why: str) -> None:
    """It is tried again and again, and no try leaves a folder behind."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            pod = lab.pod("web", ["true"], spec_volumes=[{"name": "w", "downwardAPI": {"items": [item]}}])
            await until_event(lab, "FailedMount", lambda e: why in e["message"], times=2)
            assert not list((tmp_path / "pods" / pod["metadata"]["uid"] / "volumes" / "w").iterdir())

    asyncio.run(story())


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"workingDir": "/a\0b"}, "null byte"),
        ({"terminationMessagePath": "/a\0b"}, "null byte"),
        ({"volumeMounts": [{"name": "w", "mountPath": "/"}]}, 'mountPath "/"'),
        ({"env": [{"name": "A0", "value": "x" * 100}]
          + [{"name": f"A{n + 1}", "value": f"$(A{n})" * 10} for n in range(7)]}, "longer than 131072 bytes"),
    ],
    ids=["working directory", "last words", "root as a mount", "variables of variables"],
)  # fmt: skip
def test_a_container_that_cannot_be_made_is_a_config_error(tmp_path: Path, fields: Object, why: str) -> None:
    """CreateContainerConfigError with the reason; its sibling is watched."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            pair(lab, **fields)
            lab.store.mutate(
                "pods", "shop", "pair", lambda p: p["spec"].update(volumes=[{"name": "w", "emptyDir": {}}])
            )
            pod = await lab.until("pods", "pair", waiting_for_config)
            assert why in waiting(pod)["message"]
            await other_is_watched(lab)

    def waiting_for_config(pod: Object) -> bool:
        return bool(waiting(pod).get("reason") == "CreateContainerConfigError")

    asyncio.run(story())


def test_a_container_without_room_for_its_output_fails_to_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, or no descriptor left: StartError, and the pod's policy decides."""

    def full(_path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(containers, "Output", full)

    async def story() -> None:
        async with engine(tmp_path) as lab:
            lab.pod("job", ["true"], spec_restartPolicy="Never")
            pod = await lab.until("pods", "job", lambda p: p["status"]["phase"] == "Failed")
            terminated = state_of(pod)["state"]["terminated"]
            assert (terminated["reason"], terminated["message"]) == ("StartError", "output: No space left on device")

    asyncio.run(story())


def test_a_pod_of_another_node_stays_pending(tmp_path: Path) -> None:
    """Nobody runs it; it can be deleted, and one of this node named by hand runs."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            lab.pod("far", ["true"], spec_nodeName="elsewhere")
            lab.pod("near", ["sleep", "1000"], spec_nodeName="node", spec_terminationGracePeriodSeconds=0)
            await lab.until("pods", "near", running)
            assert lab.store.get("pods", "shop", "far")["status"] == {"phase": "Pending"}
            lab.store.delete("pods", "shop", "far")
            await lab.until_gone("pods", "far")

    asyncio.run(story())


def test_a_limit_that_is_not_set_is_that_of_the_pods_own_node(tmp_path: Path) -> None:
    """Whichever nodes there are beside it."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            status = {"allocatable": {"cpu": "1000"}}
            lab.store.create("nodes", {"metadata": {"name": "a-first-one"}, "status": status})
            ref = {"resourceFieldRef": {"resource": "limits.cpu"}}
            env = [{"name": "CPUS", "valueFrom": ref}]
            lab.pod("job", ["sh", "-c", "echo $CPUS"], env=env, spec_restartPolicy="Never")
            await lab.until("pods", "job", lambda p: p["status"]["phase"] == "Succeeded")
            assert lab.log("job") == str(os.cpu_count())

    asyncio.run(story())


def test_logs_go_with_a_pod_that_a_finalizer_kept(tmp_path: Path) -> None:
    """They can be read while it is there, when its processes are long gone."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            pod = lab.pod("web", ["sh", "-c", "echo up; exec sleep 1000"], spec_terminationGracePeriodSeconds=0)
            lab.store.mutate("pods", "shop", "web", lambda p: p["metadata"].update(finalizers=["example.com/mine"]))
            await lab.until("pods", "web", running)
            lab.store.delete("pods", "shop", "web")
            (ending,) = lab.kubelet._ending or {lab.kubelet._pods["shop", "web"].stop(0)}
            await ending
            folder = tmp_path / "logs" / "shop" / "web"
            assert (folder / pod["metadata"]["uid"]).exists()
            lab.store.mutate("pods", "shop", "web", lambda p: p["metadata"].update(finalizers=[]))
            async with asyncio.timeout(20):
                while folder.exists():  # noqa: ASYNC110 - nothing tells of it
                    await asyncio.sleep(0.01)

    asyncio.run(story())


def test_a_command_for_nobody_leaves_no_descriptor_open(tmp_path: Path) -> None:
    """No such pod, no such container: what was passed is closed."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            lab.pod("web", ["sleep", "1000"], spec_terminationGracePeriodSeconds=0)
            await lab.until("pods", "web", running)
            for pod, container in (("none", "main"), ("web", "none")):
                streams = os.pipe()
                with pytest.raises(CommandError, match="container not found"):
                    await lab.kubelet.execute("shop", pod, container, ["true"], *streams)
                for fd in streams:
                    with pytest.raises(OSError, match="Bad file descriptor"):
                        os.fstat(fd)

    asyncio.run(story())


class Frames:
    """A WebSocket whose client sends these frames, and then nothing."""

    def __init__(self, *frames: bytes) -> None:
        self._frames = list(frames)

    def __aiter__(self) -> Frames:
        return self

    async def __anext__(self) -> Any:
        if not self._frames:
            await asyncio.Event().wait()
        return SimpleNamespace(type=WSMsgType.BINARY, data=self._frames.pop(0))

    async def send_bytes(self, _data: bytes) -> None:
        """Nobody reads it."""


def test_a_bad_frame_does_not_end_its_command() -> None:
    """Empty ones and sizes that are none are passed over; what comes after them counts."""

    async def story() -> None:
        frames = [b"", b"\x04", b"\x04{", b"\x04[]", b"\x04{}", b'\x04{"Width": -1, "Height": "x"}', b"\x00on\n"]
        streams = Streams(Frames(*frames), {}, tty=True)  # type: ignore[arg-type]
        exited: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        command = SimpleNamespace(exited=exited, kill=lambda: None)
        copying = asyncio.ensure_future(streams.copy(command))
        assert await asyncio.to_thread(os.read, streams.theirs[0], 100) == b"on\n"
        for fd in streams.theirs:
            os.close(fd)
        exited.set_result(Exit(0))
        assert await copying == {"status": "Success"}
        streams.close()

    asyncio.run(story())


class Full(socket.socket):
    """A listener that has no descriptor left at first."""

    calls = 0

    def accept(self) -> tuple[socket.socket, Any]:
        """Fails once."""
        self.calls += 1
        if self.calls == 1:
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


def test_a_full_proxy_waits_before_it_accepts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It neither spins nor forgets who waits."""
    monkeypatch.setattr(services, "FULL_PAUSE_S", 0.3)

    async def story() -> None:
        sock = Full()
        sock.setblocking(False)
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        listener = services.Listener(sock, [server.sockets[0].getsockname()], set())
        listener.open()
        began = time.monotonic()
        reader, writer = await asyncio.open_connection(*sock.getsockname())
        async with asyncio.timeout(20):
            assert await reader.read() == b""
        assert time.monotonic() - began >= 0.3
        assert sock.calls == 3  # no descriptor, the client, nobody else
        writer.close()
        listener.close()
        server.close()

    asyncio.run(story())


def test_a_service_is_no_backend_of_itself(tmp_path: Path) -> None:
    """Endpoints that name a Service's own address would go round until no descriptor is left."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            ip = lab.addresses.services.take()
            lab.create("services", "loop", spec={"clusterIP": ip, "ports": [{"port": 9000}]}, status={})
            lab.create("endpoints", "loop", subsets=[{"addresses": [{"ip": ip}], "ports": [{"port": 9000}]}])
            before = open_files()
            with pytest.raises(ConnectionResetError):
                await fetch(ip, 9000)
            assert open_files() <= before + 3  # the listener, this client

    asyncio.run(story())


def test_a_writer_that_never_stops_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """What a pipe holds is taken at a container's end, and no more."""
    from gameday.cluster.kubelet.output import Output

    async def story() -> None:
        output = Output(tmp_path / "0.log")
        process = await asyncio.create_subprocess_exec("yes", stdout=output.writer)
        os.close(output.writer)
        output.drain()
        output.close()
        await process.wait()
        assert process.returncode == -signal.SIGPIPE

    asyncio.run(story())


def test_a_log_that_cannot_be_set_aside_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a fresh file cannot be made, lines go on into the old one; both go when nobody can ask for them."""
    from gameday.cluster.kubelet import output as module

    monkeypatch.setattr(module, "MAX_BYTES", 100)
    logs = module.Logs(tmp_path)

    async def story() -> None:
        path = logs.path("shop", "web", "uid", "main", 0)
        output = module.Output(path)

        def say(text: str) -> None:
            os.write(output.writer, text.encode() + b"\n")
            output._read()

        in_the_way = path.with_suffix(".new")
        in_the_way.mkdir()
        say("a" * 100)
        say("b")
        assert path.read_text().splitlines()[-1].endswith(" b")
        in_the_way.rmdir()
        say("c")
        say("d")
        assert untimed(path.read_text()) == "d"
        assert untimed(path.with_suffix(".old").read_text()).endswith("b\nc")
        output.close()
        os.close(output.writer)
        logs.forget("shop", "web", "uid", "main", 0)
        assert not list(path.parent.iterdir())

    asyncio.run(story())


def test_a_daemon_that_dies_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its log is kept, with the end of the warm parent; it could open as many files as the system lets it."""
    import select

    from gameday.cluster import start

    monkeypatch.setenv("GAMEDAY_STATE", str(tmp_path))
    daemon = start("lab", owned=True, timeout_s=60)
    with open(f"/proc/{daemon.pid}/limits") as limits:  # noqa: PTH123
        soft, hard = next(line for line in limits if line.startswith("Max open files")).split()[3:5]
    assert soft == hard
    with open(f"/proc/{daemon.pid}/task/{daemon.pid}/children") as children:  # noqa: PTH123
        (warm_parent,) = children.read().split()
    handle = os.pidfd_open(daemon.pid)
    os.kill(int(warm_parent), signal.SIGSEGV)
    assert select.select([handle], [], [], 60)[0]
    os.close(handle)
    daemon.stop()
    said = (tmp_path / "lab.log").read_text()
    assert "Fatal Python error: Segmentation fault" in said
    assert "the warm parent had ended with status -11" in said
    assert "the warm parent died" in said
    assert not (tmp_path / "lab").exists()
