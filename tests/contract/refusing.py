"""What a refusal looks like, for the tests of refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.contract.clusters import Answer

__all__ = ["causes", "refused"]


def refused(answer: Answer, status: int, reason: str) -> dict[str, Any]:
    """The Status of a refusal, which must be whole."""
    said: dict[str, Any] = answer.json
    assert (answer.status, said["kind"], said["apiVersion"]) == (status, "Status", "v1"), answer.data
    assert (said["status"], said["reason"], said["code"]) == ("Failure", reason, status)
    assert said["message"]
    return said


def causes(answer: Answer) -> dict[str, str]:
    """Which fields a 422 names, and for what reason."""
    return {one["field"]: one["reason"] for one in refused(answer, 422, "Invalid")["details"]["causes"]}
