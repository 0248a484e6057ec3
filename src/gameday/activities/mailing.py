"""Bulk mail, as somebody at the shop sends it: no fault, but what a fault of the mailer's configuration is felt by."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

from chaoslib.exceptions import ActivityFailed

from gameday import evidence, reach
from gameday.activities.books import BooksError, fetch
from gameday.activities.fault import attack
from gameday.activities.session import current
from gameday.ledger.proxies import origin_of

if TYPE_CHECKING:
    from gameday.kube import Kube

__all__ = ["send_campaign"]

_LOOK_S = 0.2
_PATIENCE_S = 20.0


def send_campaign(  # arguments in an experiment file
    namespace: str,
    template: str = "newsletter",
    product: str = "p001",
    author: str = "Ada",
    approver: str = "Basile",
    author_tries: bool = False,  # noqa: FBT001, FBT002
    at_most: int = 1000,
    wait_s: float = 0.0,
) -> dict[str, Any]:
    """Make a campaign at the shop's mailer, have it counted, and approved; what it refuses or holds is its answer.

    Nothing can undo a mail, so this has no undo: it goes on, to those whom its dry run counted, when the experiment
    ends or dies. ActivityFailed is raised, and nothing approved, when these are more than `at_most`. `template`:
    newsletter (about `product`) or apology. `author_tries`: first the author approves a campaign of their own, which
    a sound mailer refuses. `wait_s`: for its end, for what holds it, or for a violation. Returns {campaign, recipients,
    state, refused}.
    """
    desk = _Desk(attack(namespace), namespace)
    tried = desk.send(template, product, author, author, at_most) if author_tries else None
    sent = desk.send(template, product, author, approver, at_most)
    until = time.monotonic() + wait_s
    session = current()
    while not sent["refused"] and time.monotonic() < until and not session.violation.is_set():
        status, found = desk.ask("GET", f"/campaigns/{sent['campaign']}")
        if status == 200 and (found["held"] or found["state"] == "sent"):  # noqa: PLR2004
            break
        time.sleep(_LOOK_S)
    evidence.record("note", text=f"campaign {template}: {sent}", author_tried=tried)
    return sent


class _Desk:
    """The mailer's API, of whichever pod answers."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self._url = reach.service_url(kube, namespace, origin_of(kube, namespace, "mailer"))
        self._where = f"{namespace}/mailer"

    def send(self, template: str, product: str, author: str, approver: str, at_most: int) -> dict[str, Any]:
        """One campaign, as far as the mailer lets it come."""
        body = {"author": author, "template": template} | ({"product": product} if template == "newsletter" else {})
        campaign = self._need("/campaigns", body)["campaign"]
        status, counted = self.ask("POST", f"/campaigns/{campaign}/dry-run", {})
        if status != 200:  # noqa: PLR2004
            return _told(campaign, None, "draft", counted)
        recipients = int(counted["recipients"])
        if recipients > at_most:
            raise ActivityFailed(
                f"service {self._where}: the campaign is for {recipients} people, at most {at_most} are allowed here; "
                "it is not approved: raise at_most if so many may be mailed"
            )
        approval = {"approver": approver, "recipients": recipients}
        status, approved = self.ask("POST", f"/campaigns/{campaign}/approval", approval)
        return _told(campaign, recipients, "approved" if status == 200 else "counted", approved)  # noqa: PLR2004

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        """Status and JSON of an answer below 500; asks again for a while when there is none."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": uuid.uuid4().hex}
        until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                data = None if method == "GET" else json.dumps(body).encode()
                status, answer = fetch(self._url + path, headers=headers, body=data)
                if status < 500:  # noqa: PLR2004
                    return status, json.loads(answer)
                problem = f"answered {status}"
            except (BooksError, ValueError) as error:
                problem = str(error)
            if time.monotonic() > until:
                raise ActivityFailed(f"service {self._where}: {path}: {problem}, after {_PATIENCE_S:g} s")
            time.sleep(_LOOK_S)

    def _need(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        status, answer = self.ask("POST", path, body)
        if status not in (200, 201):
            raise ActivityFailed(f"service {self._where}: POST {path} answered {status}: {answer.get('detail')}")
        return dict(answer)


def _told(campaign: str, recipients: int | None, state: str, answer: dict[str, Any]) -> dict[str, Any]:
    return {"campaign": campaign, "recipients": recipients, "state": state, "refused": answer.get("detail")}
