"""Patches: strategic merge with its keys and directives, JSON merge, and JSON patch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.behaviours import behaviour
from tests.contract.clusters import JSON_PATCH, MERGE, STRATEGIC
from tests.contract.manifests import IMAGE, deployment

if TYPE_CHECKING:
    from tests.contract.clusters import Cluster

CONTAINER = {
    "name": "main",
    "image": IMAGE,
    "command": ["a", "b"],
    "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
    "ports": [{"containerPort": 8080, "name": "http"}, {"containerPort": 9090, "name": "admin"}],
    "volumeMounts": [{"name": "one", "mountPath": "/one"}],
}
POD = {
    "volumes": [{"name": "one", "emptyDir": {}}],
    "tolerations": [{"key": "x", "operator": "Exists"}],
    "nodeSelector": {"a": "b"},
}


class Web:
    """A Deployment without pods, and patches of its pods' template."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.path = cluster.path("deployments", namespace, "web")
        body = deployment("web", CONTAINER, replicas=0, **{f"pod_{k}": v for k, v in POD.items()})
        cluster.create(cluster.path("deployments", namespace), body)

    def pod(self, patch: dict[str, Any]) -> dict[str, Any]:
        """Strategic merge of the pods' spec; returns what it became."""
        made = self.cluster.patch(self.path, {"spec": {"template": {"spec": patch}}})
        spec: dict[str, Any] = made["spec"]["template"]["spec"]
        return spec

    def main(self, **patch: Any) -> dict[str, Any]:
        """Strategic merge of the container; returns what it became."""
        containers = self.pod({"containers": [{"name": "main", **patch}]})["containers"]
        found: dict[str, Any] = containers[0]
        return found


@pytest.fixture
def web(cluster: Cluster, namespace: str) -> Web:
    """A Deployment to patch."""
    return Web(cluster, namespace)


@pytest.fixture
def config(cluster: Cluster, namespace: str) -> str:
    """The path of a ConfigMap to patch."""
    made = {"metadata": {"name": "one", "labels": {"a": "b"}}, "data": {"k": "v", "l": "w"}}
    cluster.create(cluster.path("configmaps", namespace), made)
    return cluster.path("configmaps", namespace, "one")


def names(items: list[dict[str, Any]], key: str = "name") -> list[Any]:
    """What the items of a list are called, in order."""
    return [item[key] for item in items]


# --- strategic merge: lists


@behaviour("Strategic merge: containers are told apart by name, and one that is new is added", area="patches")
def test_containers_merge_by_name(web: Web) -> None:
    """`kubectl set image` changes one and leaves the others."""
    spec = web.pod({"containers": [{"name": "main", "image": "x:1"}, {"name": "side", "image": "y:1"}]})
    assert {one["name"]: one["image"] for one in spec["containers"]} == {"main": "x:1", "side": "y:1"}
    kept = next(one for one in spec["containers"] if one["name"] == "main")
    assert (kept["command"], names(kept["env"])) == (["a", "b"], ["A", "B"])


@behaviour("Strategic merge: variables merge by name, ports by containerPort, mounts by mountPath", area="patches")
def test_a_containers_lists_merge(web: Web) -> None:
    """What the patch does not name stays."""
    changed = web.main(env=[{"name": "B", "value": "9"}, {"name": "C", "value": "3"}],
                       ports=[{"containerPort": 8080, "name": "web"}],
                       volumeMounts=[{"name": "one", "mountPath": "/two"}])  # fmt: skip
    assert {one["name"]: one["value"] for one in changed["env"]} == {"A": "1", "B": "9", "C": "3"}
    assert {one["containerPort"]: one["name"] for one in changed["ports"]} == {8080: "web", 9090: "admin"}
    assert set(names(changed["volumeMounts"], "mountPath")) == {"/one", "/two"}


@behaviour("Strategic merge: volumes merge by name", area="patches")
def test_volumes_merge(web: Web) -> None:
    """A second one is added to the first."""
    spec = web.pod({"volumes": [{"name": "two", "configMap": {"name": "c"}}]})
    assert set(names(spec["volumes"])) == {"one", "two"}


@behaviour("Strategic merge: commands, arguments and tolerations are replaced as a whole", area="patches")
def test_other_lists_are_replaced(web: Web) -> None:
    """These lists have no merge key."""
    assert web.main(command=["c"])["command"] == ["c"]
    assert web.pod({"tolerations": [{"key": "y", "operator": "Exists"}]})["tolerations"] == [
        {"key": "y", "operator": "Exists"}
    ]


@behaviour("Strategic merge: a Service's ports merge by port, its selector by key", area="patches")
def test_a_services_ports_merge(cluster: Cluster, namespace: str) -> None:
    """Null takes a key of the selector off."""
    spec = {"selector": {"app": "a"}, "ports": [{"name": "a", "port": 80}, {"name": "b", "port": 81}]}
    cluster.create(cluster.path("services", namespace), {"metadata": {"name": "one"}, "spec": spec})
    patch = {"spec": {"selector": {"app": None, "x": "y"}, "ports": [{"port": 81, "targetPort": "http"}]}}
    made = cluster.patch(cluster.path("services", namespace, "one"), patch)["spec"]
    assert {one["port"]: one["targetPort"] for one in made["ports"]} == {80: 80, 81: "http"}
    assert made["selector"] == {"x": "y"}


@behaviour("Strategic merge: finalizers are added to, and taken off by $deleteFromPrimitiveList", area="patches")
def test_primitive_lists_merge(cluster: Cluster, config: str) -> None:
    """What is there already is not there twice."""
    for finalizers in (["example.com/a"], ["example.com/b", "example.com/a"]):
        made = cluster.patch(config, {"metadata": {"finalizers": finalizers}})
    assert sorted(made["metadata"]["finalizers"]) == ["example.com/a", "example.com/b"]
    made = cluster.patch(config, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.com/a"]}})
    assert made["metadata"]["finalizers"] == ["example.com/b"]
    cluster.patch(config, {"metadata": {"finalizers": None}}, MERGE)


# --- strategic merge: directives


@behaviour("Strategic merge: null removes a field", area="patches")
def test_null_removes(web: Web) -> None:
    """A map's key, and a whole list."""
    assert "nodeSelector" not in web.pod({"nodeSelector": {"a": None}})
    assert "env" not in web.main(env=None)


@behaviour("Strategic merge: $patch: delete takes an item off its list", area="patches")
def test_delete_an_item(web: Web) -> None:
    """The others stay; an item that is not there is no error."""
    gone = [{"name": "A", "$patch": "delete"}, {"name": "none", "$patch": "delete"}]
    assert names(web.main(env=gone)["env"]) == ["B"]


@behaviour("Strategic merge: $patch: replace in a list replaces all of it", area="patches")
def test_replace_a_list(web: Web) -> None:
    """The directive is an item of its own."""
    assert names(web.main(env=[{"name": "Z", "value": "1"}, {"$patch": "replace"}])["env"]) == ["Z"]


@behaviour("Strategic merge: $patch says that an object is replaced or emptied", area="patches")
def test_replace_an_object(web: Web) -> None:
    """Here the pods' node selector."""
    assert web.pod({"nodeSelector": {"$patch": "replace", "c": "d"}})["nodeSelector"] == {"c": "d"}
    assert "nodeSelector" not in web.pod({"nodeSelector": {"$patch": "delete"}})


@behaviour("Strategic merge: $retainKeys drops the keys that it does not name", area="patches")
def test_retain_keys(web: Web) -> None:
    """Kubectl apply changes a volume's or a strategy's type so."""
    changed = web.cluster.patch(web.path, {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}})
    assert changed["spec"]["strategy"] == {"type": "Recreate"}
    volume = {"name": "one", "$retainKeys": ["name", "configMap"], "configMap": {"name": "c"}}
    assert set(web.pod({"volumes": [volume]})["volumes"][0]) == {"name", "configMap"}


@behaviour("Strategic merge: $setElementOrder sorts a list, the server's own items stay between", area="patches")
def test_set_element_order(web: Web) -> None:
    """Kubectl apply sends it with each list that it changes."""
    order = {"$setElementOrder/env": [{"name": name} for name in ("C", "B", "A")]}
    assert names(web.main(env=[{"name": "C", "value": "3"}], **order)["env"]) == ["C", "B", "A"]
    order = {"$setElementOrder/env": [{"name": name} for name in ("D", "A")]}
    assert names(web.main(env=[{"name": "D", "value": "4"}], **order)["env"]) == ["D", "C", "B", "A"]
    assert names(web.main(**{"$setElementOrder/env": [{"name": n} for n in "ABCD"]})["env"]) == ["A", "B", "C", "D"]


@pytest.mark.parametrize(
    ("patch", "status"),
    [({"spec": "text"}, 422), ({"spec": {"replicas": -1}}, 422), ([], 400), (b"{broken", 400)],
)
@behaviour("A strategic merge patch that is no object or fits no field is refused, and changes nothing", area="patches")
def test_broken_strategic_merge(web: Web, patch: Any, status: int) -> None:
    """422 for what does not fit, 400 for what is none."""
    before = web.cluster.read(web.path)["spec"]
    answer = web.cluster.call("PATCH", web.path, patch, kind=STRATEGIC)
    assert (answer.status, answer.reason) == (status, "Invalid" if status == 422 else "BadRequest")
    assert web.cluster.read(web.path)["spec"] == before


@pytest.mark.parametrize(
    "patch",
    [
        {"spec": {"template": {"spec": {"containers": [{"image": "no-name"}]}}}},
        {"spec": {"$patch": "sideways"}},
        {"spec": {"$patch": "merge"}},
    ],
)
@behaviour("A strategic merge patch without a merge key or with an unknown directive answers 500, and changes nothing",
           area="patches", differs="400: the mistake is the client's")  # fmt: skip
def test_impossible_strategic_merge(web: Web, patch: Any) -> None:
    """Kubernetes passes on what its library says."""
    before = web.cluster.read(web.path)["spec"]
    answer = web.cluster.call("PATCH", web.path, patch, kind=STRATEGIC)
    assert answer.json["kind"] == "Status"
    assert (answer.status, answer.reason) == ((400, "BadRequest") if web.cluster.embedded else (500, ""))
    assert web.cluster.read(web.path)["spec"] == before


# --- JSON merge


@behaviour("JSON merge: objects merge, null removes, lists are replaced", area="patches")
def test_json_merge(web: Web, config: str) -> None:
    """RFC 7386: no keys, no directives."""
    changed = web.cluster.patch(config, {"data": {"k": None, "m": "x"}, "metadata": {"labels": None}}, MERGE)
    assert changed["data"] == {"l": "w", "m": "x"}
    assert "labels" not in changed["metadata"]
    containers = [{"name": "other", "image": "x:1"}]
    made = web.cluster.patch(web.path, {"spec": {"template": {"spec": {"containers": containers}}}}, MERGE)
    assert names(made["spec"]["template"]["spec"]["containers"]) == ["other"]


# --- JSON patch


@behaviour("JSON patch: add, remove, replace, move, copy and test are applied in order", area="patches")
def test_json_patch(cluster: Cluster, config: str) -> None:
    """RFC 6902, with ~1 for a slash in a key."""
    made = cluster.patch(config, [
        {"op": "test", "path": "/data/k", "value": "v"},
        {"op": "add", "path": "/data/new", "value": "1"},
        {"op": "replace", "path": "/data/k", "value": "2"},
        {"op": "remove", "path": "/data/l"},
        {"op": "move", "from": "/data/k", "path": "/data/moved"},
        {"op": "copy", "from": "/data/new", "path": "/data/copied"},
        {"op": "add", "path": "/metadata/labels/example.com~1x", "value": "y"},
    ], JSON_PATCH)  # fmt: skip
    assert made["data"] == {"new": "1", "moved": "2", "copied": "1"}
    assert made["metadata"]["labels"] == {"a": "b", "example.com/x": "y"}


@behaviour("JSON patch: items of lists are named by index, '-' is the end", area="patches")
def test_json_patch_of_lists(web: Web) -> None:
    """Before an index, at the end, and away."""
    env = "/spec/template/spec/containers/0/env"
    operations = [
        {"op": "add", "path": f"{env}/0", "value": {"name": "First", "value": "0"}},
        {"op": "add", "path": f"{env}/-", "value": {"name": "Last", "value": "9"}},
        {"op": "remove", "path": f"{env}/1"},
    ]
    made = web.cluster.patch(web.path, operations, JSON_PATCH)
    assert names(made["spec"]["template"]["spec"]["containers"][0]["env"]) == ["First", "B", "Last"]


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/data/k", "value": "other"},
        {"op": "remove", "path": "/data/none"},
        {"op": "add", "path": "/none/deeper", "value": "x"},
    ],
)
@behaviour("JSON patch: one operation that fails undoes all of them: 422", area="patches")
def test_json_patch_is_atomic(cluster: Cluster, config: str, operation: dict[str, Any]) -> None:
    """A failing test operation is how clients ask before they change."""
    operations = [{"op": "add", "path": "/data/first", "value": "1"}, operation]
    answer = cluster.call("PATCH", config, operations, kind=JSON_PATCH)
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert cluster.read(config)["data"] == {"k": "v", "l": "w"}


@pytest.mark.parametrize(
    "operation",
    [{"op": "replace", "path": "/data/none", "value": "x"}, {"op": "copy", "from": "/data/none", "path": "/data/x"}],
)
@behaviour("JSON patch: what is replaced or copied must be there: 422", area="patches", since="1.25")
def test_json_patch_of_what_is_not_there(cluster: Cluster, config: str, operation: dict[str, Any]) -> None:
    """Older versions take it for null."""
    answer = cluster.call("PATCH", config, [operation], kind=JSON_PATCH)
    assert (answer.status, answer.reason) == (422, "Invalid")


# --- all of them


@behaviour("A patch with a resourceVersion that is no longer the object's answers 409", area="patches")
def test_a_stale_patch(cluster: Cluster, config: str) -> None:
    """Without one it applies to what is there."""
    body = {"metadata": {"resourceVersion": "1"}, "data": {"k": "x"}}
    for kind in (MERGE, STRATEGIC):
        answer = cluster.call("PATCH", config, body, kind=kind)
        assert (answer.status, answer.reason) == (409, "Conflict")


@behaviour("A patch of an object that is not there answers 404", area="patches")
def test_a_patch_of_nothing(cluster: Cluster, namespace: str) -> None:
    """By each kind of patch."""
    path = cluster.path("configmaps", namespace, "none")
    for kind, body in ((MERGE, {}), (STRATEGIC, {}), (JSON_PATCH, [])):
        answer = cluster.call("PATCH", path, body, kind=kind)
        assert (answer.status, answer.reason) == (404, "NotFound")


@behaviour("A patch of another Content-Type answers 415", area="patches")
def test_an_unknown_kind_of_patch(cluster: Cluster, config: str) -> None:
    """Plain JSON says not how to merge."""
    answer = cluster.call("PATCH", config, {"data": {}}, kind="application/json")
    assert (answer.status, answer.reason) == (415, "UnsupportedMediaType")


@pytest.mark.parametrize(
    "change", [{"replicas": "many"}, {"replicas": -1}, {"template": {"spec": {"restartPolicy": "Never"}}}]
)
@behaviour("A patch whose result has a wrong type or breaks a rule answers 422, and changes nothing", area="patches")
def test_a_patch_of_the_wrong_type(web: Web, change: dict[str, Any]) -> None:
    """The result is validated, not the patch."""
    before = web.cluster.read(web.path)["spec"]
    answer = web.cluster.call("PATCH", web.path, {"spec": change}, kind=MERGE)
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert web.cluster.read(web.path)["spec"] == before


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"name": "two"}, 400, "BadRequest"),
        ({"namespace": "default"}, 400, "BadRequest"),
        ({"uid": "00000000-0000-0000-0000-000000000000"}, 422, "Invalid"),
    ],
    ids=["name", "namespace", "uid"],
)
@behaviour("A patch cannot rename an object (400) or give it another UID (422)", area="patches")
def test_a_patch_of_the_name(cluster: Cluster, config: str, change: dict[str, str], status: int, reason: str) -> None:
    """Nor move it to another namespace: 400."""
    answer = cluster.call("PATCH", config, {"metadata": change}, kind=MERGE)
    assert (answer.status, answer.reason) == (status, reason)
    assert cluster.read(config)["metadata"]["name"] == "one"
