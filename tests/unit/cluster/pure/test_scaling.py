"""What one request may cost: four times the items take about four times as long, and not sixteen times."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING, Any

import pytest

from gameday.cluster import patches, selectors
from gameday.cluster.api import protobuf, rules, validation
from gameday.cluster.api.errors import ApiError
from gameday.cluster.store import FIRST_REVISION, Store

if TYPE_CHECKING:
    from collections.abc import Callable

FEW, FACTOR, BOUND = 10_000, 4, 10
"""Of this many items and FACTOR as many; linear is a ratio of 4, quadratic of 16 (and, here, some ten seconds)."""


def named(count: int) -> list[dict[str, Any]]:
    """Items that differ in their name and port."""
    return [{"name": f"n{i}", "port": i, "protocol": "TCP"} for i in range(count)]


def check_unique(count: int) -> None:
    """Names of a list."""
    assert not list(rules.unique("name")("f", named(count)))


def check_ports(count: int) -> None:
    """A Service's ports; there are only so many right ones."""
    meta = {"name": "a"}
    ports = [{"port": i, "protocol": "TCP"} for i in range(count)]  # short, or all of it would be too long
    spec = {"type": "ClusterIP", "sessionAffinity": "None", "ports": ports}
    assert validation.validate("services", {"kind": "Service", "metadata": meta, "spec": spec})


def merge_items(count: int) -> None:
    """A patch of every item of a list."""
    both: dict[str, Any] = {"spec": {"ports": named(count)}}
    assert patches.strategic_merge(both, both) == both


def delete_items(count: int) -> None:
    """A patch that deletes every item."""
    patch = {"spec": {"ports": [{"port": i, "$patch": "delete"} for i in range(count)]}}
    assert patches.strategic_merge({"spec": {"ports": named(count)}}, patch) == {"spec": {"ports": []}}


def order_items(count: int) -> None:
    """A patch that turns a list round."""
    order = named(count)[::-1]
    merged = patches.strategic_merge({"spec": {"ports": named(count)}}, {"spec": {"$setElementOrder/ports": order}})
    assert merged["spec"]["ports"] == order


def place_items(count: int) -> None:
    """A patch that orders the half of a list that it knows."""
    order = named(count)[::2]
    merged = patches.strategic_merge({"spec": {"ports": named(count)}}, {"spec": {"$setElementOrder/ports": order}})
    assert merged["spec"]["ports"] == named(count)


def add_words(count: int) -> None:
    """A patch that adds words to a list of words, half of them known."""
    words = [f"a/b{i}" for i in range(count)]
    merged = patches.strategic_merge({"metadata": {"finalizers": words[::2]}}, {"metadata": {"finalizers": words}})
    assert len(merged["metadata"]["finalizers"]) == count


def take_words(count: int) -> None:
    """A patch that takes them off again."""
    words = [f"a/b{i}" for i in range(count)]
    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": words}}
    assert patches.strategic_merge({"metadata": {"finalizers": words}}, patch) == {"metadata": {"finalizers": []}}


def parse_selector(count: int) -> None:
    """A selector of many parts."""
    selectors.parse_labels.cache_clear()
    assert len(selectors.parse_labels(",".join(["a in (b,c)"] * count))) == count


@pytest.mark.parametrize(
    "act",
    [check_unique, check_ports, merge_items, delete_items, order_items, place_items, add_words, take_words,
     parse_selector],
)  # fmt: skip
def test_the_time_grows_with_the_number_of_items(act: Callable[[int], None]) -> None:
    """Everybody waits while one request is looked at; time of the processor, so that others do not count."""

    def cost_s(count: int) -> float:
        gc.collect()
        gc.disable()  # its passes cost by all that this process holds, not by what is measured
        try:
            begin = time.process_time()
            act(count)
            return time.process_time() - begin
        finally:
            gc.enable()

    few = min(cost_s(FEW) for _ in range(3))
    many = min(cost_s(FEW * FACTOR) for _ in range(2))
    assert many < few * BOUND


def test_a_number_without_an_end_is_refused() -> None:
    """Each of its bytes would make it longer, and the next addition slower."""
    with pytest.raises(ApiError, match="64 bits"):
        protobuf.decode(b"k8s\x00" + b"\xff" * 100)


def test_selectors_part_at_commas_outside_of_parentheses() -> None:
    """Also where parentheses do not match."""
    found = selectors.parse_labels("a in (b,c), !d,e=f")
    assert [(r.key, r.values) for r in found] == [("a", ("b", "c")), ("d", ()), ("e", ("f",))]
    for text in ("a in (b,c", "a in b,c)", "a)(,b"):
        with pytest.raises(selectors.SelectorError):
            selectors.parse_labels(text)


def test_less_is_remembered_of_large_objects() -> None:
    """Whatever makes them large: here it is the number of their parts."""
    store = Store()
    for number in range(3):
        ports = [{"port": number, "containerPort": n} for n in range(100_000)]
        store.create("services", {"metadata": {"name": f"a{number}"}, "spec": {"ports": ports}})
    assert store.forgotten > FIRST_REVISION
    assert store.list("services")[2]["spec"]["ports"][0]["port"] == 2


def test_a_patch_copies_so_much_and_no_more() -> None:
    """Each copy may double the object: 25 of them would make gigabytes."""
    copies = [{"op": "copy", "from": "/data/a", "path": "/data/a/-"}] * 13
    with pytest.raises(patches.PatchError, match=str(patches.MAX_COPIED_BYTES)):
        patches.apply_operations({"data": {"a": ["x" * 1000]}}, copies)
    assert patches.apply_operations({"data": {"a": "x"}}, [{"op": "copy", "from": "/data/a", "path": "/data/b"}]) == {
        "data": {"a": "x", "b": "x"}
    }


def test_a_patch_has_so_many_operations_and_no_more() -> None:
    """The last one that is allowed still applies."""
    add = [{"op": "add", "path": "/a", "value": 1}]
    assert patches.apply_operations({}, add * patches.MAX_OPERATIONS) == {"a": 1}
    with pytest.raises(patches.TooManyError, match="10001"):
        patches.apply_operations({}, add * (patches.MAX_OPERATIONS + 1))
