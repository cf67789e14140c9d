"""A database and a Redis of its own for each live server of the distributed profile.

``INKBOX_TEST_PROFILE=distributed`` selects it. ``DATABASE_URL`` and
``REDIS_URL`` then name the servers to use; what they contain is left alone.
"""

from __future__ import annotations

import os
import secrets
from urllib.parse import urlsplit, urlunsplit

import redis
from psycopg import sql

from tests.clients.migrated import database_url, drop_postgres, execute, migrated_postgres

_CLAIM = "inkbox-live-server-claim"
_CLAIM_SECONDS = 3600
# Redis has 16 databases unless configured otherwise; 0 is everybody's default.
_REDIS_DATABASES = range(1, 16)


def is_distributed() -> bool:
    return os.environ.get("INKBOX_TEST_PROFILE") == "distributed"


class DistributedServices:
    """A PostgreSQL database with tables but no rows and an empty Redis database, until ``close``."""

    def __init__(self) -> None:
        self._admin_url = _required("DATABASE_URL")
        self._name = f"inkbox_live_{secrets.token_hex(6)}"
        self._redis = _claim_redis(_required("REDIS_URL"))
        template = migrated_postgres(self._admin_url)
        names = sql.Identifier(self._name), sql.Identifier(template)
        execute(self._admin_url, sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))

    def environment(self) -> dict[str, str]:
        """Return the variables that point a server here."""
        return {"DATABASE_URL": database_url(self._admin_url, self._name), "REDIS_URL": self._redis}

    def close(self) -> None:
        drop_postgres(self._admin_url, self._name)
        with redis.Redis.from_url(self._redis) as connection:
            connection.flushdb()


def _claim_redis(url: str) -> str:
    """Return ``url`` with the number of a database that was empty and is now marked as taken."""
    in_use = urlsplit(url).path.strip("/")
    for number in _REDIS_DATABASES:
        if str(number) == in_use:
            continue  # the unit tests' own, however empty it is now
        candidate = urlunsplit(urlsplit(url)._replace(path=f"/{number}"))
        with redis.Redis.from_url(candidate) as connection:
            try:
                # Mark first, then count: of two workers only one gets to set the key.
                if not connection.set(_CLAIM, "1", nx=True, ex=_CLAIM_SECONDS):
                    continue
            except redis.ResponseError:
                break
            if connection.dbsize() == 1:
                return candidate
            connection.delete(_CLAIM)
    raise RuntimeError("No empty Redis database is left; flush one of the numbers 1 to 15.")


def _required(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise RuntimeError(f"INKBOX_TEST_PROFILE=distributed needs {name}.")
    return value
