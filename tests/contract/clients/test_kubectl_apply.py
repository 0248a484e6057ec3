"""kubectl, unmodified: apply, diff, create and replace."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.contract.behaviours import behaviour
from tests.contract.clients.typed import settings, text, web
from tests.contract.manifests import IMAGE, service

if TYPE_CHECKING:
    from tests.contract.clients.kubectls import Kubectl

_OVERLAYS = Path(__file__).parents[3] / "k8s" / "overlays"


@pytest.fixture
def shop(kubectl: Kubectl, tmp_path: Path) -> str:
    """A kustomization of the storefront for this cluster, without its pods."""
    overlay = _OVERLAYS / ("embedded" if kubectl.cluster.embedded else "plain")
    patch = "- {op: replace, path: /spec/replicas, value: 0}"
    body = {
        "resources": [os.path.relpath(overlay, tmp_path)],
        "patches": [{"target": {"kind": "Deployment"}, "patch": patch}],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(body))
    return str(tmp_path)


@behaviour("kubectl apply -k applies the storefront, is idle the second time, and delete -k removes it", area="kubectl")
def test_apply_kustomization(kubectl: Kubectl, shop: str) -> None:
    """A dry run on the server says what will be; the pods are left out.

    kubectl says `configured` of a Deployment whose strategy has no type: it sends `$retainKeys`, which changes nothing.
    """
    dry = kubectl("apply", "-k", shop, "--dry-run=server").splitlines()
    assert all(line.endswith(" created (server dry run)") for line in dry)
    assert kubectl("get", "deployments", "-o", "name") == ""
    first = kubectl("apply", "-k", shop).splitlines()
    assert [line.split()[0] for line in first] == [line.split()[0] for line in dry]
    assert all(line.endswith(" created") for line in first)
    before = _versions(kubectl)
    second = kubectl("apply", "-k", shop).splitlines()
    assert "service/web unchanged" in second
    assert _versions(kubectl) == before
    assert kubectl("diff", "-k", shop) == ""
    named = kubectl("get", "deployments,services", "-o", "name").split()
    assert {"deployment.apps/edge", "deployment.apps/orders", "service/web"} <= set(named)
    gone = kubectl("delete", "-k", shop, "--wait=false").splitlines()
    assert len(gone) == len(first)


def _versions(kubectl: Kubectl) -> list[str]:
    """What a change to an object changes; a Deployment's own version also changes with its status."""
    kept = kubectl("get", "cm,secrets,services", "-o", "jsonpath={range .items[*]}{.metadata.resourceVersion} {end}")
    return (kept + kubectl("get", "deployments", "-o", "jsonpath={.items[*].metadata.generation}")).split()


@behaviour("kubectl apply -k creates, leaves unchanged, and configures", area="kubectl")
def test_apply_changes(kubectl: Kubectl, tmp_path: Path) -> None:
    """Three times the same folder, the third one with another template and other data: a new name for the ConfigMap."""
    _write(tmp_path, colour="red")
    first = kubectl.run("apply", "-k", str(tmp_path), ok=True)
    assert re.search(r"^configmap/settings-\w+ created$", first.stdout, re.MULTILINE)
    assert "deployment.apps/web created" in first.stdout
    assert not first.stderr
    assert len(re.findall(" unchanged$", kubectl("apply", "-k", str(tmp_path)), re.MULTILINE)) == 3
    _write(tmp_path, colour="blue", minReadySeconds=1)
    third = kubectl("apply", "-k", str(tmp_path))
    assert "deployment.apps/web configured" in third
    assert "service/web unchanged" in third
    assert re.search(r"^configmap/settings-\w+ created$", third, re.MULTILINE)
    labels = json.loads(kubectl("get", "deployment", "web", "-o", "jsonpath={.metadata.labels}"))
    assert labels == {"app": "web", "tier": "front"}


def _write(folder: Path, *, colour: str, **spec: int) -> None:
    """A kustomization of a Deployment, its Service, and a ConfigMap that is generated."""
    (folder / "web.yaml").write_text(
        text(web("web", 0, **spec), {"apiVersion": "v1", "kind": "Service", **service("web")})
    )
    kustomization = {
        "resources": ["web.yaml"],
        "configMapGenerator": [{"name": "settings", "literals": [f"colour={colour}"]}],
        "labels": [{"pairs": {"tier": "front"}}],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))


@behaviour("kubectl apply removes what a manifest no longer has, and keeps what others set", area="kubectl")
def test_apply_three_ways(kubectl: Kubectl) -> None:
    """The last applied manifest is kept in an annotation."""
    kubectl("apply", "-f", "-", text=text(settings(a="1", b="2")))
    kubectl("patch", "configmap", "one", "--type=merge", "-p", '{"data":{"other":"3"}}')
    assert kubectl("apply", "-f", "-", text=text(settings(a="1"))) == "configmap/one configured\n"
    assert json.loads(kubectl("get", "configmap", "one", "-o", "jsonpath={.data}")) == {"a": "1", "other": "3"}
    assert json.loads(kubectl("apply", "view-last-applied", "configmap/one", "-o", "json"))["data"] == {"a": "1"}
    first = web()
    first["metadata"]["labels"]["first"] = "yes"
    del first["spec"]["replicas"]
    first["spec"]["template"]["spec"]["containers"][0]["env"] += [{"name": "MORE", "value": "1"}]
    kubectl("apply", "-f", "-", text=text(first))
    kubectl("set", "env", "deployment/web", "THEIRS=1")
    kubectl("label", "deployment/web", "theirs=yes")
    kubectl("scale", "deployment/web", "--replicas=0")
    second = web()
    del second["spec"]["replicas"]
    assert kubectl("apply", "-f", "-", text=text(second)) == "deployment.apps/web configured\n"
    path = "jsonpath={.spec.template.spec.containers[0].env[*].name}"
    assert kubectl("get", "deployment", "web", "-o", path) == "POD_IP THEIRS"
    kept = json.loads(kubectl("get", "deployment", "web", "-o", "jsonpath={.metadata.labels}"))
    assert kept == {"app": "web", "theirs": "yes"}
    assert kubectl("get", "deployment", "web", "-o", "jsonpath={.spec.replicas}") == "0"


@behaviour("kubectl apply and create refuse a manifest with an unknown field", area="kubectl")
def test_validation(kubectl: Kubectl) -> None:
    """Newer clusters say so themselves, for older ones kubectl reads their schema."""
    wrong = web()
    wrong["spec"]["replica"] = 1
    for verb in ("apply", "create"):
        done = kubectl.run(verb, "-f", "-", text=text(wrong))
        assert done.code == 1
        assert 'unknown field "' in done.stderr
        assert "replica" in done.stderr
    done = kubectl.run("create", "-f", "-", text=text({**settings(), "kind": "Unheard"}))
    assert done.code == 1
    assert 'no matches for kind "Unheard" in version "v1"' in done.stderr


@behaviour("kubectl diff shows what apply would change, and exits with 1 if anything", area="kubectl")
def test_diff(kubectl: Kubectl) -> None:
    """Nothing, then one line; nothing is stored."""
    kubectl("apply", "-f", "-", text=text(settings(colour="red")))
    assert kubectl("diff", "-f", "-", text=text(settings(colour="red"))) == ""
    done = kubectl.run("diff", "-f", "-", text=text(settings(colour="blue")))
    assert done.code == 1
    assert re.findall(r"^[-+]  \w.*$", done.stdout, re.MULTILINE) == ["-  colour: red", "+  colour: blue"]
    assert kubectl("get", "cm", "one", "-o", "jsonpath={.data.colour}") == "red"


@behaviour("kubectl create, run and expose make objects from their arguments", area="kubectl")
def test_create(kubectl: Kubectl) -> None:
    """A second create fails; a dry run on the client sends nothing, one on the server stores nothing."""
    kubectl("create", "configmap", "one", "--from-literal=a=1")
    assert "already exists" in kubectl.run("create", "configmap", "one").stderr
    kubectl("create", "secret", "generic", "word", "--from-literal=word=open")
    assert kubectl("get", "secret", "word", "-o", "jsonpath={.data.word}") == "b3Blbg=="
    kubectl("create", "deployment", "web", f"--image={IMAGE}", "--replicas=0")
    assert kubectl("expose", "deployment", "web", "--port=80", "--target-port=8080") == "service/web exposed\n"
    spec = json.loads(kubectl("get", "service", "web", "-o", "jsonpath={.spec}"))
    assert (spec["selector"], spec["ports"]) == (
        {"app": "web"}, [{"port": 80, "targetPort": 8080, "protocol": "TCP"}],
    )  # fmt: skip
    assert kubectl("create", "service", "clusterip", "plain", "--tcp=80:8080") == "service/plain created\n"
    kubectl("run", "one", f"--image={IMAGE}", "--dry-run=server", "--", "sleep", "1")
    for where in ("client", "server"):
        shown = yaml.safe_load(kubectl("create", "configmap", "two", f"--dry-run={where}", "-o", "yaml"))
        assert (shown["kind"], shown["metadata"]["name"]) == ("ConfigMap", "two")
    assert kubectl("get", "cm", "two", "--ignore-not-found") == ""
    assert kubectl("create", "serviceaccount", "robot") == "serviceaccount/robot created\n"


@behaviour("kubectl replace takes a whole object, and a stale one is a conflict", area="kubectl")
def test_replace(kubectl: Kubectl) -> None:
    """What get printed, changed."""
    kubectl("create", "-f", "-", text=text(settings(a="1")))
    got = yaml.safe_load(kubectl("get", "configmap", "one", "-o", "yaml"))
    got["data"] = {"b": "2"}
    assert kubectl("replace", "-f", "-", text=yaml.safe_dump(got)) == "configmap/one replaced\n"
    stale = kubectl.run("replace", "-f", "-", text=yaml.safe_dump(got))
    assert stale.code == 1
    assert "the object has been modified" in stale.stderr
