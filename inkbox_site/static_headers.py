"""Headers of single static files."""

from __future__ import annotations

from collections.abc import MutableMapping

_DERIVING = "console/vault/derive.worker.js"
# It is told the passphrase of the vault: it may load Argon2id from here and connect to nothing.
_DERIVING_POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'"


def add_headers(headers: MutableMapping[str, str], path: str, _url: str) -> None:
    """WhiteNoise asks for every file."""
    if path.endswith(_DERIVING):
        headers["Content-Security-Policy"] = _DERIVING_POLICY
