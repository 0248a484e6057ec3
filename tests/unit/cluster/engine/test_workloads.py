"""Deployments, ReplicaSets, Endpoints, garbage collection, namespaces and the proxy, together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.cluster.engine.lab import Lab, engine, running

if TYPE_CHECKING:
    from pathlib import Path

    from gameday.cluster.store import Object

POD_IP = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}


def deploy(lab: Lab, name: str = "web", *, version: str = "1", **spec: Any) -> Object:
    """A Deployment of web servers with two replicas."""
    container = {
        "name": "main", "image": "gameday/storefront:dev", "env": [POD_IP, {"name": "VERSION", "value": version}],
        "command": ["python", "-m", "http.server", "--bind", "$(POD_IP)", "8080"],
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1},
    }  # fmt: skip
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 1}}
    made = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template, **spec}
    return lab.create("deployments.apps", name, spec=made, status={})


def serve(lab: Lab, name: str = "web") -> str:
    """A Service in front of it; returns its address."""
    ip = lab.addresses.services.take()
    ports = [{"name": "http", "port": 80 + 8000, "targetPort": "http"}]
    lab.create("services", name, spec={"clusterIP": ip, "selector": {"app": name}, "ports": ports}, status={})
    return ip


def rolled_out(deployment: Object) -> bool:
    """Whether all replicas are new and available."""
    status, wanted = deployment["status"], deployment["spec"]["replicas"]
    counts = ("replicas", "updatedReplicas", "availableReplicas")
    return status.get("observedGeneration") == deployment["metadata"]["generation"] and all(
        status.get(c, 0) == wanted for c in counts
    )


async def fetch(host: str, port: int = 8080) -> bytes:
    """The first line that a server answers."""
    reader, writer = await connected(host, port)
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    line = await reader.readline()
    writer.close()
    return line


async def connected(host: str, port: int = 8080) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection, once something listens there."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await asyncio.open_connection(host, port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.005)


async def until_refused(host: str, port: int = 8080) -> None:
    """Wait until nothing listens there."""
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, port)
            except ConnectionRefusedError:
                return
            except ConnectionResetError:  # it closed in this very moment
                continue
            writer.close()
            await asyncio.sleep(0.005)


def test_a_deployment_is_served_by_its_service(tmp_path: Path) -> None:
    """Ready pods become endpoints, and the Service's address leads to them; without any it refuses."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            ip = serve(lab)
            await until_refused(ip)
            deploy(lab)
            await lab.until("deployments.apps", "web", rolled_out)
            endpoints = await lab.until(
                "endpoints", "web", lambda e: e.get("subsets") and len(e["subsets"][0].get("addresses", [])) == 2
            )
            assert endpoints["subsets"][0]["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
            assert b"200" in await fetch(ip)
            lab.store.mutate("deployments.apps", "shop", "web", lambda d: d["spec"].update(replicas=0))
            await lab.until("endpoints", "web", lambda e: not e.get("subsets"))
            await until_refused(ip)

    asyncio.run(story())


def test_a_rolling_update_never_lacks_an_available_pod(tmp_path: Path) -> None:
    """With maxUnavailable 0 there are always as many available pods as asked for, and one more at most."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
            deploy(lab, strategy=strategy)
            await lab.until("deployments.apps", "web", rolled_out)
            seen: list[tuple[int, int]] = []

            def change(deployment: Object) -> None:
                deployment["spec"]["template"]["spec"]["containers"][0]["env"][1]["value"] = "2"

            lab.store.mutate("deployments.apps", "shop", "web", change)

            def done(deployment: Object) -> bool:
                pods = lab.store.list("replicasets.apps", "shop")
                seen.append(
                    (sum(p["spec"]["replicas"] for p in pods), deployment["status"].get("availableReplicas", 0))
                )
                return rolled_out(deployment)

            deployment = await lab.until("deployments.apps", "web", done)
            assert min(available for _, available in seen) >= 2
            assert max(total for total, _ in seen) == 3
            assert deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
            reasons = {c["type"]: c["reason"] for c in deployment["status"]["conditions"]}
            assert reasons == {"Available": "MinimumReplicasAvailable", "Progressing": "NewReplicaSetAvailable"}

    asyncio.run(story())


def test_recreate_starts_the_new_pods_when_the_old_ones_are_gone(tmp_path: Path) -> None:
    """Old and new pods never run at the same time."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            deploy(lab, replicas=1, strategy={"type": "Recreate"})
            await lab.until("deployments.apps", "web", rolled_out)
            most = 0

            def change(deployment: Object) -> None:
                deployment["spec"]["template"]["spec"]["containers"][0]["env"][1]["value"] = "2"

            def done(deployment: Object) -> bool:
                nonlocal most
                most = max(most, len(lab.store.list("pods", "shop")))
                return rolled_out(deployment)

            lab.store.mutate("deployments.apps", "shop", "web", change)
            await lab.until("deployments.apps", "web", done)
            assert most == 1

    asyncio.run(story())


def test_a_rollout_that_does_not_come_forward_is_reported(tmp_path: Path) -> None:
    """After progressDeadlineSeconds the condition Progressing is False."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            deploy(lab, progressDeadlineSeconds=1, template={
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "main", "image": "no/such"}]},
            })  # fmt: skip

            def late(deployment: Object) -> bool:
                found = [c for c in deployment["status"].get("conditions", []) if c["type"] == "Progressing"]
                return bool(found) and found[0]["reason"] == "ProgressDeadlineExceeded"

            await lab.until("deployments.apps", "web", late)

    asyncio.run(story())


def test_a_lost_pod_is_replaced_by_another(tmp_path: Path) -> None:
    """A deleted pod's successor has a UID of its own."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            deploy(lab, replicas=1)
            await lab.until("deployments.apps", "web", rolled_out)
            (old,) = lab.store.list("pods", "shop")
            lab.store.delete("pods", "shop", old["metadata"]["name"], grace_s=0)
            await lab.until("deployments.apps", "web", lambda d: not rolled_out(d))
            await lab.until("deployments.apps", "web", rolled_out)
            (new,) = lab.store.list("pods", "shop")
            assert new["metadata"]["uid"] != old["metadata"]["uid"]

    asyncio.run(story())


@pytest.mark.parametrize("policy", ["Background", "Foreground", "Orphan"])
def test_what_a_deployment_owned_goes_with_it_unless_orphaned(tmp_path: Path, policy: Any) -> None:
    """Background and Foreground delete ReplicaSets and pods; Orphan leaves them without an owner."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            deploy(lab, replicas=1)
            await lab.until("deployments.apps", "web", rolled_out)
            (pod,) = lab.store.list("pods", "shop")
            (replica_set,) = lab.store.list("replicasets.apps", "shop")
            lab.store.delete("deployments.apps", "shop", "web", propagation=policy)
            await lab.until_gone("deployments.apps", "web")
            name = replica_set["metadata"]["name"]
            if policy == "Orphan":
                left = await lab.until("replicasets.apps", name, lambda s: "ownerReferences" not in s["metadata"])
                assert left["status"]["replicas"] == 1
                return
            await lab.until_gone("pods", pod["metadata"]["name"])
            await lab.until_gone("replicasets.apps", name)

    asyncio.run(story())


def test_a_namespace_ends_after_all_that_is_in_it(tmp_path: Path) -> None:
    """The pods end first, then the namespace goes."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            lab.store.create("namespaces", {"metadata": {"name": "shop"}, "spec": {"finalizers": ["kubernetes"]}})
            await lab.until("serviceaccounts", "default", bool)
            await lab.until("configmaps", "kube-root-ca.crt", bool)
            lab.pod("web", ["sleep", "100"], spec_terminationGracePeriodSeconds=1)  # it does not hear SIGTERM
            await lab.until("pods", "web", running)
            watch = lab.store.watch("namespaces")
            lab.store.delete("namespaces", "", "shop")
            async with asyncio.timeout(20):
                while (event := await watch.next()) and event.type != "DELETED":
                    pass
            assert not lab.store.list("pods", "shop")

    asyncio.run(story())


def test_an_established_connection_outlives_its_endpoint(tmp_path: Path) -> None:
    """When a pod stops being an endpoint, connections to it go on; half-closing passes through."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            echo = (
                "import os, socket\n"
                "s = socket.create_server((os.environ['POD_IP'], 9000))\n"
                "while True:\n"
                "    c, _ = s.accept()\n"
                "    while data := c.recv(1000): c.sendall(data.upper())\n"
                "    c.sendall(b'end'); c.close()\n"
            )
            lab.pod("echo", ["python", "-c", echo], labels={"app": "echo"}, env=[POD_IP],
                    readinessProbe={"tcpSocket": {"port": 9000}, "periodSeconds": 1})  # fmt: skip
            ip = lab.addresses.services.take()
            spec = {"clusterIP": ip, "selector": {"app": "echo"}, "ports": [{"port": 9000}]}
            lab.create("services", "echo", spec=spec, status={})
            await lab.until("endpoints", "echo", lambda e: e.get("subsets") and e["subsets"][0].get("addresses"))
            reader, writer = await connected(ip, 9000)
            writer.write(b"one")
            assert await reader.readexactly(3) == b"ONE"
            lab.store.mutate("services", "shop", "echo", lambda s: s["spec"].update(selector={"app": "other"}))
            await lab.until("endpoints", "echo", lambda e: not e.get("subsets"))
            await until_refused(ip, 9000)
            writer.write(b"two")
            writer.write_eof()
            assert await reader.read() == b"TWOend"
            writer.close()

    asyncio.run(story())


def test_a_dead_backend_resets_the_client(tmp_path: Path) -> None:
    """An endpoint that refuses gives its client a reset, never a clean empty answer."""

    async def story() -> None:
        async with engine(tmp_path) as lab:
            ip = lab.addresses.services.take()
            lab.create("services", "gone", spec={"clusterIP": ip, "ports": [{"port": 9000}]}, status={})
            subset = {"addresses": [{"ip": lab.addresses.pods.take()}], "ports": [{"port": 9000}]}
            lab.create("endpoints", "gone", subsets=[subset])
            reader, writer = await connected(ip, 9000)
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()

    asyncio.run(story())
