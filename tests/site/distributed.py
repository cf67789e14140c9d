"""`python -m tests.site.distributed`: whether the tests can also run on PostgreSQL and Redis; if not, says why."""

from __future__ import annotations

import os
import sys
from urllib.parse import urlsplit

import psycopg
import redis

# As in inkbox_site/settings_test.py, which the tests themselves use.
DATABASE_URL = "postgres://postgres@127.0.0.1:5432/postgres"
REDIS_URL = "redis://127.0.0.1:6379/9"
_SECONDS = 3


def obstacle() -> str | None:
    """What is missing, None when nothing is."""
    database = os.environ.get("DATABASE_URL") or DATABASE_URL
    broker = os.environ.get("REDIS_URL") or REDIS_URL
    if urlsplit(database).scheme not in ("postgres", "postgresql"):
        return "DATABASE_URL is no PostgreSQL address."
    try:
        with psycopg.connect(database, connect_timeout=_SECONDS) as connection:
            connection.execute("SELECT 1")
    except psycopg.Error as error:
        return f"PostgreSQL does not answer at {_where(database)} ({type(error).__name__}). Set DATABASE_URL."
    try:
        with redis.Redis.from_url(broker, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        return f"Redis does not answer at {_where(broker)} ({type(error).__name__}). Set REDIS_URL."
    return None


def _where(url: str) -> str:
    """Host and port, without the credentials."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


if __name__ == "__main__":
    if (reason := obstacle()) is not None:
        print(reason)
        sys.exit(1)
