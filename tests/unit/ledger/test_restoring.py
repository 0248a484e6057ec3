"""The commands that mend what an experiment left different."""

from __future__ import annotations

import json
import shlex

from gameday.ledger.restoring import left_behind, mend_commands

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


def test_each_object_that_differs_is_said_once() -> None:
    """With what differs first, and the line that mends it."""
    changed = {**WEB, "labels": {"a": "b"}, "spec": {"replicas": 0}}
    (line,) = left_behind("c", "n", {"deployment web": WEB, "service web": WEB}, {
        "deployment web": changed, "service web": WEB
    })  # fmt: skip
    assert line.startswith('deployment web: labels.a was absent, is "b"; mend it with: kubectl --context c ')
    (gone,) = left_behind("c", "n", {"deployment web": WEB}, {})
    assert gone == "deployment web: is gone; mend it with: apply its manifest"
