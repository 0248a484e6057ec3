"""What goes wrong, as an exception that becomes an RFC 9457 reply."""

import json
from http import HTTPStatus

from aiohttp import web

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):  # noqa: N818 - it is the RFC's word
    """A reply with an error status; `detail` is shown to the caller, so it names no internals."""

    def __init__(self, status: int, detail: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}

    @property
    def title(self) -> str:
        """The status' standard phrase."""
        return HTTPStatus(self.status).phrase


class Unavailable(Problem):
    """Something that this service needs cannot be reached: 503, worth another try."""

    def __init__(self, what: str) -> None:
        super().__init__(503, f"{what} is not available at the moment", headers={"Retry-After": "5"})


def problem_json(problem: Problem, request_id: str) -> web.Response:
    """`problem` as application/problem+json."""
    body = {
        "type": "about:blank",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "request_id": request_id,
    }
    return web.Response(
        status=problem.status,
        body=json.dumps(body).encode(),
        content_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", **problem.headers},
    )
