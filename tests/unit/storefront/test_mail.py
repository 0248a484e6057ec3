"""From a purchase to the postbox: the outbox, the audience, the templates, the signature."""

import asyncio
import hashlib
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dkim
import pytest

from .conftest import play
from .stage import DKIM, MAILER_FILES, Process, Stage, Visitor, put

PATIENCE_S = 40.0


async def _give(visit: Visitor, stage: Stage, registry: str = "r0001", name: str = "Zoé") -> str:
    body = {"product": "p002", "from": name, "message": "Félicitations"}
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    reply = await visit("POST", f"{stage.url('web')}/registry/{registry}/gifts", json=body, headers=headers)
    assert reply.status == 201
    return str(reply.json["gift"])


async def _mails(visit: Visitor, stage: Stage, event: str) -> list[dict[str, Any]]:
    found = await visit("GET", f"{stage.url('postbox')}/api/v1/search", params={"query": event, "limit": 1000})
    return list(found.json["messages"])


async def _await(condition: Callable[[], Any]) -> Any:
    """Ask until the answer is true."""
    async with asyncio.timeout(PATIENCE_S):
        while not (answer := await condition()):  # noqa: ASYNC110 - another process tells no events
            await asyncio.sleep(0.03)
    return answer


async def _state(visit: Visitor, mailer: str) -> Any:
    return (await visit("GET", f"{mailer}/state")).json


def _sha256(folder: Path) -> str:
    """The hash as the contract has it, from the data of the ConfigMap."""
    data = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    return hashlib.sha256("".join(f"{key}\0{data[key]}\0" for key in sorted(data)).encode()).hexdigest()


@contextmanager
def _other_mailer(stage: Stage, config: Path, **more: str) -> Iterator[Process]:
    """Put another mailer, with a configuration of its own, in the place of the usual one."""
    stage.send_mailer_away()
    try:
        with stage.start("mailer", stage.spare_host(), MAILER_CONFIG_DIR=str(config), **more) as mailer:
            yield mailer
    finally:
        stage.query("update outbox set processed_at = now() where processed_at is null")
        stage.processes["mailer"] = stage.start("mailer")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A copy of the mailer's configuration, to be spoilt."""
    return Path(shutil.copytree(MAILER_FILES, tmp_path / "mailer"))


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    put(path, text.replace(old, new))


def test_a_gift_gives_one_signed_mail_to_the_owner(stage: Stage) -> None:
    """The alert goes to the registry's owner alone, in their language, with a link to the very gift, DKIM-signed."""

    async def scene(visit: Visitor) -> tuple[str, dict[str, Any], dict[str, list[str]], str]:
        gift = await _give(visit, stage, "r0002")
        (mail,) = await _await(lambda: _mails(visit, stage, gift))
        one = f"{stage.url('postbox')}/api/v1/message/{mail['ID']}"
        full, headers, raw = [await visit("GET", one + part) for part in ("", "/headers", "/raw")]
        return gift, full.json, headers.json, raw.text

    gift, mail, headers, raw = play(scene)
    assert [to["Address"] for to in mail["To"]] == ["customer-0002@shop.example"]
    assert "Zoé a choisi un cadeau" in mail["Subject"]
    assert f"http://shop.example/registry/r0002/items/{gift}" in mail["Text"]
    assert "Félicitations" in mail["HTML"]
    assert (headers["X-Shop-Template"], headers["X-Shop-Event"]) == (["gift-alert"], [gift])
    assert all(len(headers[name]) == 1 for name in ("From", "Date", "Message-ID"))
    record = (DKIM / "public.txt").read_bytes().strip()
    assert dkim.verify(raw.replace("\r\n", "\n").replace("\n", "\r\n").encode(), dnsfunc=lambda *_a, **_k: record)


def test_an_order_gives_one_confirmation(stage: Stage) -> None:
    """The confirmation goes to the order's address and tells the total in the visitor's language."""

    async def scene(visit: Visitor) -> tuple[list[dict[str, Any]], Any]:
        shop = stage.url("web")
        cart = (await visit("POST", f"{shop}/cart/items", json={"product": "p001", "quantity": 2})).json["cart"]
        headers = {"Idempotency-Key": uuid.uuid4().hex, "Accept-Language": "fr"}
        body = {"cart": cart, "email": "guest@elsewhere.example"}
        order = (await visit("POST", f"{shop}/checkout", json=body, headers=headers)).json
        mails = await _await(lambda: _mails(visit, stage, order["order"]))
        return mails, (await visit("GET", f"{stage.url('postbox')}/api/v1/message/{mails[0]['ID']}")).json

    (mail,), full = play(scene)
    assert [to["Address"] for to in mail["To"]] == ["guest@elsewhere.example"]
    assert "confirmée" in mail["Subject"]
    euros, cents = divmod(2 * stage.price_cents("p001"), 100)
    assert f"Total : {euros},{cents:02} €" in full["Text"]


def test_the_join_keeps_a_wrong_audience_from_everybody(stage: Stage, config: Path) -> None:
    """Misconfigured to all customers, an alert still goes to the owner alone; the state tells how many were dropped."""
    _replace(config / "audience.yaml", "registry-owner", "all-customers")

    async def scene(visit: Visitor) -> tuple[list[dict[str, Any]], Any]:
        gift = await _give(visit, stage)
        await _await(lambda: _mails(visit, stage, gift))
        await _await(lambda: _is_processed(stage, gift))
        return await _mails(visit, stage, gift), await _state(visit, mailer.url)

    with _other_mailer(stage, config) as mailer:
        mails, state = play(scene)
    assert [mail["To"][0]["Address"] for mail in mails] == ["customer-0001@shop.example"]
    assert state["config_sha256"] == _sha256(config)
    assert state["by_config"][_sha256(config)] == {
        "events": 1, "audience": _wanting(stage), "dropped_by_join": _wanting(stage) - 1, "suppressed": 8,
        "sent": 1, "campaign_mails": 0, "held": 0,
    }  # fmt: skip


def test_without_the_join_a_wrong_audience_is_everybody(stage: Stage, config: Path) -> None:
    """The weakness: with the join off one gift is told to every customer who has not unsubscribed."""
    _replace(config / "audience.yaml", "registry-owner", "all-customers")

    async def scene(visit: Visitor) -> set[str]:
        gift = await _give(visit, stage)
        await _await(lambda: _is_processed(stage, gift))
        return {mail["To"][0]["Address"] for mail in await _mails(visit, stage, gift)}

    with _other_mailer(stage, config, MAILER_EVENT_JOIN="off") as mailer:
        reached = play(scene)
    assert mailer.popen.returncode == 0
    assert len(reached) == _wanting(stage) > 100


def _wanting(stage: Stage) -> int:
    """How many customers want mail: whoever joined in another test is one of them."""
    return int(stage.query("select count(*) from customers where not unsubscribed")[0][0])


async def _is_processed(stage: Stage, event: str) -> bool:
    return stage.query("select processed_at is not null from outbox where event_id = %s", event) == [(True,)]


BROKEN = [
    ("gift-alert.en.txt.j2", "{{ gift.product }}", "{{ gift.prodct }}"),
    ("gift-alert.en.txt.j2", "{{ gift.product }}", "{{ gift.product }"),
    ("gift-alert.en.html.j2", "{{ gift.product }}", "{{ '{{' }} gift.product }}"),
    ("gift-alert.en.html.j2", "{{ gift.product }}", "{{ none }}"),
    ("gift-alert.en.subject.j2", "{{ gift.from_name }} bought a gift from your registry", ""),
    ("audience.yaml", "registry-owner", "registry-ownr"),
]


@pytest.mark.parametrize(("file", "old", "new"), BROKEN)
def test_a_broken_template_holds_the_mail_until_it_is_mended(
    stage: Stage, config: Path, file: str, old: str, new: str
) -> None:
    """Nothing is sent while the template is broken; the event waits, and goes out once the configuration is mended."""
    good = (config / file).read_text(encoding="utf-8")
    _replace(config / file, old, new)
    broken = _sha256(config)

    async def held(visit: Visitor) -> bool:
        return bool((await _state(visit, mailer.url))["by_config"].get(broken, {}).get("held"))

    async def scene(visit: Visitor) -> tuple[list[dict[str, Any]], Any]:
        gift = await _give(visit, stage)
        await _await(lambda: held(visit))
        await asyncio.sleep(0.5)  # long enough for a hot loop to show
        before = await _mails(visit, stage, gift)
        assert (await _state(visit, mailer.url))["by_config"][broken]["held"] == 1
        put(config / file, good)
        after = await _await(lambda: _mails(visit, stage, gift))
        assert (await _state(visit, mailer.url))["config_sha256"] == _sha256(config)
        return before, after

    with _other_mailer(stage, config) as mailer:
        before, after = play(scene)
    assert before == []
    assert len(after) == 1


def test_without_strictness_a_broken_template_is_sent(stage: Stage, config: Path) -> None:
    """The weakness: a misspelt variable leaves a hole in the mail, which is sent all the same."""
    _replace(config / "gift-alert.en.txt.j2", "{{ gift.product }}", "{{ gift.prodct }}")

    async def scene(visit: Visitor) -> Any:
        gift = await _give(visit, stage)
        (mail,) = await _await(lambda: _mails(visit, stage, gift))
        return (await visit("GET", f"{stage.url('postbox')}/api/v1/message/{mail['ID']}")).json

    with _other_mailer(stage, config, MAILER_STRICT_TEMPLATES="off"):
        mail = play(scene)
    assert "A gift is on its way: , bought by" in mail["Text"]


def test_a_shoppers_braces_hold_nothing(stage: Stage) -> None:
    """A giver whose name looks like a template's leftovers is a giver all the same."""

    async def scene(visit: Visitor) -> list[dict[str, Any]]:
        gift = await _give(visit, stage, name="{{ None }}")
        return list(await _await(lambda: _mails(visit, stage, gift)))

    assert len(play(scene)) == 1


def test_mails_wait_for_a_postbox_that_is_away_and_go_out_once(stage: Stage, config: Path) -> None:
    """While SMTP is down the event stays; when it is back exactly one mail arrives, and it is counted once."""
    host = stage.spare_host()

    async def scene(visit: Visitor) -> tuple[Any, Any]:
        gift = await _give(visit, stage)
        await _await(lambda: _has_postponed(mailer))
        with stage.start("postbox", host) as postbox:
            await _await(lambda: _is_processed(stage, gift))
            found = await visit("GET", f"{postbox.url}/api/v1/messages")
            return found.json, await _state(visit, mailer.url)

    with _other_mailer(stage, config, POSTBOX_SERVICE_HOST=host) as mailer:
        found, state = play(scene)
    assert found["total"] == 1
    counts = state["by_config"][_sha256(config)]
    assert (counts["events"], counts["audience"], counts["sent"], counts["held"]) == (1, 1, 1, 0)


async def _has_postponed(mailer: Process) -> bool:
    return "delivery-postponed" in mailer.log.read_text()


def test_the_postbox_searches_pages_and_forgets(stage: Stage) -> None:
    """Search by to:, subject: and words; pages with start and limit; newest first; DELETE empties it."""

    async def scene(visit: Visitor) -> None:
        api = f"{stage.url('postbox')}/api/v1"
        gifts = [await _give(visit, stage, f"r000{n}") for n in (3, 4)]
        await _await(lambda: _mails(visit, stage, gifts[0]))
        await _await(lambda: _mails(visit, stage, gifts[1]))
        assert await _found(visit, api, "to:customer-0003@shop.example " + gifts[0]) == 1
        assert await _found(visit, api, "to:customer-0003@shop.example " + gifts[1]) == 0
        assert await _found(visit, api, 'subject:"from your registry" ' + gifts[0]) == 1
        assert await _found(visit, api, "from:nobody@") == 0
        page = (await visit("GET", f"{api}/messages", params={"start": 0, "limit": 1})).json
        assert len(page["messages"]) == 1
        assert page["total"] >= 2
        newest = (await visit("GET", f"{api}/message/latest")).json
        assert newest["ID"] == page["messages"][0]["ID"]
        shown = await visit("GET", stage.url("postbox"), headers={"Accept": "text/html"})
        assert "choisi un cadeau" in shown.text
        assert (await visit("GET", f"{api}/message/nothing")).status == 404
        assert (await visit("DELETE", f"{api}/messages")).status == 200
        assert (await visit("GET", f"{api}/messages")).json["messages"] == []

    play(scene)


async def _found(visit: Visitor, api: str, query: str) -> int:
    return int((await visit("GET", f"{api}/search", params={"query": query})).json["messages_count"])


def test_configuration_follows_a_kubelets_symlinks(stage: Stage, config: Path, tmp_path: Path) -> None:
    """A folder laid out by a kubelet, where `..data` is swapped at once, is read as one version."""
    mount = tmp_path / "mount"
    mount.mkdir()
    shutil.copytree(config, mount / "..v1")
    (mount / "..data").symlink_to("..v1")
    for path in config.iterdir():
        (mount / path.name).symlink_to(Path("..data") / path.name)
    _replace(config / "gift-alert.en.txt.j2", "Hello", "Dear")

    async def scene(visit: Visitor) -> None:
        assert (await _state(visit, mailer.url))["config_sha256"] == _sha256(mount / "..v1")
        shutil.copytree(config, mount / "..v2")
        (mount / "..tmp").symlink_to("..v2")
        (mount / "..tmp").rename(mount / "..data")
        started = time.monotonic()
        while (await _state(visit, mailer.url))["config_sha256"] != _sha256(config):
            assert time.monotonic() - started < 20
            await asyncio.sleep(0.02)

    with _other_mailer(stage, mount) as mailer:
        play(scene)
