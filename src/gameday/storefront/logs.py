"""Log lines: one JSON object each, on stdout, with the id of the request they belong to."""

import json
import logging
import sys
import time
import traceback
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
service_name: ContextVar[str] = ContextVar("service_name", default="storefront")


def log(event: str, **fields: object) -> None:
    """Write one line: when, which service, what happened, and `fields`."""
    line: dict[str, object] = {"at": round(time.time(), 3), "service": service_name.get(), "event": event}
    if current := request_id.get():
        line["request_id"] = current
    line |= fields
    sys.stdout.write(json.dumps(line, default=str, ensure_ascii=False) + "\n")
    sys.stdout.flush()


class Lines(logging.Handler):
    """What libraries log, as lines like ours; unset, they would write tracebacks over several lines."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        fields = {"traceback": "".join(traceback.format_exception(*record.exc_info))} if record.exc_info else {}
        log("library", logger=record.name, level=record.levelname, said=record.getMessage(), **fields)
