#!/usr/bin/env python
"""Entry point of every process: `manage.py serve`, `bootstrap`, `doctor`, and Django's own commands."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run a management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inkbox_site.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
