"""One stream to a port of a pod through the Kubernetes API: a WebSocket of `v4.channel.k8s.io`.

Not the official client's `stream.portforward`: it swaps a method of the shared API client while it connects, which
threads notice, and keeps a thread for each stream. Here all streams share one event loop.
"""

from __future__ import annotations

import asyncio
import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING

import aiohttp

from gameday.kube import one_line

if TYPE_CHECKING:
    from gameday.kube import Kube

__all__ = [
    "ReachError",
    "RefusedError",
    "TransportError",
    "authorization",
    "connect",
    "relay",
    "tls_context",
]

PROTOCOL = "v4.channel.k8s.io"
DATA, ERROR = 0, 1
"""The two channels of the first port; each begins with two bytes that repeat the port."""

_BROKEN = frozenset({aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR})
"""How a stream ends that neither side has ended: one that a pod ended is closed with a frame that says so."""

_HEAD = 2
_CHUNK = 65_536
OVER_S = 1.0
"""How long the way down may take to say how a stream ended that nothing can be sent to any more."""

_CLOSE_TIMEOUT = aiohttp.ClientWSTimeout(ws_close=0.5)
_TOOLS_LACK = ("socat not found", "nsenter not found")
_POD_GONE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT})


class ReachError(ConnectionError):
    """There is no way to what should be reached; the message is one line."""


class TransportError(ReachError):
    """Our own way through the API failed: that says nothing about the shop."""


class RefusedError(ReachError):
    """No pod took the connection: what a client inside the cluster would have met too."""


def tls_context(kube: Kube) -> ssl.SSLContext | None:
    """The TLS settings of a connection to the API, as the kubeconfig has them; None for plain HTTP."""
    settings = kube.client.configuration
    if not str(settings.host).startswith("https:"):
        return None
    context = ssl.create_default_context(cafile=settings.ssl_ca_cert or None)
    if not settings.verify_ssl:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if settings.assert_hostname is False:
        context.check_hostname = False
    if settings.cert_file:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    return context


def authorization(kube: Kube) -> dict[str, str]:
    """The header that tells the API who asks; a token that expires is renewed on the way."""
    headers: dict[str, str] = dict(kube.client.default_headers)
    for setting in kube.client.configuration.auth_settings().values():
        if setting.get("in") == "header" and setting.get("value"):
            headers[str(setting["key"])] = str(setting["value"])
    return headers


async def relay(
    socket: aiohttp.ClientWebSocketResponse, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Carry bytes both ways until either side has had enough.

    Raises RefusedError when the pod did not take the connection, TransportError when the API broke off.
    """
    ways = [asyncio.create_task(_carry_up(socket, reader)), asyncio.create_task(_carry_down(socket, writer))]
    try:
        done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in sorted(done, key=ways.index, reverse=True):  # what the pod's side says comes first
            way.result()
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _carry_up(socket: aiohttp.ClientWebSocketResponse, reader: asyncio.StreamReader) -> None:
    """Returns when the client has left: the protocol knows no half-closed connection."""
    while chunk := await reader.read(_CHUNK):
        try:
            await socket.send_bytes(bytes([DATA]) + chunk)
        except (ConnectionError, aiohttp.ClientError):
            await asyncio.sleep(OVER_S)  # the stream is over: the other way knows how, or nobody does
            raise TransportError("the stream through the API server takes nothing any more") from None


async def _carry_down(socket: aiohttp.ClientWebSocketResponse, writer: asyncio.StreamWriter) -> None:
    left = {DATA: _HEAD, ERROR: _HEAD}
    while (message := await socket.receive()).type is not aiohttp.WSMsgType.CLOSE:
        if message.type in _BROKEN:
            raise TransportError("the API server broke off the stream")
        if message.type is not aiohttp.WSMsgType.BINARY or not message.data or message.data[0] not in left:
            continue
        channel, data = message.data[0], message.data[1:]
        head = min(left[channel], len(data))
        left[channel] -= head
        data = data[head:]
        if channel == ERROR and data:
            said = " ".join(data.decode("utf-8", "replace").split())
            raise (TransportError if any(tool in said for tool in _TOOLS_LACK) else RefusedError)(said)
        if data:
            writer.write(data)
            await writer.drain()


async def connect(
    session: aiohttp.ClientSession, url: str, headers: dict[str, str], server_name: str | None = None
) -> aiohttp.ClientWebSocketResponse:
    """Open the WebSocket. Raises RefusedError when the pod is there no more, TransportError when our way failed."""
    try:
        return await session.ws_connect(
            url,
            protocols=[PROTOCOL],
            headers=headers,
            max_msg_size=0,
            autoclose=False,
            timeout=_CLOSE_TIMEOUT,
            server_hostname=server_name,
        )
    except aiohttp.WSServerHandshakeError as answer:
        hint = (
            "; get and create of pods/portforward are needed; see: kubectl auth can-i --list"
            if answer.status == HTTPStatus.FORBIDDEN
            else ""
        )
        said = f"the API answered {answer.status} to a port-forward, expected 101{hint}"
        raise (RefusedError if answer.status in _POD_GONE else TransportError)(said) from answer
    except (aiohttp.ClientError, OSError) as problem:  # a timeout is an OSError
        raise TransportError(f"no stream through the API server: {one_line(problem)}") from problem
