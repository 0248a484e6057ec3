"""What each service's API takes and gives, as OpenAPI 3.0: one table, served by each service at ``GET /openapi.json``.

It is kept true by tests/unit/storefront/test_openapi.py, which sends what it describes, and what it does not.
"""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from gameday.storefront.fields import LONGEST_MESSAGE, LONGEST_NAME, LONGEST_REVIEW, MOST_IN_CART

Schema = dict[str, Any]

ID: Schema = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}
UUID: Schema = {"type": "string", "format": "uuid"}
CART: Schema = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
EMAIL: Schema = {"type": "string", "pattern": r"^[a-z0-9][a-z0-9.+-]{0,30}@([a-z0-9]{1,10}\.){1,2}(test|example)$"}
LANGUAGE: Schema = {"type": "string", "enum": ["en", "fr"]}
CENTS: Schema = {"type": "integer", "minimum": 0}
PROBLEM_TYPE = "application/problem+json"


def line(longest: int) -> Schema:
    """One line of text that is not blank."""
    return {"type": "string", "minLength": 1, "maxLength": longest, "pattern": r"^[!-~]"}


def at_most(longest: int) -> Schema:
    """Text that may be missing, or blank."""
    return {"type": "string", "maxLength": longest}


def count(most: int) -> Schema:
    """A whole number from 1."""
    return {"type": "integer", "minimum": 1, "maximum": most}


def record(required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    """An object."""
    return {"type": "object", "properties": required | (optional or {}), "required": list(required)}


def many(schema: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": schema}


NAME = line(LONGEST_NAME)
ITEM = record({"product": ID, "quantity": count(MOST_IN_CART)})
PRODUCT = record(
    {
        "id": ID,
        "name": record({"en": {"type": "string"}, "fr": {"type": "string"}}),
        "description": record({"en": {"type": "string"}, "fr": {"type": "string"}}),
        "price_cents": CENTS,
        "rating": {"type": "number", "minimum": 1, "maximum": 5, "nullable": True},
        "reviews": {"type": "integer", "minimum": 0},
    },
    {"deal_cents": CENTS},
)
REVIEW = record(
    {
        "author": {"type": "string"},
        "stars": count(5),
        "text": {"type": "string"},
        "at": {"type": "string", "format": "date-time"},
    }
)
ORDER = record({"order": UUID, "status": {"type": "string", "enum": ["confirmed"]}, "total_cents": CENTS})
NAMES = {"name_en": {"type": "string"}, "name_fr": {"type": "string"}}
GIFT = {"gift": UUID, "from_name": {"type": "string"}, "message": {"type": "string"}, "product": ID, **NAMES}
OWNED = {"registry": ID, "owner": {"type": "string"}, "name": {"type": "string"}}
MEMBER = record({"member": UUID, "name": {"type": "string"}, "since": {"type": "string", "format": "date"}})
PROBLEM = record(
    {name: {"type": "string"} for name in ("type", "title", "detail", "request_id")} | {"status": {"type": "integer"}}
)


CART_HELD = record({"cart": {"type": "string"}, "items": many(ITEM)})
WRITTEN_REVIEW = record({"review": UUID, "product": ID})
REVIEW_TO_WRITE = record({"author": NAME, "stars": count(5), "text": line(LONGEST_REVIEW)})
ORDER_WITH_LINES: Schema = {"allOf": [ORDER, record({
    "email": {"type": "string"},
    "lines": many(record({"product": ID, "quantity": count(999), "price_cents": CENTS, **NAMES})),
})]}  # fmt: skip
REGISTRY = record({**OWNED, "gifts": many(record(GIFT))})
GIFT_TO_GIVE = record({"product": ID, "from": NAME}, {"message": at_most(LONGEST_MESSAGE)})
GIVEN = record({"gift": UUID, "registry": ID})
TEMPLATE: Schema = {"type": "string", "enum": ["newsletter", "apology"]}
CAMPAIGN = record(
    {
        "campaign": UUID,
        "template": TEMPLATE,
        "product": {"type": "string", "nullable": True},
        "author": {"type": "string"},
        "state": {"type": "string", "enum": ["draft", "counted", "approved", "sent", "cancelled"]},
        "held": {"type": "string"},
        "recipients": {"type": "integer", "nullable": True},
        "sent": {"type": "integer"},
        "bounced": {"type": "integer"},
    }
)


@dataclass(frozen=True)
class Operation:
    """A method of a path. A post with a body has an idempotency key, and a repetition answers 200; a put needs none."""

    method: str
    path: str
    summary: str
    answer: Schema
    body: Schema | None = None
    refusals: tuple[int, ...] = ()
    query: dict[str, Schema] = field(default_factory=dict)


#: What parts of paths are.
PARTS: dict[str, Schema] = {
    "id": ID,
    "rid": ID,
    "gid": UUID,
    "cart": CART,
    "order": UUID,
    "member": UUID,
    "product": ID,
    "campaign": UUID,
    "token": ID,
}

APIS: dict[str, tuple[Operation, ...]] = {
    "catalog": (
        Operation("get", "/products", "All products.", record({"products": many(PRODUCT)})),
        Operation("get", "/deals", "The products on offer today.", record({"deals": many(PRODUCT)})),
        Operation("get", "/products/{id}", "One product.", PRODUCT, refusals=(404,)),
        Operation("get", "/products/{id}/reviews", "The newest 20.", record({"reviews": many(REVIEW)})),
        Operation(
            "post", "/products/{id}/reviews", "Write a review.", WRITTEN_REVIEW, REVIEW_TO_WRITE, (404, 409, 422),
        ),
    ),
    "cart": (
        Operation("get", "/carts/{cart}", "A cart.", record({"cart": CART, "items": many(ITEM)}), refusals=(404,)),
        Operation(
            "post", "/carts/{cart}/items", "Put something in; with `create` the cart is made.",
            record({"cart": CART, "items": many(ITEM)}),
            record({"product": ID}, {"quantity": count(MOST_IN_CART), "create": {"type": "boolean"}}), (404, 422),
        ),
        Operation(
            "put", "/carts/{cart}/items/{product}", "Change how many of a product there are; 0 takes it out.",
            record({"cart": CART, "items": many(ITEM)}),
            record({"quantity": {"type": "integer", "minimum": 0, "maximum": MOST_IN_CART}}), (404, 422),
        ),
    ),
    "orders": (
        Operation(
            "post", "/orders", "Buy `items`, or what the cart holds, at the prices of the day.", ORDER,
            record(
                {"cart": ID, "email": EMAIL},
                {"lang": LANGUAGE, "items": {**many(record({"product": ID, "quantity": count(999)})), "maxItems": 100}},
            ),
            (404, 409, 422),
        ),
        Operation("get", "/orders/{order}", "An order with its lines.", ORDER_WITH_LINES, refusals=(404,)),
    ),
    "registry": (
        Operation(
            "post", "/registries", "Open a registry for a customer.", record({"registry": ID}),
            record({"email": EMAIL}, {"name": at_most(LONGEST_NAME)}), (409, 422),
        ),
        Operation("get", "/registries/{rid}", "A registry and its latest 100 gifts.", REGISTRY, refusals=(404,)),
        Operation(
            "post", "/registries/{rid}/gifts", "Give something.", GIVEN, GIFT_TO_GIVE, (404, 409, 422),
        ),
        Operation(
            "get", "/registries/{rid}/gifts/{gid}", "A gift in this very registry.", record({**OWNED, **GIFT}),
            refusals=(404,),
        ),
    ),
    "members": (
        Operation(
            "post", "/members", "Become a member; an address has one membership.", MEMBER,
            record({"name": NAME, "email": EMAIL}, {"lang": LANGUAGE}), (409, 422),
        ),
        Operation("get", "/members/{member}", "A member.", MEMBER, refusals=(404,)),
    ),
    "mailer": (
        Operation("get", "/campaigns", "The latest 100.", record({"campaigns": many(CAMPAIGN)})),
        Operation(
            "post", "/campaigns", "Make a campaign; nothing is sent.", CAMPAIGN,
            record({"author": NAME, "template": TEMPLATE}, {"product": ID}), (409, 422),
        ),
        Operation("get", "/campaigns/{campaign}", "A campaign, and how far it is.", CAMPAIGN),
        Operation("post", "/campaigns/{campaign}/dry-run", "Count whom it is for.", CAMPAIGN, refusals=(409,)),
        Operation(
            "post", "/campaigns/{campaign}/approval", "Let it go out, as somebody other than its author.", CAMPAIGN,
            record({"approver": NAME, "recipients": {"type": "integer"}}, {"above_ceiling": {"type": "boolean"}}),
            (403, 409, 422),
        ),
        Operation("post", "/campaigns/{campaign}/cancellation", "Send no more of it.", CAMPAIGN, refusals=(409,)),
        Operation("get", "/unsubscriptions/{token}", "Whether a token is good.", record({}), refusals=(404,)),
        Operation("post", "/unsubscriptions/{token}", "Unsubscribe.", record({}), refusals=(404,)),
        Operation("get", "/state", "The configuration in use.", record({"pod": {"type": "string"}})),
    ),
    "web": (
        Operation("get", "/", "The day's deals.", record({"deals": many(PRODUCT), "fallback": {"type": "boolean"}})),
        Operation("get", "/product/{id}", "One product.", PRODUCT),
        Operation(
            "post", "/product/{id}/reviews", "Write a review.", WRITTEN_REVIEW, REVIEW_TO_WRITE, (404, 409, 422),
        ),
        Operation("get", "/cart", "A cart.", CART_HELD, refusals=(400, 404, 422), query={"id": CART}),
        Operation(
            "post", "/cart/items", "Put something in; without `cart` into a new one.", CART_HELD,
            record({"product": ID}, {"quantity": count(MOST_IN_CART), "cart": CART}), (404, 422),
        ),
        Operation(
            "post", "/cart/items/{product}", "Change how many there are; 0 takes it out.", CART_HELD,
            record({"cart": CART, "quantity": {"type": "integer", "minimum": 0, "maximum": MOST_IN_CART}}), (404, 422),
        ),
        Operation("get", "/checkout", "The cart in the cookie.", CART_HELD),
        Operation("post", "/checkout", "Buy a cart.", ORDER, record({"cart": CART, "email": EMAIL}), (404, 409, 422)),
        Operation("get", "/confirmation", "An order.", ORDER_WITH_LINES, refusals=(404,), query={"order": UUID}),
        Operation(
            "post", "/registry", "Open a registry for a customer.", record({"registry": ID}),
            record({"owner": EMAIL}, {"registry_name": at_most(LONGEST_NAME)}), (409, 422),
        ),
        Operation("get", "/registry/{rid}", "A registry and its latest 100 gifts.", REGISTRY),
        Operation("post", "/registry/{rid}/gifts", "Give something.", GIVEN, GIFT_TO_GIVE, (404, 409, 422)),
        Operation("get", "/registry/{rid}/items/{gid}", "A gift in this very registry.", record({**OWNED, **GIFT})),
        Operation(
            "post", "/membership", "Become a member.", MEMBER, record({"name": NAME, "email": EMAIL}), (409, 422),
        ),
        Operation("get", "/membership/{member}", "A member.", MEMBER),
        Operation("get", "/unsubscribe/{token}", "Whether a token is good.", record({}), refusals=(404,)),
        Operation("post", "/unsubscribe/{token}", "Unsubscribe from bulk mail.", record({}), refusals=(404,)),
    ),
}  # fmt: skip


def document(service: str) -> dict[str, Any] | None:
    """The OpenAPI document of a service; None for one without an API of this kind."""
    operations = APIS.get(service)
    if operations is None:
        return None
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        paths.setdefault(one.path, {})[one.method] = _operation(one)
    info = {"title": f"Storefront: {service}", "version": "1"}
    return {"openapi": "3.0.3", "info": info, "paths": paths, "components": {"schemas": {"Problem": PROBLEM}}}


def _operation(one: Operation) -> dict[str, Any]:
    parts = [part.partition("}")[0] for part in one.path.split("{")[1:]]
    made: dict[str, Any] = {
        "summary": one.summary,
        "parameters": [{"name": part, "in": "path", "required": True, "schema": PARTS[part]} for part in parts],
        "responses": {"200": _answer("Done", "application/json", one.answer)},
    }
    made["parameters"] += [{"name": name, "in": "query", "schema": schema} for name, schema in one.query.items()]
    refusals = [*one.refusals, 503]
    if one.body is not None:
        key = {"type": "string", "pattern": "^[!-~]{1,128}$"}
        if one.method == "post":
            made["parameters"].append({"name": "Idempotency-Key", "in": "header", "required": True, "schema": key})
            made["responses"]["201"] = _answer("Made", "application/json", one.answer)
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": one.body}}}
        refusals += [400, 408, 413]
    if parts:
        refusals.append(404)
    problem = {"$ref": "#/components/schemas/Problem"}
    for status in sorted(set(refusals)):
        made["responses"][str(status)] = _answer(HTTPStatus(status).phrase, PROBLEM_TYPE, problem)
    return made


def _answer(description: str, media_type: str, schema: Schema) -> dict[str, Any]:
    return {"description": description, "content": {media_type: {"schema": schema}}}
