"""The embedded cluster's documentation says what the contract suite says."""

from __future__ import annotations

from collections import Counter

from tests.contract import documentation


def test_the_page_is_what_the_suite_and_its_records_make() -> None:
    """The committed page is today's."""
    made = documentation.page(documentation.behaviours(), *documentation.records())
    assert documentation.PAGE.read_text() == made, "run `make contract-docs`"


def test_every_behaviour_was_seen_on_the_embedded_cluster() -> None:
    """The committed record names the suite's behaviours and no others, each as its mark says."""
    embedded, _ = documentation.records()
    expected = {
        one.title: "differs" if one.differs else "refused" if one.refused else "agrees"
        for one in documentation.behaviours()
    }
    assert embedded.seen == expected, "run `make contract-record`"


def test_no_real_cluster_disagrees() -> None:
    """What the suite says of Kubernetes was seen on each real cluster that is new enough, and on nothing else."""
    for record in documentation.records()[1]:
        expected = {one.title: "agrees" for one in documentation.behaviours() if one.since <= record.version}
        assert record.seen == expected, "run `make contract-record` where the real Kubernetes is at hand, as root"


def test_a_behaviour_has_a_title_of_its_own() -> None:
    """Records tell behaviours apart by their titles."""
    titles = Counter(one.title for one in documentation.behaviours())
    assert not [title for title, count in titles.items() if count > 1]
