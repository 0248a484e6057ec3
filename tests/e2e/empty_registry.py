"""A registry that has no image: `python -m tests.e2e.empty_registry` says its port on 127.0.0.1 and serves."""

from __future__ import annotations

import json
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Empty(BaseHTTPRequestHandler):
    """Knows the API, and no name."""

    def do_GET(self) -> None:
        """Answer as registries do (the Distribution specification)."""
        knows = self.path == "/v2/"
        body = b"{}" if knows else json.dumps({"errors": [{"code": "MANIFEST_UNKNOWN", "message": ""}]}).encode()
        self.send_response(HTTPStatus.OK if knows else HTTPStatus.NOT_FOUND)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        """The same without what it says."""
        self.do_GET()


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", 0), Empty) as server:
        print(server.server_address[1], flush=True)  # noqa: T201  # whoever started it reads that
        server.serve_forever()
