"""Creating, changing and deleting objects over raw HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.unit.cluster.api.conftest import Api

CORE = "/api/v1/namespaces/shop"
APPS = "/apis/apps/v1/namespaces/shop"
STRATEGIC = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"


@pytest.fixture
def web(api: Api) -> dict[str, Any]:
    """A stored Deployment."""
    created = api.call("POST", f"{APPS}/deployments", api.deployment())
    assert created.code == 201
    return dict(created.body)


def test_without_the_token_every_path_is_401(api: Api) -> None:
    """A wrong token gets a Status 401 from discovery, objects and unknown paths alike."""
    for path in ("/version", "/healthz", f"{CORE}/pods", "/nowhere"):
        answer = api.call("GET", path, token="wrong")
        assert (answer.code, answer.body["kind"], answer.body["reason"]) == (401, "Status", "Unauthorized")


def test_a_body_without_content_type_is_json(api: Api) -> None:
    """The official client's POST and DELETE bodies carry no Content-Type."""
    assert api.call("POST", f"{CORE}/configmaps", {"metadata": {"name": "a"}}, kind=None).code == 201
    assert api.call("DELETE", f"{CORE}/configmaps/a", {"propagationPolicy": "Background"}, kind=None).code == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "reason"),
    [
        ("GET", f"{CORE}/foos", None, 404, "NotFound"),
        ("GET", "/apis/none.io/v1/x", None, 404, "NotFound"),
        ("GET", "/apis/apps/v1", None, 200, None),
        ("GET", f"{CORE}/configmaps/none", None, 404, "NotFound"),
        ("PUT", f"{CORE}/configmaps", {}, 405, "MethodNotAllowed"),
        ("POST", f"{CORE}/configmaps/a", {}, 405, "MethodNotAllowed"),
        ("DELETE", "/api/v1/namespaces", None, 405, "MethodNotAllowed"),
        ("POST", "/api/v1/namespaces/none/configmaps", {"metadata": {"name": "a"}}, 404, "NotFound"),
        ("POST", f"{CORE}/configmaps", b"{nope", 400, "BadRequest"),
        ("POST", f"{CORE}/configmaps", {"metadata": {"name": "a", "namespace": "default"}}, 400, "BadRequest"),
        ("POST", f"{CORE}/configmaps", {"kind": "Secret", "metadata": {"name": "a"}}, 400, "BadRequest"),
        ("POST", f"{CORE}/configmaps", {"metadata": {"name": "A_b"}}, 422, "Invalid"),
        ("POST", f"{CORE}/configmaps", {"metadata": {}}, 422, "Invalid"),
        ("POST", f"{CORE}/configmaps", {"metadata": {"name": "a"}, "data": {"a": 1}}, 400, "BadRequest"),
        ("POST", f"{CORE}/services", {"metadata": {"name": "s"}, "spec": {"selector": {"a": "b"}}}, 422, "Invalid"),
        ("POST", f"{CORE}/secrets", {"metadata": {"name": "s"}, "data": {"a": "!"}}, 400, "BadRequest"),
        ("GET", f"{CORE}/pods?fieldSelector=spec.foo%3Da", None, 400, "BadRequest"),
        ("GET", f"{CORE}/pods?labelSelector=a%20in%20b", None, 400, "BadRequest"),
        ("POST", f"{CORE}/configmaps?dryRun=Some", {"metadata": {"name": "a"}}, 422, "Invalid"),
        ("DELETE", f"{CORE}/configmaps", {"propagationPolicy": "Never"}, 422, "Invalid"),
    ],
)
def test_what_is_refused_and_how(api: Api, method: str, path: str, body: Any, code: int, reason: str | None) -> None:
    """Every refusal is a Status with the code and reason of a real server."""
    answer = api.call(method, path, body)
    assert (answer.code, answer.body.get("reason")) == (code, reason), answer.body


def test_an_unknown_field_is_an_error_a_warning_or_ignored(api: Api) -> None:
    """`fieldValidation` decides; the field is never stored."""
    body = {"metadata": {"name": "a"}, "dota": {"x": "y"}}
    strict = api.call("POST", f"{CORE}/configmaps?fieldValidation=Strict", body)
    assert strict.code == 400
    assert 'strict decoding error: unknown field "dota"' in strict.body["message"]
    warned = api.call("POST", f"{CORE}/configmaps", body)
    assert (warned.code, warned.warnings) == (201, ['299 - "unknown field \\"dota\\""'])
    assert "dota" not in warned.body
    ignored = api.call("POST", f"{CORE}/configmaps?fieldValidation=Ignore", {**body, "metadata": {"name": "b"}})
    assert (ignored.code, ignored.warnings) == (201, [])


def test_warnings_fit_in_headers(api: Api) -> None:
    """A field's name may hold line breaks, and be longer than any header that a client reads."""
    names = ["a\r\nEvil: yes", *(f"{n}-" + "x" * 3000 for n in range(50))]
    answer = api.call("POST", f"{CORE}/configmaps", {"metadata": {"name": "a"}, **dict.fromkeys(names, 1)})
    assert answer.code == 201
    assert answer.warnings[0] == '299 - "unknown field \\"a  Evil: yes\\""'
    assert sum(map(len, answer.warnings)) < 5000


def test_what_has_no_effect_is_warned_about(api: Api) -> None:
    """A NetworkPolicy is accepted, and kubectl gets to print that nothing enforces it."""
    path = "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies"
    answer = api.call("POST", path, {"metadata": {"name": "n"}, "spec": {"podSelector": {}}})
    assert answer.code == 201
    assert "not enforced" in answer.warnings[0]


def test_a_new_deployment_has_the_defaults_that_clients_read(web: dict[str, Any]) -> None:
    """Replicas, strategy, probe numbers and the empty status are filled in."""
    spec = web["spec"]
    assert (spec["replicas"], spec["progressDeadlineSeconds"], spec["revisionHistoryLimit"]) == (1, 600, 10)
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
    container = spec["template"]["spec"]["containers"][0]
    assert (container["imagePullPolicy"], container["resources"]) == ("IfNotPresent", {})
    assert (web["status"], web["metadata"]["generation"]) == ({}, 1)


def test_all_causes_are_listed_at_once(api: Api) -> None:
    """A 422 names each wrong field."""
    body = api.deployment(replicas=-1)
    body["spec"]["template"]["spec"]["containers"] = [{"name": "C", "volumeMounts": [{"name": "v", "mountPath": "/x"}]}]
    answer = api.call("POST", f"{APPS}/deployments", body)
    assert answer.code == 422
    at = "spec.template.spec.containers[0]"
    fields = {c["field"] for c in answer.body["details"]["causes"]}
    assert fields == {"spec.replicas", f"{at}.name", f"{at}.image", f"{at}.volumeMounts[0].name"}


OUTSIDE = [("/tmp/x", "must be a relative path"), ("a/../../x", "must not contain '..'")]
RESERVED = ("..data", "must not start with '..'")


def _causes(api: Api, spec: dict[str, Any]) -> list[tuple[str, str]]:
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}], **spec}}
    answer = api.call("POST", f"{CORE}/pods", pod)
    assert answer.code == 422
    return [(cause["field"], cause["message"].partition(": ")[2]) for cause in answer.body["details"]["causes"]]


@pytest.mark.parametrize(("path", "why"), [*OUTSIDE, RESERVED])
def test_a_file_of_a_volume_stays_in_it(api: Api, path: str, why: str) -> None:
    """In ConfigMaps, Secrets, downward API, tokens, and in each of them when projected."""
    field = {"path": path, "fieldRef": {"fieldPath": "metadata.name"}}
    sources: list[dict[str, Any]] = [
        {"configMap": {"name": "c", "items": [{"key": "a", "path": path}]}},
        {"secret": {"items": [{"key": "a", "path": path}]}},
        {"downwardAPI": {"items": [field]}},
    ]
    volumes = [{"name": f"v{index}", **source} for index, source in enumerate(sources)]
    sources.append({"serviceAccountToken": {"path": path}})
    found = _causes(api, {"volumes": [*volumes, {"name": "all", "projected": {"sources": sources}}]})
    assert len(found) == 7
    assert all(at.endswith(".path") and said.endswith(why) for at, said in found)


@pytest.mark.parametrize("field", ["subPath", "subPathExpr"])
@pytest.mark.parametrize(("path", "why"), OUTSIDE)
def test_a_sub_path_stays_in_its_volume(api: Api, field: str, path: str, why: str) -> None:
    """An absolute one, and one with `..`, is refused."""
    mount = {"name": "v", "mountPath": "/x", field: path}
    ((at, said),) = _causes(api, {"containers": [{"name": "c", "image": "i", "volumeMounts": [mount]}],
                                  "volumes": [{"name": "v", "emptyDir": {}}]})  # fmt: skip
    assert at == f"spec.containers[0].volumeMounts[0].{field}"
    assert said.endswith(why)


def test_a_config_map_has_no_key_that_the_kubelet_uses(api: Api) -> None:
    """`..data` is its link; `.data` and `a..b` are ordinary keys."""
    for key, code in (("..data", 422), ("..", 422), (".", 422), (".data", 201), ("a..b", 201)):
        body = {"metadata": {"name": f"c{code}-{len(key)}"}, "data": {key: "x"}}
        assert api.call("POST", f"{CORE}/configmaps", body).code == code, key


def test_a_selector_must_match_its_template_and_never_changes(api: Api, web: dict[str, Any]) -> None:
    """Both breaches are 422 on the field that a real server names."""
    wrong = api.call("POST", f"{APPS}/deployments", api.deployment("b", selector={"matchLabels": {"x": "y"}}))
    assert wrong.body["details"]["causes"][0]["field"] == "spec.template.metadata.labels"
    labels = {"app": "other"}
    change = {"spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}}}}
    changed = api.call("PATCH", f"{APPS}/deployments/web", change, kind=STRATEGIC)
    assert (changed.code, changed.body["details"]["causes"][0]["field"]) == (422, "spec.selector")


def test_a_stale_revision_is_a_conflict(api: Api, web: dict[str, Any]) -> None:
    """PUT and PATCH with an old resourceVersion are 409; without one they overwrite."""
    assert api.call("PATCH", f"{APPS}/deployments/web", {"spec": {"replicas": 2}}, kind=MERGE).code == 200
    assert api.call("PUT", f"{APPS}/deployments/web", web).code == 409
    stale = {"metadata": {"resourceVersion": web["metadata"]["resourceVersion"]}}
    assert api.call("PATCH", f"{APPS}/deployments/web", stale, kind=MERGE).code == 409
    del web["metadata"]["resourceVersion"]
    replaced = api.call("PUT", f"{APPS}/deployments/web", web)
    assert (replaced.code, replaced.body["spec"]["replicas"], replaced.body["metadata"]["generation"]) == (200, 1, 3)


def test_status_and_spec_are_changed_apart(api: Api, web: dict[str, Any]) -> None:
    """A PATCH of the object leaves the status alone, one of /status leaves the spec alone."""
    both = {"spec": {"replicas": 5}, "status": {"replicas": 7}}
    of_status = api.call("PATCH", f"{APPS}/deployments/web/status", both, kind=MERGE).body
    assert (of_status["spec"]["replicas"], of_status["status"]) == (1, {"replicas": 7})
    of_spec = api.call("PATCH", f"{APPS}/deployments/web", {**both, "status": {"replicas": 9}}, kind=MERGE).body
    assert (of_spec["spec"]["replicas"], of_spec["status"]) == (5, {"replicas": 7})


def test_scale_is_read_and_changed(api: Api, web: dict[str, Any]) -> None:
    """The scale subresource speaks autoscaling/v1, with the selector as text."""
    path = f"{APPS}/deployments/web/scale"
    scale = api.call("GET", path).body
    assert (scale["kind"], scale["spec"], scale["status"]) == (
        "Scale",
        {"replicas": 1},
        {"replicas": 0, "selector": "app=web"},
    )
    assert api.call("PATCH", path, {"spec": {"replicas": 4}}, kind=MERGE).body["spec"]["replicas"] == 4
    assert api.call("PUT", path, {**scale, "metadata": {"name": "web"}}).body["spec"]["replicas"] == 1
    assert api.call("PATCH", path, {"spec": {"replicas": -1}}, kind=MERGE).code == 422


def test_patches_of_all_three_kinds(api: Api) -> None:
    """Merge, JSON and strategic patches apply; a failing test operation is 422, other types 415."""
    api.call("POST", f"{CORE}/configmaps", {"metadata": {"name": "a"}, "data": {"x": "1", "y": "2"}})
    path = f"{CORE}/configmaps/a"
    assert api.call("PATCH", path, {"data": {"x": None}}, kind=MERGE).body["data"] == {"y": "2"}
    operations = [{"op": "test", "path": "/data/y", "value": "2"}, {"op": "add", "path": "/data/z", "value": "3"}]
    patched = api.call("PATCH", path, operations, kind="application/json-patch+json")
    assert patched.body["data"] == {"y": "2", "z": "3"}
    operations[0]["value"] = "no"
    assert api.call("PATCH", path, operations, kind="application/json-patch+json").code == 422
    assert api.call("PATCH", path, {}, kind="application/apply-patch+yaml").code == 415


def test_nulling_a_service_selector_key_removes_it_and_keeps_the_address(api: Api) -> None:
    """This is how a fault proxy takes over a Service, and how its undo gives it back."""
    body = {"metadata": {"name": "s"}, "spec": {"selector": {"app": "s"}, "ports": [{"name": "http", "port": 80}]}}
    created = api.call("POST", f"{CORE}/services", body).body
    change = {"spec": {"selector": {"app": None, "proxy": "s"}}}
    patched = api.call("PATCH", f"{CORE}/services/s", change, kind=STRATEGIC).body
    assert patched["spec"]["selector"] == {"proxy": "s"}
    assert patched["spec"]["clusterIPs"] == [created["spec"]["clusterIP"]]
    replaced = api.call("PUT", f"{CORE}/services/s", body).body
    assert replaced["spec"]["clusterIP"] == created["spec"]["clusterIP"]
    assert replaced["spec"]["ports"][0] == {"name": "http", "port": 80, "protocol": "TCP", "targetPort": 80}


def test_deleting_a_pod_answers_with_the_pod(api: Api) -> None:
    """The official client rejects a Status; a graceful deletion leaves the pod terminating."""
    api.on_loop(lambda: api.store.create("pods", api.pod()))
    gone = api.call("DELETE", f"{CORE}/pods/p", {"gracePeriodSeconds": 5})
    assert (gone.code, gone.body["kind"], gone.body["metadata"]["deletionGracePeriodSeconds"]) == (200, "Pod", 5)
    assert api.call("DELETE", f"{CORE}/pods/p?gracePeriodSeconds=0").body["kind"] == "Pod"
    assert api.call("GET", f"{CORE}/pods/p").code == 404


def test_deletion_honours_preconditions_and_propagation(api: Api, web: dict[str, Any]) -> None:
    """Another UID is 409; a foreground deletion waits for the garbage collector's finalizer."""
    path = f"{APPS}/deployments/web"
    assert api.call("DELETE", path, {"preconditions": {"uid": "other"}}).code == 409
    assert api.call("DELETE", path, {"preconditions": {"resourceVersion": "0"}}).code == 409
    lingering = api.call("DELETE", path, {"propagationPolicy": "Foreground"}).body
    assert lingering["metadata"]["finalizers"] == ["foregroundDeletion"]
    assert api.call("PATCH", path, {"metadata": {"finalizers": None}}, kind=MERGE).code == 200
    assert api.call("GET", path).code == 404


def test_a_deleted_object_is_reported_with_its_uid(api: Api, web: dict[str, Any]) -> None:
    """The Status names the UID, which kubectl waits for."""
    answer = api.call("DELETE", f"{APPS}/deployments/web")
    assert answer.body["status"] == "Success"
    assert answer.body["details"]["uid"] == web["metadata"]["uid"]


def test_a_collection_is_deleted_by_selector(api: Api) -> None:
    """Only what the selector chooses goes."""
    for name in ("a", "b"):
        api.call("POST", f"{CORE}/configmaps", {"metadata": {"name": name, "labels": {"n": name}}})
    gone = api.call("DELETE", f"{CORE}/configmaps?labelSelector=n%3Da").body
    assert [o["metadata"]["name"] for o in gone["items"]] == ["a"]
    assert api.call("GET", f"{CORE}/configmaps/b").code == 200


def test_a_terminating_namespace_takes_nothing_new(api: Api) -> None:
    """A namespace lingers until its controller empties `spec.finalizers`; creating in it is 403."""
    left = api.call("DELETE", "/api/v1/namespaces/shop").body
    assert left["status"]["phase"] == "Terminating"
    late = api.call("POST", f"{CORE}/configmaps", {"metadata": {"name": "late"}})
    assert (late.code, late.body["details"]["causes"][0]["reason"]) == (403, "NamespaceTerminating")
    api.on_loop(lambda: api.store.mutate("namespaces", "", "shop", lambda o: o["spec"].update(finalizers=[])))
    assert api.call("GET", "/api/v1/namespaces/shop").code == 404


def test_a_dry_run_stores_nothing(api: Api) -> None:
    """The answer is complete, the object is not there."""
    dry = api.call("POST", f"{APPS}/deployments?dryRun=All", api.deployment())
    assert (dry.code, dry.body["spec"]["replicas"]) == (201, 1)
    assert api.call("GET", f"{APPS}/deployments/web").code == 404


def test_lists_are_filtered_and_leave_out_kinds(api: Api) -> None:
    """Label and field selectors combine; items have no kind, as a real server's."""
    for name, phase in (("a", "Running"), ("b", "Pending")):
        api.on_loop(lambda name=name, phase=phase: api.store.create("pods", api.pod(name, phase=phase)))  # type: ignore[misc]
    query = "labelSelector=app%20in%20(web)&fieldSelector=status.phase%3DRunning"
    found = api.call("GET", f"/api/v1/pods?{query}").body
    assert found["kind"] == "PodList"
    assert [(o["metadata"]["name"], o.get("kind")) for o in found["items"]] == [("a", None)]


def test_a_page_that_was_not_asked_for_in_time_is_gone(api: Api) -> None:
    """Only so many lists are kept half read: the oldest must begin anew."""
    for name in ("a", "b"):
        api.call("POST", f"{CORE}/configmaps", {"metadata": {"name": name}})
    first = api.call("GET", f"{CORE}/configmaps?limit=1").body["metadata"]["continue"]
    again = f"{CORE}/configmaps?limit=1&continue={first}"
    assert [o["metadata"]["name"] for o in api.call("GET", again).body["items"]] == ["b"]
    for _ in range(64):
        api.call("GET", f"{CORE}/configmaps?limit=1")
    late = api.call("GET", again)
    assert (late.code, late.body["reason"]) == (410, "Expired")


def test_an_immutable_config_map_and_a_pods_spec_stay(api: Api) -> None:
    """Changes that a real server forbids are 422."""
    api.call("POST", f"{CORE}/configmaps", {"metadata": {"name": "a"}, "immutable": True, "data": {"x": "1"}})
    assert api.call("PATCH", f"{CORE}/configmaps/a", {"data": {"x": "2"}}, kind=MERGE).code == 422
    api.on_loop(lambda: api.store.create("pods", api.pod()))
    assert api.call("PATCH", f"{CORE}/pods/p", {"spec": {"dnsPolicy": "None"}}, kind=MERGE).code == 422
    assert api.call("PATCH", f"{CORE}/pods/p", {"metadata": {"labels": {"a": "b"}}}, kind=MERGE).code == 200


def test_events_have_two_faces(api: Api) -> None:
    """The same event is core/v1 and events.k8s.io/v1, with the names of each."""
    event = {"metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "name": "p"}, "message": "hi", "count": 2}
    api.call("POST", f"{CORE}/events", event)
    other = api.call("GET", "/apis/events.k8s.io/v1/namespaces/shop/events/e").body
    assert (other["apiVersion"], other["note"], other["regarding"]["name"]) == ("events.k8s.io/v1", "hi", "p")


def test_tables_have_the_columns_of_kubectl(api: Api) -> None:
    """A client that asks for a Table gets cells, and objects as metadata."""
    api.on_loop(lambda: api.store.create("pods", api.pod()))
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    table = api.call("GET", f"{CORE}/pods", accept=accept).body
    assert [c["name"] for c in table["columnDefinitions"][:5]] == ["Name", "Ready", "Status", "Restarts", "Age"]
    assert table["rows"][0]["cells"][:4] == ["p", "1/1", "Running", "0"]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
