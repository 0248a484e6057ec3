"""The web service."""

from collections.abc import AsyncIterator

from aiohttp import web

from gameday.storefront import fields, service, settings
from gameday.storefront.web import giving, shop, unsubscribing
from gameday.storefront.web.peers import PEERS, Peers
from gameday.storefront.web.replies import TEMPLATES, error_page

BACKENDS = ("catalog", "cart", "orders", "registry", "mailer")
OPTIONAL_S = 0.4


async def _open_peers(app: web.Application) -> AsyncIterator[None]:
    await app[PEERS].open()
    yield
    await app[PEERS].close()


def _patience() -> shop.Patience:
    name = "WEB_CATALOG_DEADLINE_S"
    off = settings.text(name, str(OPTIONAL_S)) == "off"
    return shop.Patience(None if off else settings.number(name, OPTIONAL_S))


def build() -> web.Application:
    """The application."""
    app = service.application("web", error_page=error_page)
    peers = {name: settings.peer(name) for name in BACKENDS}
    app[PEERS] = Peers(peers, retries=settings.switch("WEB_RETRIES"))
    app[shop.PATIENCE] = _patience()
    app.cleanup_ctx.append(_open_peers)
    for template in TEMPLATES.list_templates():  # compiled now, not under a shopper's request
        TEMPLATES.get_template(template)
    _route(app.router)
    return app


def _route(router: web.UrlDispatcher) -> None:
    registry = "/registry/" + fields.route("rid")
    router.add_get("/", shop.show_home)
    router.add_get("/product/" + fields.route("id"), shop.show_product)
    router.add_get("/cart", shop.show_cart)
    router.add_post("/cart/items", shop.add_to_cart)
    router.add_get("/checkout", shop.show_checkout)
    router.add_post("/checkout", shop.check_out)
    router.add_get("/confirmation", shop.show_confirmation)
    router.add_get(registry, giving.show_registry)
    router.add_get(registry + "/items/" + fields.route("gift"), giving.show_gift)
    router.add_post(registry + "/gifts", giving.give)
    unsubscribing.route(router)


if __name__ == "__main__":
    service.run(build)
