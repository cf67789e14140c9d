"""Numbers of pages."""

from __future__ import annotations

THREADS_PER_PAGE = 30
MESSAGES_PER_PAGE = 20
DRAFTS_PER_PAGE = 30
SEARCH_RESULTS = 50
# Of one message, in a page; the whole of it is a download.
READER_TEXT_CHARS = 64 * 1024
QUOTED_CHARS = 16 * 1024
# Images of drafts and of the outbox stand in the document itself; larger ones are left out.
EMBEDDED_IMAGE_BYTES = 512 * 1024
# Each is a request that reads the whole message.
OWN_IMAGES = 50
# A mailing to thousands names some of them.
NAMED_ADDRESSES = 50
# Pages of one person that follow what happens, in one web process. Hidden tabs let go of theirs.
LIVE_TABS_PER_PERSON = 20
# Why a held mail is rejected.
REASON_MAX_CHARS = 1000
# A vault that nobody uses locks itself. The page says so a minute before.
VAULT_IDLE_SECONDS = 300
