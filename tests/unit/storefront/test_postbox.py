"""The postbox: what it keeps, how it is searched, what it does when it is full or killed, and its pages."""

from __future__ import annotations

import signal
import smtplib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from gameday.activities.mailbox import Postbox

from .conftest import play

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .stage import Process, Stage, Visitor


@contextmanager
def _postbox(stage: Stage, **more: str) -> Iterator[Process]:
    host = stage.spare_host()
    with stage.start("postbox", host, **more) as made:
        yield made


def _mail(postbox: Process, number: int, to: str = "ada@shop.example", *, bcc: str = "", html: str = "") -> None:
    head = f"From: The Shop <orders@shop.example>\r\nTo: Ada <{to}>\r\nSubject: Number {number}\r\n"
    head += f"Message-ID: <m{number}@shop.example>\r\n"
    kind, body = ("html", html) if html else ("plain", f"word{number} for you")
    content = f"{head}Content-Type: text/{kind}; charset=utf-8\r\n\r\n{body}\r\n"
    with smtplib.SMTP(postbox.host, 1025) as session:
        session.sendmail("orders@shop.example", [to, *([bcc] if bcc else [])], content)


def _get(postbox: Process, path: str, **params: Any) -> Any:
    async def scene(visit: Visitor) -> Any:
        return (await visit("GET", f"{postbox.url}{path}", params=params)).json

    return play(scene)


def _subjects(postbox: Process, query: str) -> list[str]:
    return [mail["Subject"] for mail in _get(postbox, "/api/v1/search", query=query)["messages"]]


def test_lists_are_paged_newest_first(stage: Stage) -> None:
    """`start` and `limit`; `total` counts all mails, `messages_count` those found, `count` those on the page."""
    with _postbox(stage) as postbox:
        for number in range(5):
            _mail(postbox, number)
        page = _get(postbox, "/api/v1/messages", start=1, limit=2)
        assert [mail["Subject"] for mail in page["messages"]] == ["Number 3", "Number 2"]
        assert [page[name] for name in ("total", "messages_count", "count", "start")] == [5, 5, 2, 1]
        found = _get(postbox, "/api/v1/search", query="word4", limit=0)
        assert [found[name] for name in ("total", "messages_count", "count")] == [5, 1, 0]


def test_the_search_knows_mailpits_terms(stage: Stage) -> None:
    """Prefixes, phrases, exclusion, any case."""
    with _postbox(stage) as postbox:
        _mail(postbox, 1, "ada@shop.example", bcc="secret@shop.example")
        _mail(postbox, 2, "basile@shop.example")
        for query, found in {
            "": ["Number 2", "Number 1"],
            "to:ADA@shop.example": ["Number 1"],
            "-to:ada@shop.example": ["Number 2"],
            "!word1": ["Number 2"],
            'subject:"number 2"': ["Number 2"],
            "message-id:m1@shop.example": ["Number 1"],
            "bcc:secret": ["Number 1"],
            "addressed:secret@": ["Number 1"],
            "from:orders@ word2": ["Number 2"],
            '"for you"': ["Number 2", "Number 1"],
            "after:2999-01-01": [],
            "before:2999-01-01 word1": ["Number 1"],
            "from:nobody": [],
        }.items():
            assert _subjects(postbox, query) == found, query


def test_mails_outlive_the_process(stage: Stage) -> None:
    """Killed and started again in its folder it has every mail it said yes to, and none that was deleted."""
    host = stage.spare_host()
    with stage.start("postbox", host) as postbox:
        for number in range(3):
            _mail(postbox, number)
        gone = _get(postbox, "/api/v1/messages")["messages"][0]["ID"]
        play(lambda visit: visit("DELETE", f"{postbox.url}/api/v1/messages", json={"IDs": [gone]}))
        postbox.stop(signal.SIGKILL)
    with (stage.folder / f"postbox-{host}" / "mails.spool").open("ab") as spool:
        spool.write(b"          99{cut off")  # a mail that was being written when the kill came
    with stage.start("postbox", host) as postbox:
        assert _subjects(postbox, "") == ["Number 1", "Number 0"]
        _mail(postbox, 7)
        assert _get(postbox, "/api/v1/message/latest")["Subject"] == "Number 7"


def test_a_full_postbox_says_so(stage: Stage) -> None:
    """452, and nothing is dropped: whoever sends keeps the mail, and nobody counts too few."""
    with _postbox(stage, POSTBOX_MAX_MAILS="2") as postbox:
        _mail(postbox, 1)
        _mail(postbox, 2)
        with pytest.raises(smtplib.SMTPDataError, match="full"):
            _mail(postbox, 3)
        assert _subjects(postbox, "") == ["Number 2", "Number 1"]


def test_a_mails_html_is_shown_in_a_sandbox(stage: Stage) -> None:
    """No script of it runs and nothing of it is fetched, in the frame and when it is opened by itself."""
    with _postbox(stage) as postbox:
        _mail(postbox, 1, html="<p>Hello</p><script>document.title = 'mine'</script>")
        ident = _get(postbox, "/api/v1/messages")["messages"][0]["ID"]

        async def scene(visit: Visitor) -> list[Any]:
            return [await visit("GET", postbox.url + path) for path in ("/", f"/view/{ident}", f"/view/{ident}.html")]

        listed, shown, html = play(scene)
    assert f'href="/view/{ident}"' in listed.text
    assert f'sandbox src="/view/{ident}.html"' in shown.text
    assert "<script>" not in shown.text
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    assert html.headers["content-security-policy"].startswith("sandbox; default-src 'none'")


def test_probes_read_all_of_it_while_more_arrives(stage: Stage) -> None:
    """More than a page, and mail in between: none is missed, whom no header names included."""
    with _postbox(stage) as postbox:
        with smtplib.SMTP(postbox.host, 1025) as session:
            for number in range(450):
                content = f"From: a@shop.example\r\nTo: b{number}@shop.example\r\nSubject: {number}\r\n\r\nHello"
                session.sendmail("a@shop.example", [f"b{number}@shop.example"], content)
        reader = Postbox(postbox.url)
        assert len(reader.recipients()) == 450
        _mail(postbox, 1, bcc="secret@shop.example")
        assert ("secret@shop.example", "Number 1") in reader.recipients()
        (mail,) = reader.mails(reader.mails()[-1].created_at)
        assert (mail.headers["message-id"], mail.text.strip()) == (("<m1@shop.example>",), "word1 for you")
