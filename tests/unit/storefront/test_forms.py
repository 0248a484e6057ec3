"""Forms, cookies and languages: what a browser sends, what it keeps, and who else may not send it."""

import uuid
from typing import Any

import pytest
from selectolax.lexbor import LexborHTMLParser

from gameday.storefront.web.phrases import LANGUAGES, PHRASES

from .conftest import play
from .places import Place
from .stage import Reply, Stage, Visitor

HTML = {"Accept": "text/html"}


async def _cart(visit: Visitor, web: str, *products: str) -> str:
    cart: dict[str, str] = {}
    for product in products:
        cart = (await visit("POST", f"{web}/cart/items", json={"product": product, "quantity": 2, **cart})).json
        cart = {"cart": cart["cart"]}
    return cart["cart"]


def test_a_quantity_can_be_changed_and_taken_out(stage: Stage) -> None:
    """A program sets a quantity and gets the cart; a form does and is sent to the cart; 0 takes the product out."""

    async def scene(visit: Visitor) -> tuple[Any, Any, Reply, Any]:
        web = stage.url("web")
        cart = await _cart(visit, web, "p001", "p002")
        changed = await visit("POST", f"{web}/cart/items/p001", json={"cart": cart, "quantity": 5})
        again = await visit("POST", f"{web}/cart/items/p001", json={"cart": cart, "quantity": 5})
        assert (changed.status, changed.json) == (again.status, again.json)
        form = {"cart": cart, "quantity": "0"}
        gone = await visit("POST", f"{web}/cart/items/p002", data=form, headers=HTML)
        twice = await visit("POST", f"{web}/cart/items/p002", data=form, headers=HTML)
        assert (gone.status, twice.status) == (303, 303)
        left = await visit("GET", f"{web}/cart", params={"id": cart})
        return changed.status, changed.json["items"], gone, left.json["items"]

    status, changed, gone, left = play(scene)
    assert (status, gone.headers["location"]) == (200, "/cart")
    assert changed == [{"product": "p001", "quantity": 5}, {"product": "p002", "quantity": 2}]
    assert left == [{"product": "p001", "quantity": 5}]


@pytest.mark.parametrize("cart", ["0" * 32, "../orders", "x"])
@pytest.mark.parametrize("path", ["/cart", "/checkout"])
def test_a_cart_that_is_gone_is_an_empty_one(stage: Stage, cart: str, path: str) -> None:
    """A cookie of long ago is no fault of the visitor's: the page is there, and the cart is forgotten."""
    cookie = {"Cookie": f"cart={cart}; count=3"}
    reply = play(lambda visit: visit("GET", stage.url("web") + path, headers={**HTML, **cookie}))
    assert reply.status == 200
    assert PHRASES["en"]["cart_empty"] in reply.text
    assert 'class="count"' not in reply.text or path != "/cart"
    assert path != "/cart" or reply.headers["set-cookie"].startswith("count=")


@pytest.mark.parametrize("store", ["database", "memory"])
def test_wherever_a_cart_is_kept_it_is_changed_alike(stage: Stage, store: str) -> None:
    """A quantity is set, set again, set to none; a product that is not in the cart stays out; no cart is a 404."""
    cart = uuid.uuid4().hex

    async def scene(visit: Visitor) -> list[Any]:
        carts, key = f"{pod.url}/carts", {"Idempotency-Key": uuid.uuid4().hex}
        body = {"product": "p001", "quantity": 1, "create": True}
        await visit("POST", f"{carts}/{cart}/items", json=body, headers=key)
        changes = [(cart, "p001", 9), (cart, "p002", 3), (cart, "p001", 0), (cart, "p001", 2), ("0" * 32, "p001", 1)]
        said = [await visit("PUT", f"{carts}/{c}/items/{p}", json={"quantity": n}) for c, p, n in changes]
        return [reply.json["items"] if reply.status == 200 else reply.status for reply in said]

    with stage.start("cart", stage.spare_host(), CART_STORE=store) as pod:
        nine = [{"product": "p001", "quantity": 9}]
        assert play(scene) == [nine, nine, [], [], 404]


@pytest.mark.parametrize("quantity", [-1, 100, 1.5, "2", True, None])
def test_a_quantity_that_makes_no_sense_changes_nothing(stage: Stage, quantity: Any) -> None:
    """Anything but a whole number from 0 to 99 is a 422."""

    async def scene(visit: Visitor) -> tuple[int, Any]:
        web = stage.url("web")
        cart = await _cart(visit, web, "p003")
        said = await visit("POST", f"{web}/cart/items/p003", json={"cart": cart, "quantity": quantity})
        return said.status, (await visit("GET", f"{web}/cart", params={"id": cart})).json["items"]

    assert play(scene) == (422, [{"product": "p003", "quantity": 2}])


def test_the_header_says_how_much_is_in_the_cart(stage: Stage) -> None:
    """After an addition each page shows the number of things, without asking the cart; nonsense in the cookie is 0."""

    async def scene(visit: Visitor) -> list[str]:
        web = stage.url("web")
        pages = []
        for kept in ("2", "-3", "x", "9" * 30, "٣"):
            reply = await visit("GET", f"{web}/membership", headers={**HTML, "Cookie": f"count={kept}"})
            node = LexborHTMLParser(reply.text).css_first(".count")
            pages.append(node.text() if node else "")
        return pages

    assert play(scene) == ["2", "", "", "", ""]


@pytest.mark.parametrize("name", ["home", "product", "registry", "not found"])
def test_a_chosen_language_wins_and_is_kept(shop_pages: dict[str, Place], name: str) -> None:
    """?lang= beats the cookie, which beats Accept-Language; the page links to itself in both; the choice is kept."""
    url = shop_pages[name].url

    async def scene(visit: Visitor) -> list[Reply]:
        sep = "&" if "?" in url else "?"
        french = {**HTML, "Accept-Language": "fr"}
        return [
            await visit("GET", f"{url}{sep}lang=en", headers={**french, "Cookie": "lang=fr"}),
            await visit("GET", url, headers={**french, "Cookie": "lang=en"}),
            await visit("GET", url, headers={**french, "Cookie": "lang=de"}),
        ]

    chosen, kept, unknown = play(scene)
    assert [reply.headers["content-language"] for reply in (chosen, kept, unknown)] == ["en", "en", "fr"]
    if name != "not found":
        cookie = chosen.headers["set-cookie"]
        assert cookie.startswith("lang=en;")
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert "set-cookie" not in unknown.headers
    links = {
        node.attributes["hreflang"]: node.attributes["href"] for node in LexborHTMLParser(kept.text).css("[hreflang]")
    }
    assert set(links) == set(LANGUAGES)
    assert all((href or "").startswith("?") and f"lang={lang}" in (href or "") for lang, href in links.items())


def test_every_cookie_is_out_of_reach_of_scripts_and_of_other_sites(stage: Stage) -> None:
    """Whatever is kept is HttpOnly and SameSite=Lax, and Secure where the visitor came by TLS."""

    async def scene(visit: Visitor) -> list[list[str]]:
        found = []
        for more in ({}, {"X-Forwarded-Proto": "https"}):
            form = {"product": "p001", "quantity": "1"}
            async with visit.session.post(
                f"{stage.url('web')}/cart/items?lang=fr", data=form, headers={**HTML, **more}, allow_redirects=False
            ) as response:
                found.append(response.headers.getall("Set-Cookie"))
        return found

    plain, over_tls = play(scene)
    assert sorted(cookie.partition("=")[0] for cookie in plain) == ["cart", "count", "lang"]
    assert all("HttpOnly" in cookie and "SameSite=Lax" in cookie for cookie in plain + over_tls)
    assert not any("Secure" in cookie for cookie in plain)
    assert all("Secure" in cookie for cookie in over_tls)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303),
        ({"Origin": "http://{host}"}, 303),
        ({"Origin": "https://{host}"}, 303),
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Origin": "http://elsewhere.example"}, 403),
        ({"Origin": "http://{host}.elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_a_form_of_another_site_is_refused(stage: Stage, headers: dict[str, str], status: int) -> None:
    """What a browser says comes from elsewhere changes nothing; what comes from here, or from a program, does."""

    async def scene(visit: Visitor) -> tuple[int, Reply]:
        web = stage.url("web")
        given = {name: value.replace("{host}", web.removeprefix("http://")) for name, value in headers.items()}
        cart = await _cart(visit, web, "p001")
        form = {"cart": cart, "quantity": "7"}
        said = await visit("POST", f"{web}/cart/items/p001", data=form, headers={**HTML, **given})
        return said.status, await visit("GET", f"{web}/cart", params={"id": cart})

    said, cart = play(scene)
    assert said == status
    assert cart.json["items"][0]["quantity"] == (7 if status == 303 else 2)


def test_the_one_click_of_a_mail_may_come_from_anywhere(stage: Stage) -> None:
    """RFC 8058: a mail program, a webmail too, sends it by itself, so no page of ours is where it comes from."""
    headers = {"Origin": "http://webmail.example"}
    body = {"List-Unsubscribe": "One-Click"}
    url = f"{stage.url('web')}/unsubscribe/{uuid.uuid4().hex}"
    assert play(lambda visit: visit("POST", url, data=body, headers=headers)).status != 403


def test_a_form_that_was_wrong_keeps_its_key(shop_pages: dict[str, Place]) -> None:
    """The form that is shown again has the key that it came with: corrected and sent twice it counts once."""
    place = shop_pages["wrong membership"]
    reply = play(lambda visitor: place.visit(visitor, "en"))
    key = LexborHTMLParser(reply.text).css_first('form[method=post] input[name="key"]')
    assert key
    assert place.form
    assert key.attributes["value"] == place.form["key"]


def test_forms_join_review_give_and_start(stage: Stage) -> None:
    """Each form leads to a page that shows what it did; the same form sent twice did it once."""

    async def scene(visit: Visitor) -> list[str]:
        web, key = stage.url("web"), uuid.uuid4().hex
        forms = {
            "/membership": {"name": "Ada", "email": f"{key}@shop.example"},
            "/product/p031/reviews": {"author": "Ada", "stars": "5", "text": f"said once {key}"},
            "/registry/r0007/gifts": {"product": "p003", "from": "Ada", "message": f"said once {key}"},
            "/registry": {"owner": "customer-0008@shop.example", "registry_name": f"said once {key}"},
        }
        shown = []
        for path, form in forms.items():
            both = [await visit("POST", web + path, data={**form, "key": key}, headers=HTML) for _ in range(2)]
            assert [reply.status for reply in both] == [303, 303], both[0].text
            assert both[0].headers["location"] == both[1].headers["location"]
            shown.append((await visit("GET", web + both[0].headers["location"], headers=HTML)).text)
        return shown

    member, *others = play(scene)
    assert PHRASES["en"]["member"].format(name="Ada") in member
    assert [page.count("said once") for page in others] == [1, 1, 1]


@pytest.mark.parametrize("path", ["/", "/product/p001", "/registry/r0001", "/checkout"])
def test_what_a_page_shows_can_be_had_as_json(stage: Stage, path: str) -> None:
    """A program gets the same as JSON, not to be kept, and told what it depends on."""
    reply = play(lambda visit: visit("GET", stage.url("web") + path))
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("application/json")
    assert reply.headers["cache-control"] == "no-store"
    assert "Accept-Language" in reply.headers["vary"]


def test_a_cart_without_its_prices_is_still_sold(stage: Stage) -> None:
    """A cart whose prices are out of reach is shown without them, and can be ordered."""

    async def scene(visit: Visitor) -> Reply:
        cart = await _cart(visit, stage.url("web"), "p001")
        return await visit("GET", f"{shop.url}/cart", headers={**HTML, "Cookie": f"cart={cart}"})

    with stage.start("web", stage.spare_host(), CATALOG_SERVICE_HOST=stage.spare_host()) as shop:
        reply = play(scene)
    assert reply.status == 200
    assert PHRASES["en"]["prices_away"] in reply.text
    assert 'href="/checkout"' in reply.text
