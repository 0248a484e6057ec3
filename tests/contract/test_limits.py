"""How much is taken, and what else keeps one request from doing harm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.contract.behaviours import behaviour
from tests.contract.clusters import JSON_PATCH
from tests.contract.manifests import WAIT, container, pod
from tests.contract.test_refusals import causes, refused

if TYPE_CHECKING:
    from tests.contract.clusters import Cluster


# --- names


@behaviour("A generateName that cannot begin a name answers 422, naming metadata.generateName", area="refusals")
def test_generate_name_is_checked(cluster: Cluster, namespace: str) -> None:
    """Also one that is a path; one that ends with a dash is good."""
    for given in ("/tmp/one-", "../one-", "One-", "-", "one_"):
        made = {**pod("one", container(WAIT)), "metadata": {"generateName": given}}
        answer = cluster.call("POST", cluster.path("pods", namespace), made)
        assert causes(answer)["metadata.generateName"] == "FieldValueInvalid"


@behaviour("A generateName is checked beside a name too", area="refusals")
def test_generate_name_beside_a_name(cluster: Cluster, namespace: str) -> None:
    """Although nothing is made of it."""
    made = {"metadata": {"name": "one", "generateName": "/tmp/one-"}}
    answer = cluster.call("POST", cluster.path("configmaps", namespace), made)
    assert causes(answer) == {"metadata.generateName": "FieldValueInvalid"}


@behaviour("A long generateName is cut, so that the name has 63 characters", area="objects")
def test_a_long_generate_name(cluster: Cluster, namespace: str) -> None:
    """58 of them are the client's."""
    made = cluster.create(cluster.path("configmaps", namespace), {"metadata": {"generateName": "a" * 70}})
    assert len(made["metadata"]["name"]) == 63
    assert made["metadata"]["name"].startswith("a" * 58)
    assert made["metadata"]["generateName"] == "a" * 70


# --- patches


@behaviour("A JSON patch whose copies add more than 3 MiB answers 422", area="patches")
def test_copies_are_limited(cluster: Cluster, namespace: str) -> None:
    """Each of these doubles the data."""
    config = cluster.path("configmaps", namespace, "one")
    cluster.create(config.rpartition("/")[0], {"metadata": {"name": "one"}, "data": {"a": "x" * 100_000}})
    copies = [{"op": "copy", "from": "/data", "path": f"/data/{n}"} for n in range(18)]
    answer = cluster.call("PATCH", config, copies, kind=JSON_PATCH)
    assert (answer.status, answer.json["kind"]) == (422, "Status")
    assert "copy" in answer.json["message"]


@behaviour("A JSON patch of more than 10,000 operations answers 413", area="patches")
def test_operations_are_limited(cluster: Cluster, namespace: str) -> None:
    """10,000 of them are good."""
    config = cluster.path("configmaps", namespace, "one")
    cluster.create(config.rpartition("/")[0], {"metadata": {"name": "one"}, "data": {"a": "x"}})
    test = [{"op": "test", "path": "/data/a", "value": "x"}]
    cluster.patch(config, test * 10_000, JSON_PATCH)
    refused(cluster.call("PATCH", config, test * 10_001, kind=JSON_PATCH), 413, "RequestEntityTooLarge")
