"""Search one mailbox."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import connection

from common.principal import Principal
from mail.models import Mailbox
from mail.search.entries import first_number
from mail.search.query import Flag, SearchQuery
from mail.search.rendering import Fts5, TsQuery, ranked_conditions

# CROSS JOIN keeps SQLite from starting anywhere but at the full text index, read backwards.
_SQLITE = (
    "SELECT e.message_id FROM mail_search f CROSS JOIN mail_searchentry e ON e.id = f.rowid "
    "CROSS JOIN mail_message m ON m.id = e.message_id "
    "WHERE f.mail_search MATCH %s AND {} ORDER BY f.rowid DESC LIMIT %s"
)
_POSTGRESQL = (
    "SELECT e.message_id FROM mail_searchentry e JOIN mail_message m ON m.id = e.message_id "
    "WHERE e.terms @@ %s::tsquery AND {} ORDER BY e.id DESC LIMIT %s"
)
_FLAG_COLUMNS = {Flag.READ: "m.is_read", Flag.STARRED: "m.is_starred", Flag.ATTACHMENT: "m.has_attachments"}


def matching_ids(principal: Principal, mailbox: Mailbox, query: SearchQuery, limit: int) -> list[UUID]:
    """Messages that match, best first: by rank (mail/search/rendering.py), then newest first."""
    if query.is_impossible:
        return []
    is_sqlite = connection.vendor == "sqlite"
    where, values = _filters(principal, mailbox, query, "f.rowid" if is_sqlite else "e.id")
    sql = (_SQLITE if is_sqlite else _POSTGRESQL).format(where)
    found: dict[UUID, None] = {}
    for condition in ranked_conditions(query, mailbox.pk, Fts5() if is_sqlite else TsQuery()):
        with connection.cursor() as cursor:
            # Matches of the ranks before match here again, so that many more can be needed to fill the page.
            cursor.execute(sql, [condition, *values, limit + len(found)])
            found |= {UUID(str(row[0])): None for row in cursor.fetchall() if UUID(str(row[0])) not in found}
        if len(found) >= limit:
            break
    return list(found)[:limit]


def _filters(principal: Principal, mailbox: Mailbox, query: SearchQuery, number: str) -> tuple[str, list[Any]]:
    """What else must hold: MessageQuerySet.visible_to in SQL, and the query's own filters."""
    conditions = ["m.mailbox_id = %s", "m.deleted_at IS NULL"]
    values: list[Any] = [Mailbox._meta.pk.get_db_prep_value(mailbox.pk, connection)]
    if principal.is_agent:
        conditions.append("NOT m.is_blocked")
    conditions += [
        _FLAG_COLUMNS[flag] if state else f"NOT {_FLAG_COLUMNS[flag]}" for flag, state in query.flags.items()
    ]
    for moment, operator in ((query.since, ">="), (query.before, "<")):
        if moment is not None:
            conditions.append(f"{number} {operator} %s")
            values.append(first_number(moment))
    return " AND ".join(conditions), values
