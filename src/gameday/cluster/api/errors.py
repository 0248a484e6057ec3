"""Failures in the API's own words: a `Status` object with the code, reason and causes of a real server."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from gameday.cluster import schema
from gameday.cluster import store as objects

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gameday.cluster.resources import Resource

_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    409: "Conflict",
    410: "Expired",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    501: "NotImplemented",
}


@dataclass(frozen=True)
class Cause:
    """One thing that is wrong with a field."""

    field: str
    message: str
    reason: str = "FieldValueInvalid"

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def required(field: str, why: str = "") -> Cause:
    """A field that must be there is not."""
    return Cause(field, f"Required value{': ' + why if why else ''}", "FieldValueRequired")


def invalid(field: str, value: Any, why: str) -> Cause:
    """A field's value breaks a rule."""
    shown = f'"{value}"' if isinstance(value, str) else value
    return Cause(field, f"Invalid value: {shown}: {why}")


def unsupported(field: str, value: Any, allowed: Iterable[str]) -> Cause:
    """A field's value is none of those allowed."""
    listed = ", ".join(f'"{a}"' for a in allowed)
    return Cause(field, f'Unsupported value: "{value}": supported values: {listed}', "FieldValueNotSupported")


def duplicate(field: str, value: Any) -> Cause:
    """A value that must be unique in its list is there twice."""
    return Cause(field, f'Duplicate value: "{value}"', "FieldValueDuplicate")


def forbidden(field: str, why: str) -> Cause:
    """A field that may not be there, or not be changed."""
    return Cause(field, f"Forbidden: {why}", "FieldValueForbidden")


class AdmissionError(Exception):
    """Raised by an admission hook to refuse an object; the message says why, in one line."""


class ApiError(Exception):
    """A request that is answered with a failure `Status`."""

    def __init__(self, code: int, message: str, *, reason: str = "", details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason or _REASONS.get(code, HTTPStatus(code).phrase.replace(" ", ""))
        self.details = details

    def status(self) -> dict[str, Any]:
        """The `Status` object."""
        found = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message,
                 "reason": self.reason, "code": self.code}  # fmt: skip
        if self.details is not None:
            found["details"] = {k: v for k, v in self.details.items() if v}
        return found


def not_found(resource: Resource, name: str) -> ApiError:
    """404: there is no such object."""
    return ApiError(404, f'{resource.qualified} "{name}" not found', details=_about(resource, name))


def unprocessable(resource: Resource, name: str, causes: list[Cause]) -> ApiError:
    """422: the object breaks rules, all of them listed."""
    told = causes[: schema.MOST]
    said = str(told[0]) if len(told) == 1 else f"[{', '.join(map(str, told))}]"
    if len(causes) > len(told):
        said += f", and {len(causes) - len(told)} more"
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    details = {"name": name, "group": resource.group, "kind": resource.kind,
               "causes": [{"reason": c.reason, "message": c.message, "field": c.field} for c in told]}  # fmt: skip
    return ApiError(422, f'{kind} "{name}" is invalid: {said}', details=details)


def from_store(problem: objects.StoreError, resource: Resource | None, name: str) -> ApiError:
    """What the store refused, as the API says it."""
    details = _about(resource, name) if resource else None
    match problem:
        case objects.NotFoundError():
            return ApiError(404, str(problem), details=details)
        case objects.AlreadyExistsError():
            return ApiError(409, str(problem), reason="AlreadyExists", details=details)
        case objects.ConflictError():
            return ApiError(409, str(problem), details=details)
        case objects.ExpiredError():
            return ApiError(410, str(problem))
    return ApiError(500, str(problem))


def _about(resource: Resource, name: str) -> dict[str, Any]:
    return {"name": name, "group": resource.group, "kind": resource.name}
