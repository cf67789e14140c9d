"""Find Chromium on this machine. It comes from the system's packages; nothing is downloaded."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

HOW_TO_INSTALL = (
    "No Chromium found. On Debian and Ubuntu: sudo apt-get install -y chromium. "
    "Anywhere else: set INKBOX_TEST_CHROMIUM to the path of a Chromium or Chrome."
)
# As root it has no sandbox of its own; the rest keeps it from calling its vendor.
ARGUMENTS = [
    *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")


def find_chromium() -> str | None:
    """Its path, or None."""
    if chosen := os.environ.get("INKBOX_TEST_CHROMIUM"):
        return chosen
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    return found or (str(_MAC) if _MAC.exists() else None)
