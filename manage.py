#!/usr/bin/env python
"""Entry point of every process: `manage.py serve`, `bootstrap`, `doctor`, and Django's own commands."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run a management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inkbox_site.settings")
    from django.core.management import execute_from_command_line

    from common.env import BadEnvironment

    try:
        execute_from_command_line(sys.argv)
    except BadEnvironment as error:
        # The text names the variable and what it may be; a traceback would only hide it.
        sys.exit(str(error))


if __name__ == "__main__":
    main()
