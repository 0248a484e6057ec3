"""The control port: a few JSON answers over HTTP/1.1, one request a connection.

`GET /ready` (open to probes), and with the bearer token: `GET /fault`, `POST /fault`,
`DELETE /fault/<id>`, `GET /stats`.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gameday.faultproxy.faults import FaultError, read

if TYPE_CHECKING:
    from gameday.faultproxy.force import Faults
    from gameday.faultproxy.relay import Totals

READ_TIMEOUT_S = 5.0
BODY_LIMIT = 65_536
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 409: "Conflict", 503: "Unavailable"}
Answer = tuple[int, dict[str, Any]]


class Control:
    """Answers control requests about one proxy's faults and totals."""

    def __init__(self, faults: Faults, totals: Totals, token: str) -> None:
        self._faults = faults
        self._totals = totals
        self._token = token
        self.ready = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request and close; a request that is cut short or too slow gets no answer."""
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                status, body = await self._answer(reader)
                payload = json.dumps(body).encode()
                head = f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
                writer.write(f"{head}Content-Length: {len(payload)}\r\nConnection: close\r\n\r\n".encode() + payload)
                await writer.drain()
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> Answer:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        request_line, *lines = head.split("\r\n")
        method, _, rest = request_line.partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        headers = {n.strip().lower(): v.strip() for n, _, v in (line.partition(":") for line in lines if line)}
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > BODY_LIMIT:
            return 400, {"error": f"Content-Length is {length[:20]!r}, expected at most {BODY_LIMIT}"}
        body = await reader.readexactly(int(length))
        if (method, path) == ("GET", "/ready"):
            return (200, {"ready": True}) if self.ready else (503, {"ready": False})
        if not hmac.compare_digest(headers.get("authorization", "").encode(), f"Bearer {self._token}".encode()):
            return 401, {"error": "the bearer token is missing or wrong"}
        return self._route(method, path, body)

    def _route(self, method: str, path: str, body: bytes) -> Answer:
        faults = self._faults
        if (method, path) == ("GET", "/stats"):
            return 200, {**asdict(self._totals), "faults": faults.stats()}
        if (method, path) == ("POST", "/fault"):
            return self._set(body)
        if method == "DELETE" and path.startswith("/fault/"):
            faults.clear(path.removeprefix("/fault/"))
        elif (method, path) != ("GET", "/fault"):
            return 404, {"error": f"there is no {method} {path}"}
        return 200, {"faults": faults.in_force()}

    def _set(self, body: bytes) -> Answer:
        try:
            self._faults.set(read(json.loads(body)))
        except FaultError as problem:
            return (409 if "in force" in str(problem) else 400), {"error": str(problem)}
        except (ValueError, RecursionError) as problem:
            return 400, {"error": f"the body is not JSON: {problem}"}
        return 200, {"faults": self._faults.in_force()}
