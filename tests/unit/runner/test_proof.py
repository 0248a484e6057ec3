"""The commands that mend what an experiment left different."""

from __future__ import annotations

import json
import shlex

from gameday.runner.gameday import namespace_name
from gameday.runner.proof import mend_commands

WEB = {"labels": {}, "annotations": {}, "spec": {"replicas": 2}}


def test_a_changed_object_is_patched_back() -> None:
    """Only the part that differs is in the patch, and the shell takes it as one word."""
    (line,) = mend_commands(
        "kind-x", "shop", {"deployment web": WEB}, {"deployment web": {**WEB, "spec": {"replicas": 0}}}
    )
    words = shlex.split(line)
    assert words[:7] == ["kubectl", "--context", "kind-x", "--namespace", "shop", "patch", "deployment"]
    assert json.loads(words[-1]) == [{"op": "add", "path": "/spec", "value": {"replicas": 2}}]


def test_a_made_object_is_deleted_and_an_equal_one_left_alone() -> None:
    """What was not there before goes."""
    after = {"deployment web": WEB, "service new": WEB}
    assert mend_commands("c", "n", {"deployment web": WEB}, after) == [
        "kubectl --context c --namespace n delete service new"
    ]


def test_namespace_names_are_short_dns_labels() -> None:
    """Whatever a file is called."""
    assert namespace_name("abc123", 2, "Ünder_Score & more than twenty letters") == "gd-abc123-2-nder-score-more-than"
    assert namespace_name("abc123", 3, "???") == "gd-abc123-3"
