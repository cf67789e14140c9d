"""The settings of the server with the URLs of bare_django.py."""

from inkbox_site.settings import *  # noqa: F403

ROOT_URLCONF = "bare_django"
