"""What a guardian is given, as data."""

from __future__ import annotations

from gameday.runner.catalogue import find_catalogue
from gameday.runner.guardians import guardian, node_rights


def test_the_right_to_nodes_is_of_one_namespace_and_no_more_than_it_takes() -> None:
    """Two objects named after the namespace, so that another's uninstall leaves them; to read and patch nodes."""
    role, binding = node_rights(find_catalogue(), "shop")
    assert (role["kind"], binding["kind"]) == ("ClusterRole", "ClusterRoleBinding")
    assert role["metadata"]["name"] == binding["metadata"]["name"] == binding["roleRef"]["name"]
    assert role["metadata"]["name"].endswith(".shop")
    assert role["rules"] == [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "patch"]}]
    (subject,) = binding["subjects"]
    assert (subject["name"], subject["namespace"]) == ("gameday-guardian", "shop")


def test_without_asking_a_guardian_has_no_right_outside_its_namespace() -> None:
    """Nothing of the whole cluster."""
    assert not [one["kind"] for one in guardian(find_catalogue()) if one["kind"].startswith("Cluster")]
