"""Settings of the test suite: a fresh data directory, quick password hashing, everything else as in production.

INKBOX_TEST_PROFILE=distributed runs the same tests on PostgreSQL and Redis (DATABASE_URL and REDIS_URL).
"""

from __future__ import annotations

import os
import secrets
import tempfile

_folder = tempfile.mkdtemp(prefix="inkbox-tests-")
os.environ["INKBOX_DATA_DIR"] = _folder
os.environ.setdefault("INKBOX_SECRET_KEY", "only-for-tests-only-for-tests-only-for-tests")
os.environ.setdefault("INKBOX_TESTING_SECRET", "testing-secret")
os.environ.setdefault("INKBOX_PUBLIC_URL", "http://localhost:8000")
os.environ.setdefault("INKBOX_WEBHOOK_ALLOW_PRIVATE", "0")
IS_DISTRIBUTED = os.environ.get("INKBOX_TEST_PROFILE") == "distributed"
if IS_DISTRIBUTED:
    os.environ.setdefault("DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres")
    os.environ.setdefault("REDIS_URL", "redis://127.0.0.1:6379/9")
else:
    os.environ.pop("DATABASE_URL", None)
    os.environ.pop("REDIS_URL", None)

from inkbox_site.settings import *  # noqa: E402, F403  (the environment above must be set first)
from inkbox_site.settings import CACHES, DATA_DIR, DATABASES, LOGGING  # noqa: E402

# Tests of automatic contacts turn them on; all others say which contacts there are.
AUTOMATIC_CONTACTS = False
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Test processes that share a Redis, now or an hour ago, do not use up each other's limits.
RATE_LIMIT_KEY_PREFIX = f"test-{secrets.token_hex(6)}"
CACHES["default"]["KEY_PREFIX"] = RATE_LIMIT_KEY_PREFIX
RATE_LIMIT_KEY_PER_MINUTE = 0
RATE_LIMIT_ANONYMOUS_PER_MINUTE = 0
LOGGING["root"]["level"] = "WARNING"
if IS_DISTRIBUTED:
    CELERY_BROKER_URL = "memory://"  # nudges go nowhere in unit tests; the live-server tests use the real broker
    DATABASES["default"]["TEST"] = {"NAME": f"inkbox_test_{os.getpid()}"}
else:
    # A file, not :memory:, because several threads write to it in some tests.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
    DATABASES["default"]["OPTIONS"]["init_command"] = DATABASES["default"]["OPTIONS"]["init_command"].replace(
        "synchronous=FULL", "synchronous=OFF"
    )
