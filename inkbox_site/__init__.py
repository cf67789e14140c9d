"""Wiring only: settings, URLs, ASGI, Celery, health, and the commands that start the processes."""

from inkbox_site.celery import app as celery_app

__all__ = ["celery_app"]
