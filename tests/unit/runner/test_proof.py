"""The commands that mend what an experiment left different."""

from gameday.runner.gameday import namespace_name


def test_namespace_names_are_short_dns_labels() -> None:
    """Whatever a file is called."""
    assert namespace_name("abc123", 2, "Ünder_Score & more than twenty letters") == "gd-abc123-2-nder-score-more-than"
    assert namespace_name("abc123", 3, "???") == "gd-abc123-3"
