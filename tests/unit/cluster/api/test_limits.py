"""What one request may cost, and bytes that no client of good sense sends: each gets an answer, and that a Status."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from gameday.cluster.addresses import Addresses, Pool
from gameday.cluster.admission import NODE_PORTS, Admission
from gameday.cluster.api import forms
from gameday.cluster.api.errors import ApiError
from gameday.cluster.store import Store
from tests.unit.cluster.api import conftest

if TYPE_CHECKING:
    from tests.unit.cluster.api.conftest import Api

CORE = "/api/v1/namespaces/shop"
MERGE = "application/merge-patch+json"
LINE = b"2026-01-31T12:00:00.000000000Z said\n"


@pytest.mark.parametrize(
    "text",
    ["2026-01-01: a", "!!binary x: a", "a: !!bool foo", "a: !!timestamp foo", "a: !!int ''", "a: !!float ''",
     "a: 2026-01-01T00:00:00+99:99"],
)  # fmt: skip
def test_yaml_that_its_parser_breaks_on_is_a_bad_request(api: Api, text: str) -> None:
    """The parser raises what Python's own functions raise."""
    answer = api.call("POST", f"{CORE}/configmaps", text.encode(), kind="application/yaml")
    assert (answer.code, answer.body["reason"]) == (400, "BadRequest")


def test_yaml_has_so_many_parts_and_no_more(api: Api) -> None:
    """A megabyte of it would be a gigabyte while it is read."""
    text = b"metadata: {name: a}\nx: [" + b",".join([b"1"] * 100_000) + b"]"
    answer = api.call("POST", f"{CORE}/configmaps", text, kind="application/yaml")
    assert answer.code == 400
    assert "more than 100000 parts" in answer.body["message"]


@pytest.mark.parametrize(
    "query",
    ["sinceSeconds=100000000000", "sinceSeconds=999999999999999999", "sinceTime=0001-01-01T00:00:00%2B01:00",
     "sinceTime=0999-01-01T00:00:00Z"],
)  # fmt: skip
def test_logs_since_before_all_times_are_whole(api: Api, query: str) -> None:
    """Also since a time that this machine's calendar has not."""
    api.on_loop(lambda: api.store.create("pods", api.pod()))
    api.logs.path("p", "c").write_bytes(LINE)
    answer = api.call("GET", f"{CORE}/pods/p/log?{query}")
    assert (answer.code, answer.body) == (200, "said\n")


def test_a_content_type_that_is_no_text_is_refused(api: Api) -> None:
    """The Status repeats it, as far as that can be written."""
    answer = api.call("POST", f"{CORE}/configmaps", {"metadata": {"name": "a"}}, kind="application/\xff")
    assert (answer.code, answer.body["kind"], answer.body["reason"]) == (415, "Status", "UnsupportedMediaType")


@pytest.mark.parametrize("form", ["Foo", "\xff", "Status"])
@pytest.mark.parametrize(("method", "path"), [("GET", "configmaps"), ("POST", "configmaps"), ("GET", "pods?watch=1")])
def test_a_form_that_is_not_served_is_refused_before_anything_is_done(
    api: Api, method: str, path: str, form: str
) -> None:
    """There is no list of kind FooList, and the object is not made."""
    body = {"metadata": {"name": "a"}} if method == "POST" else None
    answer = api.call(method, f"{CORE}/{path}", body, accept=f"application/json;as={form};g=meta.k8s.io;v=v1")
    assert (answer.code, answer.body["reason"]) == (406, "NotAcceptable")
    assert api.call("GET", f"{CORE}/configmaps/a").code == 404


def test_only_the_first_of_many_mistakes_are_told(api: Api) -> None:
    """A request of three megabytes would else be answered with a hundred."""
    many = {str(n): n for n in range(1000)}
    wrong = api.call("POST", f"{CORE}/configmaps", {"metadata": {"name": "a"}, "data": many})
    assert (wrong.code, wrong.body["message"].count("unmarshal")) == (400, 20)
    assert wrong.body["message"].endswith("; and 980 more")
    unknown = {"metadata": {"name": "a"}, **{f"x{n}": 1 for n in range(1000)}}
    strict = api.call("POST", f"{CORE}/configmaps?fieldValidation=Strict", unknown)
    assert strict.body["message"].endswith('unknown field "x19", and 980 more')
    keys = {"metadata": {"name": "a"}, "data": {f"/{n}": "" for n in range(1000)}}
    invalid = api.call("POST", f"{CORE}/configmaps", keys)
    assert (invalid.code, len(invalid.body["details"]["causes"])) == (422, 20)
    assert invalid.body["message"].endswith("], and 980 more")


def long_deployment(**meta: Any) -> dict[str, Any]:
    """One that is longer than an object may be."""
    made = conftest.Api.deployment()
    made["spec"]["template"]["spec"]["containers"][0]["args"] = ["x" * 1_600_000]
    return {**made, "metadata": {"name": "a", **meta}}


@pytest.mark.parametrize(
    ("path", "body", "code", "said"),
    [
        ("/apis/apps/v1/namespaces/shop/deployments", long_deployment(), 413, "request is too large"),
        ("/apis/apps/v1/namespaces/shop/deployments", long_deployment(annotations={"a": "x" * 300_000}), 422,
         "metadata.annotations: Too long"),
        (f"{CORE}/configmaps", {"metadata": {"name": "a"}, "data": {"a": "x" * 1_600_000}}, 422, "Too long"),
        (f"{CORE}/secrets", {"metadata": {"name": "a"}, "stringData": {"a": "x" * 1_600_000}}, 422, "Too long"),
        (f"{CORE}/pods", {"metadata": {"name": "a"}, "spec": {"containers": [{}] * 700_000}}, 413,
         "request is too large"),
    ],
)  # fmt: skip
def test_what_is_too_long_is_said_of_the_part_first(api: Api, path: str, body: Any, code: int, said: str) -> None:
    """As a real server does, which looks at the parts with limits of their own before it stores the whole."""
    answer = api.call("POST", path, body)
    assert (answer.code, said in answer.body["message"]) == (code, True), answer.body["message"]


def test_the_rest_of_a_list_is_kept_for_a_while(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it holds would else stay in memory for as long as the cluster lives."""
    for name in "abc":
        api.call("POST", f"{CORE}/configmaps", {"metadata": {"name": name}})
    kept = api.call("GET", f"{CORE}/configmaps?limit=1").body["metadata"]["continue"]
    monkeypatch.setattr(forms, "KEPT_S", 0)
    dropped = api.call("GET", f"{CORE}/configmaps?limit=1").body["metadata"]["continue"]
    assert api.call("GET", f"{CORE}/configmaps?continue={kept}").code == 200
    assert api.call("GET", f"{CORE}/configmaps?continue={dropped}").code == 410


def test_who_follows_a_log_goes_on_in_the_next_file(api: Api) -> None:
    """A long log is set aside while it is followed."""
    api.on_loop(lambda: api.store.create("pods", api.pod()))
    log = api.logs.path("p", "c")
    log.write_bytes(LINE)
    connection = api.connect()
    connection.request("GET", f"{CORE}/pods/p/log?follow=true", headers={"Authorization": "Bearer a-token"})
    answer = connection.getresponse()
    assert answer.readline() == b"said\n"
    log.rename(log.with_suffix(".old"))
    log.write_bytes(LINE.replace(b"said", b"more"))
    assert answer.readline() == b"more\n"
    connection.close()


def test_a_log_that_is_followed_ends_at_its_limit(api: Api) -> None:
    """There is nothing left to wait for."""
    api.on_loop(lambda: api.store.create("pods", api.pod()))
    api.logs.path("p", "c").write_bytes(LINE * 3)
    assert api.call("GET", f"{CORE}/pods/p/log?follow=true&limitBytes=7").body == "said\nsa"


def test_a_budget_without_numbers_lets_no_pod_go(api: Api) -> None:
    """Somebody wrote a status that the disruption controller has not seen yet."""
    budget = {"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}}
    path = "/apis/policy/v1/namespaces/shop/poddisruptionbudgets"
    assert api.call("POST", path, budget).code == 201
    assert api.call("PATCH", f"{path}/b/status", {"status": {"observedGeneration": 9}}, kind=MERGE).code == 200
    api.on_loop(lambda: api.store.mutate("poddisruptionbudgets.policy", "shop", "b", _only_seen))
    api.on_loop(lambda: api.store.create("pods", api.pod()))
    assert api.call("POST", f"{CORE}/pods/p/eviction", {"metadata": {"name": "p"}}).code == 429


def _only_seen(budget: dict[str, Any]) -> None:
    budget["status"] = {"observedGeneration": 9}


def node_ports(count: int) -> dict[str, Any]:
    """A Service with so many ports."""
    ports = [{"name": f"p{n}", "port": n + 1} for n in range(count)]
    return {"metadata": {"name": "a", "namespace": "shop"}, "spec": {"type": "NodePort", "ports": ports}}


@pytest.mark.parametrize(
    ("service", "what"),
    [(node_ports(len(NODE_PORTS) + 1), "nodePort"), ({**node_ports(1), "spec": {"type": "ClusterIP"}}, "serviceIP")],
)
def test_what_has_run_out_is_said(service: dict[str, Any], what: str) -> None:
    """In a real server's words."""
    nothing = cast("Addresses", SimpleNamespace(services=Pool("127.9", 2, 1)))
    with pytest.raises(ApiError, match=f"failed to allocate a {what}: range is full") as raised:
        Admission(Store(), nothing).admit("services", service)
    assert raised.value.code == 500


def test_node_ports_are_given_out_to_the_last() -> None:
    """Around those that a Service asks for itself."""
    service = node_ports(len(NODE_PORTS))
    service["spec"]["ports"][0]["nodePort"] = NODE_PORTS[5]
    Admission(Store(), cast("Addresses", SimpleNamespace(services=Pool("127.9", 1, 1)))).admit("services", service)
    assert {port["nodePort"] for port in service["spec"]["ports"]} == set(NODE_PORTS)
    assert json.dumps(service)
