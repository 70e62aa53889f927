"""Around the pages: who may speak to the server, what a page may load, what is said when a page fails.

Streamlit's ``server.allowedHosts`` guards the websocket alone and would refuse on every address; this guards all of it,
and only where the server is bound to this machine. Knows no page.
"""

from urllib.parse import urlsplit

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose
from streamlit import config

from pages._ui.common.escaping import literal

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
# Streamlit's own page needs inline scripts, and its charts and components evaluate theirs. No address but our own.
POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob: data:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "frame-src 'self' blob: data:",
        "connect-src 'self' data: blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
    )
)


class KnownHosts:
    """ASGI middleware: refuses requests and websockets for, or from pages of, another host than this machine.

    A page elsewhere whose name is made to mean 127.0.0.1 could otherwise use the app of whoever visits it. Where the
    server is bound to another address on purpose, or ``server.allowedHosts`` names hosts, those are known too.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it with 400 and a sentence, a websocket with 403."""
        refused = _refused(Headers(scope=scope)) if scope["type"] in ("http", "websocket") else ""
        if not refused:
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await PlainTextResponse(refused, status_code=400)(scope, receive, send)
        else:
            await WebSocketClose(1008, "unknown host")(scope, receive, send)


class OwnAddressesOnly:
    """ASGI middleware: tells the browser to load nothing from any other address, whatever a page says."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the policy to each response."""

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Content-Security-Policy"] = POLICY
            await send(message)

        await self.app(scope, receive, add if scope["type"] == "http" else send)


def say_what_failed(error: Exception) -> bool:
    """Draw a sentence in place of a traceback, which Streamlit has written to the server's log; tells it so by True."""
    named = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    st.error(
        f"This page could not be drawn: {literal(named[:300])}. Load it again without what follows the ? in the "
        "address; if that fails too, choose another checkpoint or dataset. The server's log says where it happened.",
        icon=":material/error:",
    )
    return True


def _refused(headers: Headers) -> str:
    """Return why a request is refused, empty where it is not."""
    address = config.get_option("server.address")
    if address not in LOOPBACK:
        return ""
    named = config.get_option("server.allowedHosts")
    asked = [headers.get("host", "")]
    if origin := headers.get("origin"):
        asked.append(urlsplit(origin).netloc if "//" in origin else origin)
    for one in asked:
        if not _is_known(one, named):
            return (
                f"This server is for this machine alone (127.0.0.1, localhost) and does not answer to {one[:200]!r}. "
                "To serve others, start it with --server.address, or name the host in server.allowedHosts.\n"
            )
    return ""


def _is_known(host: str, named: list[str]) -> bool:
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    return name in LOOPBACK or any(
        one == "*" or name == one.lower() or (one.startswith("*.") and name.endswith(one[1:].lower())) for one in named
    )
