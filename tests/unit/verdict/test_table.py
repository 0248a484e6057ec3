"""Every row of the verdict table, and the order in which rows win."""

from dataclasses import replace

import pytest

from gameday.verdict import EXIT_CODES, Facts, FaultFacts, Finding, Name, Verdict, judge, worst

FAULT = FaultFacts("delay-1", "delay", in_force=True, touched=7, undone=True, effective_undone=True)
HELD = Finding("pages", "holds", "all good")
BROKEN = Finding("pages", "violated", "3 of 9 failed")
GOOD = Facts(
    baseline=(HELD,),
    baseline_done=True,
    findings=(HELD,),
    window_complete=True,
    window_s=10.0,
    faults=(FAULT,),
    recovered=True,
)


def test_all_proven_is_passed() -> None:
    """Baseline met, fault proven, hypothesis held, all undone and recovered: the only way to pass."""
    assert judge(GOOD).name == "passed"


def test_no_facts_cannot_pass() -> None:
    """What is not proven counts against it."""
    assert judge(Facts()).name == "inconclusive"


def test_a_violation_under_a_proven_fault_is_failed() -> None:
    """And the verdict names the hypothesis."""
    verdict = judge(replace(GOOD, findings=(HELD, BROKEN)))
    assert (verdict.name, verdict.hypothesis) == ("failed", "pages")


@pytest.mark.parametrize(
    ("why", "facts"),
    [
        ("baseline not met", replace(GOOD, baseline=(BROKEN,), baseline_done=False)),
        ("baseline not met", replace(GOOD, baseline=(replace(HELD, verdict="undecided"),))),
        ("baseline was not measured", replace(GOOD, baseline_done=False)),
        ("no fault was set", replace(GOOD, faults=())),
        ("enforces NetworkPolicies", replace(GOOD, policies=("NetworkPolicy deny was set",))),
        ("the action drain is not ours", replace(GOOD, foreign=("drain",))),
        ("kill did nothing", replace(GOOD, idle=("the action kill did nothing: it matched nothing",))),
        ("the rollback grow failed", replace(GOOD, rollbacks=("the rollback grow failed: it raised",))),
        ("failed: no pod", replace(GOOD, faults=(replace(FAULT, failed="no pod"),))),
        ("matched nothing", replace(GOOD, faults=(replace(FAULT, matched=0),))),
        ("reverted by kubectl", replace(GOOD, faults=(FAULT, replace(FAULT, reverted_by="kubectl")))),
        ("not proven in force", replace(GOOD, faults=(replace(FAULT, in_force=False),))),
        ("touched traffic", replace(GOOD, faults=(replace(FAULT, touched=0),))),
        (
            "clients not seen: web-1, web-2",
            replace(GOOD, faults=(replace(FAULT, touched=0, unseen=("web-1", "web-2")),)),
        ),
        ("watched for 0.4 s, at least 1 s", replace(GOOD, window_s=0.4)),
        ("clock was set by -8.0 s", replace(GOOD, clock_step_s=-8.0)),
        ("interrupted: SIGTERM", replace(GOOD, interrupted="SIGTERM")),
        ("cannot tell", replace(GOOD, findings=(replace(HELD, verdict="undecided"),))),
        ("the way to the cluster, stalled", replace(GOOD, findings=(replace(BROKEN, stalled=True),))),
        ("no fault proven in force", replace(GOOD, findings=(replace(BROKEN, in_force=False),))),
        ("whole fault window", replace(GOOD, window_complete=False)),
        ("whole fault window", replace(GOOD, findings=())),
        ("not proven undone", replace(GOOD, faults=(replace(FAULT, undone=False),))),
        ("not proven effective", replace(GOOD, faults=(replace(FAULT, effective_undone=False),))),
        ("nobody can tell whether the shop recovered", replace(GOOD, recovered=None)),
    ],
)
def test_what_is_not_proven_is_inconclusive(why: str, facts: Facts) -> None:
    """Each gap in the proof, on its own, keeps it from passing; the reason says which."""
    verdict = judge(facts)
    assert verdict.name == "inconclusive"
    assert why in verdict.reason


def test_a_lasting_wound_is_failed() -> None:
    """Undone, proven so, and the shop still does not answer well: it did not hold."""
    verdict = judge(replace(GOOD, recovered=False, recovery_reason="GET /: status 503"))
    assert (verdict.name, verdict.hypothesis) == ("failed", "recovery")


def test_invalid_and_error() -> None:
    """Our own fault outranks a bad file."""
    assert judge(Facts(invalid="namespace shop is not allowed")).name == "invalid"
    assert judge(Facts(invalid="not allowed", error="cluster lost")).name == "error"


@pytest.mark.parametrize(
    "also",
    [
        {"error": "cluster lost"},
        {"invalid": "bad"},
        {"interrupted": "SIGINT"},
        {"faults": ()},
        {"window_complete": False},
        {"recovered": None},
    ],
)
def test_a_proven_violation_stays_failed(also: dict[str, object]) -> None:
    """Whatever else goes wrong later, short of dirty."""
    facts = replace(GOOD, findings=(BROKEN,))
    assert judge(replace(facts, **also)).name == "failed"  # type: ignore[arg-type]


def test_dirty_outranks_all() -> None:
    """Something left behind is said first, with the command that mends it."""
    verdict = judge(replace(GOOD, findings=(BROKEN,), error="x", remains=("svc/catalog: kubectl patch ...", "y")))
    assert verdict.name == "dirty"
    assert "kubectl patch" in verdict.reason
    assert "1 more" in verdict.reason


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["passed", "passed"], "passed"),
        (["passed", "invalid"], "invalid"),
        (["invalid", "inconclusive"], "inconclusive"),
        (["inconclusive", "failed"], "failed"),
        (["failed", "error"], "error"),
        (["error", "dirty", "passed"], "dirty"),
        ([], "error"),
    ],
)
def test_a_game_day_is_as_good_as_its_worst(names: list[Name], expected: Name) -> None:
    """In the order dirty, error, failed, inconclusive, invalid, passed; no verdict at all is an error."""
    assert worst(names) == expected
    assert worst(Verdict(name, "") for name in names) == expected


def test_exit_codes() -> None:
    """As documented."""
    wanted = {"passed": 0, "failed": 1, "invalid": 2, "inconclusive": 3, "dirty": 4, "error": 5}
    assert wanted == EXIT_CODES
    assert judge(GOOD).exit_code == 0
