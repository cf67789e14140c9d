"""Streams for pages: they tell that something happened, not what; the page then reads itself anew.

So a page shows only what its own view lets it show, and a burst of mail is one message. One stream serves a tab.

Not all that pages show is in the log. For the rest there is a mark: a short text that changes when it does. The page
says which one it shows, and the stream compares whenever somebody wakes it (webhooks.wakeups.wake_organization), and at
every heartbeat in case that got lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import orjson
from django.http import HttpRequest, QueryDict

from webhooks.api.events import Opened
from webhooks.live.door import Door, Receive, Refusal, Scope, Send
from webhooks.live.http import RETRY_LINE, Write, follow, respond, send_stream
from webhooks.reading import EventsExpired, ReadEvent

# Of the query: the mark that the page shows.
MARK_FIELD = "shown"


@dataclass(frozen=True, slots=True)
class PageStream:
    """Who may follow which log, the mark of an organization, and how many tabs one person may have open.

    `opener` raises a DomainError for those who may not. It runs in a thread, when the stream begins, at every
    heartbeat, and before each message. `read_mark` runs there as well, whenever the stream looks.
    """

    opener: Callable[[HttpRequest], Opened]
    read_mark: Callable[[str], str]
    tabs_per_person: int


async def answer_page(door: Door, stream: PageStream, scope: Scope, receive: Receive, send: Send) -> None:
    """The stream of one tab, until it goes, the person may not look any more, or the server stops."""
    try:
        opened = await door.open_page(stream.opener, scope)
        with door.place(opened.caller, stream.tabs_per_person):
            await send_stream(partial(_tell, door, stream, scope, opened), receive, send)
    except Refusal as refused:
        await respond(send, refused.status, refused.headers, refused.body)


async def _tell(door: Door, stream: PageStream, scope: Scope, opened: Opened, write: Write) -> None:
    await write(RETRY_LINE + b"id: %d\n\n" % opened.after)
    reopen = partial(door.open_page, stream.opener, scope)
    shown = QueryDict(scope.get("query_string", b"")).get(MARK_FIELD)
    with door.hub.watch(opened.scope, opened.after) as waiter:
        async for item in follow(door, reopen, opened, waiter, is_for_page=True):
            before, shown = shown, await door.run(stream.read_mark, opened.scope.organization_id)
            if isinstance(item, EventsExpired):
                # Far behind: what it missed is unknown, so it looks again.
                await write(_change(item.resume_after, Counter()))
            elif not isinstance(item, int):
                await write(_change(item[-1].position, _types(item)))
            elif before in (None, shown):
                await write(b": alive\nid: %d\n\n" % item)
            else:
                await reopen()
                await write(_change(item, Counter()))


def _types(events: list[ReadEvent]) -> Counter[str]:
    return Counter(event.event_type for event in events)


def _change(position: int, types: Counter[str]) -> bytes:
    return b"id: %d\nevent: change\ndata: %s\n\n" % (position, orjson.dumps({"types": types}))
