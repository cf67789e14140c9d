"""The ASGI application: HTTP to Django in a fixed thread pool, WebSockets to Channels consumers."""

from __future__ import annotations

import os
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inkbox_site.settings")
# Before the imports below, which need the app registry.
wsgi_application = get_wsgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter  # type: ignore[import-untyped]  # noqa: E402
from django.conf import settings  # noqa: E402
from django.urls import re_path  # noqa: E402

from console.live import PAGE_STREAMS  # noqa: E402
from inkbox_site.processes.quick_reads import QuickReads  # noqa: E402
from inkbox_site.processes.wsgi_bridge import BodyLimits, WsgiBridge  # noqa: E402
from mail.services.imports import is_upload_path  # noqa: E402
from webhooks.live.app import SOCKET_PATTERN, LiveReaders  # noqa: E402


async def close_unknown(_scope: Any, receive: Any, send: Any) -> None:
    """Refuse a WebSocket handshake on a path that nobody serves; the client sees HTTP 403."""
    await receive()
    await send({"type": "websocket.close", "code": 4404})


http_bridge = WsgiBridge(
    wsgi_application,
    threads=settings.WEB_THREADS,
    limits=BodyLimits(
        settings.MAX_BODY_BYTES, settings.MAX_BODY_BYTES_BY_PREFIX, permits={"/uploads/": is_upload_path}
    ),
    quick_reads=QuickReads(settings.QUICK_READS),
)

# Reads of the event log that wait do so on the event loop, not in one of the bridge's threads.
live_readers = LiveReaders(http_bridge, PAGE_STREAMS)

websocket_routes: list[Any] = [
    re_path(SOCKET_PATTERN, live_readers.socket),  # type: ignore[arg-type]
    re_path(r"", close_unknown),  # type: ignore[arg-type]
]

application = ProtocolTypeRouter({"http": live_readers, "websocket": URLRouter(websocket_routes)})
