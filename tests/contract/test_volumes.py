"""Volumes: what is in them, with which names and modes, and what reaches them later."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.contract.behaviours import behaviour
from tests.contract.clusters import MERGE
from tests.contract.manifests import container, pod
from tests.contract.running import ended, log, mount, nudged, run, running, say, shell, state, status

if TYPE_CHECKING:
    from tests.contract.clusters import Cluster

_TREE = """
import json, os, sys
print(json.dumps({os.path.relpath(os.path.join(top, name), "/box"):
    [open(os.path.join(top, name)).read(), oct(os.stat(os.path.join(top, name)).st_mode & 0o777)]
    for top, _, names in os.walk("/box", followlinks=True) if "/.." not in top for name in names}))
"""
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


def _tree(cluster: Cluster, namespace: str, volume: dict[str, Any], **fields: Any) -> Any:
    """Every file of a volume: its text and its mode."""
    one = container(["python3", "-c", _TREE], volumeMounts=[mount("/box")], **fields)
    return json.loads(say(cluster, namespace, one, volumes=[{"name": "work", **volume}]))


def _configmap(cluster: Cluster, namespace: str, **data: str) -> None:
    cluster.create(cluster.path("configmaps", namespace), {"metadata": {"name": "c"}, "data": data})


@behaviour("A ConfigMap volume has a file for each key, mode 0644", area="volumes")
def test_configmap_volume(cluster: Cluster, namespace: str) -> None:
    """Binary data too."""
    body = {"metadata": {"name": "c"}, "data": {"a.txt": "one\n", "b": ""}, "binaryData": {"bin": "b25l"}}
    cluster.create(cluster.path("configmaps", namespace), body)
    found = _tree(cluster, namespace, {"configMap": {"name": "c"}})
    assert found == {"a.txt": ["one\n", "0o644"], "b": ["", "0o644"], "bin": ["one", "0o644"]}


@behaviour("items choose keys, name their files and give modes; defaultMode is for the others", area="volumes")
def test_items(cluster: Cluster, namespace: str) -> None:
    """A file may lie deeper."""
    _configmap(cluster, namespace, a="1", b="2", c="3")
    items = [{"key": "a", "path": "deep/er/a"}, {"key": "b", "path": "b", "mode": 0o440}]
    found = _tree(cluster, namespace, {"configMap": {"name": "c", "items": items, "defaultMode": 0o400}})
    assert found == {"deep/er/a": ["1", "0o400"], "b": ["2", "0o440"]}


@behaviour("A Secret volume has the decoded values", area="volumes")
def test_secret_volume(cluster: Cluster, namespace: str) -> None:
    """With a mode of its own."""
    cluster.create(cluster.path("secrets", namespace), {"metadata": {"name": "s"}, "stringData": {"key": "hush"}})
    assert _tree(cluster, namespace, {"secret": {"secretName": "s", "defaultMode": 0o400}}) == {
        "key": ["hush", "0o400"]
    }


@behaviour("A downwardAPI volume has the pod's fields, labels and annotations as lines", area="volumes")
def test_downward_volume(cluster: Cluster, namespace: str) -> None:
    """Labels are sorted and quoted; resources are there too."""
    items = [
        {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}},
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
        {"path": "cpu", "resourceFieldRef": {"containerName": "main", "resource": "limits.cpu", "divisor": "1m"}},
    ]
    one = container(["python3", "-c", _TREE], volumeMounts=[mount("/box")], resources={"limits": {"cpu": "20m"}})
    manifest = pod("job", one, labels={"b": "2", "a": "1"}, restartPolicy="Never",
                   volumes=[{"name": "work", "downwardAPI": {"items": items}}])  # fmt: skip
    run(cluster, namespace, manifest)
    found = json.loads(log(cluster, namespace, "job"))
    assert {name: text for name, (text, _) in found.items()} == {"name": "job", "labels": 'a="1"\nb="2"', "cpu": "20"}


@behaviour("A projected volume joins its sources", area="volumes")
def test_projected_volume(cluster: Cluster, namespace: str) -> None:
    """ConfigMap, Secret, field, and a token."""
    _configmap(cluster, namespace, a="1")
    cluster.create(cluster.path("secrets", namespace), {"metadata": {"name": "s"}, "stringData": {"key": "hush"}})
    sources = [
        {"configMap": {"name": "c"}}, {"secret": {"name": "s", "items": [{"key": "key", "path": "in/key"}]}},
        {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}},
    ]  # fmt: skip
    found = _tree(cluster, namespace, {"projected": {"sources": sources}})
    assert len(found.pop("token")[0].split(".")) == 3
    assert {name: text for name, (text, _) in found.items()} == {"a": "1", "in/key": "hush", "name": "job"}


@behaviour("subPath mounts one file or folder of a volume", area="volumes")
def test_sub_path(cluster: Cluster, namespace: str) -> None:
    """Of a ConfigMap, and of an emptyDir where it is made."""
    _configmap(cluster, namespace, a="one", b="two")
    mounts = [mount("/etc/conf/only-a", "conf", subPath="a"), mount("/data", subPath="deep/er"), mount("/box")]
    script = "cat /etc/conf/only-a; echo x > /data/file; cat /box/deep/er/file"
    volumes = [{"name": "conf", "configMap": {"name": "c"}}, {"name": "work", "emptyDir": {}}]
    assert say(cluster, namespace, shell(script, volumeMounts=mounts), volumes=volumes) == "onex\n"


@behaviour("A changed ConfigMap reaches its volumes, but never a subPath nor the environment", area="volumes")
def test_a_changed_configmap(cluster: Cluster, namespace: str) -> None:
    """All keys change at once; a key that is new appears, one that is gone disappears."""
    _configmap(cluster, namespace, a="old", gone="x")
    env = [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "a"}}}]
    script = "until grep -q new /box/a; do sleep 0.1; done; echo $(cat /box/a) $(ls /box) $(cat /one/a) $A"
    one = shell(script, env=env, volumeMounts=[mount("/box"), mount("/one/a", subPath="a")])
    manifest = pod("one", one, restartPolicy="Never", volumes=[{"name": "work", "configMap": {"name": "c"}}])
    run(cluster, namespace, manifest, running)
    data = {"a": "new", "fresh": "y", "gone": None}
    cluster.patch(cluster.path("configmaps", namespace, "c"), {"data": data}, MERGE)
    nudged(cluster, cluster.path("pods", namespace, "one"), ended)
    assert log(cluster, namespace, "one") == "new a fresh old old\n"


@behaviour(
    "A pod whose ConfigMap volume is missing waits in ContainerCreating and starts when it is there", area="volumes"
)
def test_a_missing_volume(cluster: Cluster, namespace: str) -> None:
    """Its container is not made before."""
    one = shell("cat /box/a", volumeMounts=[mount("/box")])
    manifest = pod("one", one, restartPolicy="Never", volumes=[{"name": "work", "configMap": {"name": "c"}}])
    cluster.create(cluster.path("pods", namespace), manifest)
    path = cluster.path("pods", namespace, "one")
    seen = cluster.until(path, lambda p: state(p).get("waiting"))
    assert seen["status"]["phase"] == "Pending"
    assert state(seen)["waiting"]["reason"] == "ContainerCreating"
    _configmap(cluster, namespace, a="here")
    cluster.until(path, lambda p: p["status"]["phase"] == "Succeeded")
    assert log(cluster, namespace, "one") == "here"


@behaviour(
    "An optional ConfigMap that is missing is an empty volume; a missing optional key is left out", area="volumes"
)
def test_optional_volumes(cluster: Cluster, namespace: str) -> None:
    """Both in one pod."""
    _configmap(cluster, namespace, a="1")
    items = {"name": "c", "optional": True, "items": [{"key": "a", "path": "a"}, {"key": "b", "path": "b"}]}
    volumes = [{"name": "work", "configMap": items}, {"name": "none", "secret": {"secretName": "n", "optional": True}}]
    one = shell("ls /box; ls /none | wc -l", volumeMounts=[mount("/box"), mount("/none", "none")])
    assert say(cluster, namespace, one, volumes=volumes).split() == ["a", "0"]


@behaviour("An emptyDir outlives its containers, not its pod", area="volumes")
def test_empty_dir(cluster: Cluster, namespace: str) -> None:
    """A container counts its starts; the pod's successor starts from nothing."""
    script = "echo x >> /box/starts; test $(wc -l < /box/starts) = 2 && exit 0; exit 1"
    one = shell(script, volumeMounts=[mount("/box")])
    manifest = pod("one", one, restartPolicy="OnFailure", volumes=[{"name": "work", "emptyDir": {}}])
    path = cluster.path("pods", namespace, "one")
    for _ in range(2):
        assert status(run(cluster, namespace, manifest))["restartCount"] == 1
        cluster.call("DELETE", path)
        cluster.until_gone(path)


# --- the service account


@behaviour("Every container has its service account's token, namespace and the API's certificate", area="volumes")
def test_service_account(cluster: Cluster, namespace: str) -> None:
    """At the place where every client library looks."""
    env = [{"name": "FROM", "value": f"{ACCOUNT}/ca.crt"}]
    one = shell(f"cd {ACCOUNT}; ls | xargs; cat namespace; echo; head -n 1 $FROM", env=env)
    said = say(cluster, namespace, one)
    assert said.splitlines() == ["ca.crt namespace token", namespace, "-----BEGIN CERTIFICATE-----"]
    seen = cluster.read(cluster.path("pods", namespace, "job"))
    mounted = next(m for m in seen["spec"]["containers"][0]["volumeMounts"] if m["mountPath"] == ACCOUNT)
    assert mounted["readOnly"]
    assert mounted["name"] in [v["name"] for v in seen["spec"]["volumes"]]


@behaviour("automountServiceAccountToken false, of the pod or of the account, leaves the token out", area="volumes")
def test_no_service_account_token(cluster: Cluster, namespace: str) -> None:
    """The pod's own word wins."""
    cluster.create(
        cluster.path("serviceaccounts", namespace),
        {"metadata": {"name": "shy"}, "automountServiceAccountToken": False},
    )
    pods = cluster.path("pods", namespace)
    none: dict[str, Any] = {"nodeSelector": {"none": "such"}}
    first = cluster.create(pods, pod("a", container(["true"]), automountServiceAccountToken=False, **none))
    second = cluster.create(pods, pod("b", container(["true"]), serviceAccountName="shy", **none))
    for made in (first, second):
        assert "volumeMounts" not in made["spec"]["containers"][0]
        assert "volumes" not in made["spec"]


@behaviour("A pod of a service account that does not exist is refused: 403", area="volumes")
def test_no_such_service_account(cluster: Cluster, namespace: str) -> None:
    """By admission."""
    answer = cluster.call(
        "POST", cluster.path("pods", namespace), pod("a", container(["true"]), serviceAccountName="nope")
    )
    assert (answer.status, answer.reason) == (403, "Forbidden")
    assert 'serviceaccount "nope" not found' in answer.json["message"]


_ASK = f"""
import json, os, ssl, sys, urllib.error, urllib.request
at = "https://" + os.environ["KUBERNETES_SERVICE_HOST"] + ":" + os.environ["KUBERNETES_SERVICE_PORT"]
def ask(token, path="/api", word="Bearer"):
    asked = urllib.request.Request(at + path, headers={{"Authorization": word + " " + token}})
    try:
        return urllib.request.build_opener(urllib.request.ProxyHandler({{}}), urllib.request.HTTPSHandler(
            context=ssl.create_default_context(cafile="{ACCOUNT}/ca.crt"))).open(asked, timeout=10).status
    except urllib.error.HTTPError as problem:
        return problem.code
token = open("{ACCOUNT}/token").read().strip()
"""


@behaviour("The API takes a pod's token, at the address that pods know it by, and no other", area="volumes")
def test_the_api_from_inside(cluster: Cluster, namespace: str) -> None:
    """As in-cluster configuration does: the variables, the token, the certificate."""
    assert (
        say(cluster, namespace, container(["python3", "-c", _ASK + "print(ask(token), ask('not.a.token'))"]))
        == "200 401\n"
    )


@behaviour("The word before a token may be written in any case", area="volumes")
def test_any_case_of_bearer(cluster: Cluster, namespace: str) -> None:
    """The official Python client writes it small in a pod."""
    script = _ASK + "print(*(ask(token, word=word) for word in ('bearer', 'BEARER')))"
    assert say(cluster, namespace, container(["python3", "-c", script])) == "200 200\n"


@behaviour(
    "A service account without a role may not read Secrets: 403",
    area="volumes",
    differs="there are no roles: the token of a living pod may do what its user may, whose process it is anyway",
)
def test_no_role(cluster: Cluster, namespace: str) -> None:
    """By the token of a pod, in its own namespace."""
    script = _ASK + f"print(ask(token, '/api/v1/namespaces/{namespace}/secrets'))"
    assert say(cluster, namespace, container(["python3", "-c", script])) == ("200\n" if cluster.embedded else "403\n")
