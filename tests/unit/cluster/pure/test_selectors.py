"""Label and field selectors."""

from __future__ import annotations

from typing import Any

import pytest

from gameday.cluster import selectors

LABELS = {"app": "web", "tier": "backend", "n": "3"}


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("", True),
        ("app=web,tier==backend", True),
        ("app!=web", False),
        ("other!=x", True),
        ("app in (web, cart),tier", True),
        ("app notin (web)", False),
        ("other notin (a)", True),
        ("!app", False),
        ("!other,app", True),
        ("n>2,n<4", True),
        ("app>2", False),
        ({}, True),
        ({"app": "web"}, True),
        ({"app": "cart"}, False),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}, True),
        ({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, False),
        (None, False),
    ],
)
def test_a_selector_chooses(selector: Any, expected: bool) -> None:  # noqa: FBT001
    """Text, a Service's map and a LabelSelector mean what they mean in Kubernetes."""
    assert selectors.matches(selector, LABELS) is expected


@pytest.mark.parametrize("text", ["a in b", "a b", "=x", "a=b=c", "a in (b", "-a", "a=-"])
def test_nonsense_is_refused(text: str) -> None:
    """A selector that does not parse never means everything."""
    with pytest.raises(selectors.SelectorError):
        selectors.matches(text, LABELS)


def test_field_selectors_compare_text_and_take_absent_as_empty() -> None:
    """`status.phase!=Running` holds for a pod without a phase."""
    pod = {"metadata": {"name": "p"}, "spec": {"hostNetwork": True}, "status": {}}
    chosen = selectors.parse_fields("metadata.name=p,status.phase!=Running,spec.hostNetwork=true,spec.nodeName=")
    assert all(requirement.holds(pod) for requirement in chosen)
    with pytest.raises(selectors.SelectorError):
        selectors.parse_fields("metadata.name")
