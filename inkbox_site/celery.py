"""The Celery application. Without Redis nothing is sent through a broker: see common/local_worker.py."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inkbox_site.settings")

app = Celery("inkbox")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
