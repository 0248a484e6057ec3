"""The web service."""

from collections.abc import AsyncIterator

from aiohttp import web

from gameday.storefront import fields, service, settings
from gameday.storefront.web import buying, giving, joining, shop, unsubscribing
from gameday.storefront.web.asking import PATIENCE, Patience
from gameday.storefront.web.guarding import keep_language, refuse_strangers
from gameday.storefront.web.peers import PEERS, Peers
from gameday.storefront.web.replies import TEMPLATES, error_page

BACKENDS = ("catalog", "cart", "orders", "registry", "members", "mailer")
OPTIONAL_S = 0.4


async def _open_peers(app: web.Application) -> AsyncIterator[None]:
    await app[PEERS].open()
    yield
    await app[PEERS].close()


def _patience() -> Patience:
    name = "WEB_CATALOG_DEADLINE_S"
    off = settings.text(name, str(OPTIONAL_S)) == "off"
    return Patience(None if off else settings.number(name, OPTIONAL_S))


def build() -> web.Application:
    """The application."""
    app = service.application("web", error_page=error_page)
    app.middlewares.extend((refuse_strangers, keep_language))
    peers = {name: settings.peer(name) for name in BACKENDS}
    app[PEERS] = Peers(peers, retries=settings.switch("WEB_RETRIES"), leaving=app[service.DRAINING].is_set)
    app[PATIENCE] = _patience()
    app.cleanup_ctx.append(_open_peers)
    for template in TEMPLATES.list_templates():  # compiled now, not under a shopper's request
        TEMPLATES.get_template(template)
    _route(app.router)
    return app


def _route(router: web.UrlDispatcher) -> None:
    product, registry = "/product/" + fields.route("id"), "/registry/" + fields.route("rid")
    router.add_get("/", shop.show_home)
    router.add_get(product, shop.show_product)
    router.add_post(product + "/reviews", shop.review_product)
    router.add_get("/cart", buying.show_cart)
    router.add_post("/cart/items", buying.add_to_cart)
    router.add_post("/cart/items/" + fields.route("product"), buying.change_cart)
    router.add_get("/checkout", buying.show_checkout)
    router.add_post("/checkout", buying.check_out)
    router.add_get("/confirmation", buying.show_confirmation)
    router.add_get("/registry", giving.find_registry)
    router.add_post("/registry", giving.start_registry)
    router.add_get(registry, giving.show_registry)
    router.add_get(registry + "/items/" + fields.route("gift"), giving.show_gift)
    router.add_post(registry + "/gifts", giving.give)
    router.add_get("/membership", joining.show_membership)
    router.add_post("/membership", joining.join)
    router.add_get("/membership/" + fields.route("member"), joining.show_member)
    unsubscribing.route(router)


if __name__ == "__main__":
    service.run(build)
