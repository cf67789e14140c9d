"""The Authentication-Results field of this server (RFC 8601), and the removal of forged ones."""

from __future__ import annotations

import re

from mail.trust.verdicts import Arrival, Authentication

_MARK = b"authentication-results"
# As liberal as any reader might be: space before the colon, bare LF.
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:([^\n]*+(?:\n[ \t][^\n]*+)*+)(?:\n|\Z)")
_SAFE = re.compile(r"[A-Za-z0-9._:-]{1,253}")
_COMMENT_EDGE = re.compile(rb"\\.|[()]", re.DOTALL)
_HEADER_END = re.compile(rb"\n\r?\n")


def results_field(found: Authentication, authserv_id: str, arrival: Arrival) -> bytes:
    """The field with its line end. It holds names and fixed words only, nothing else that the sender chose."""
    spf_property = "smtp.helo" if found.spf.is_helo else "smtp.mailfrom"
    parts = [authserv_id, _result("spf", found.spf.result, [(spf_property, found.spf.domain)])]
    for row in found.signatures:
        properties = [("header.d", row.domain), ("header.s", row.selector)]
        parts.append(_result("dkim", row.result, properties, row.reason))
    if not found.signatures:
        parts.append("dkim=none")
    policy = f"p={found.dmarc.policy.value}" if found.dmarc.policy is not None else ""
    parts.append(
        _result("dmarc", found.dmarc.result, [("header.from", found.dmarc.from_domain)], found.dmarc.reason or policy)
    )
    parts.append(_result("arc", found.arc.result, [("smtp.remote-ip", arrival.ip)], found.arc.reason))
    return ("Authentication-Results: " + ";\r\n\t".join(parts) + "\r\n").encode("ascii", "replace")


def _result(method: str, result: str, properties: list[tuple[str, str]], comment: str = "") -> str:
    text = f"{method}={result}" + (f" ({comment.replace('(', '[').replace(')', ']')})" if comment else "")
    for name, value in properties:
        if _SAFE.fullmatch(value):
            text += f" {name}={value}" if ":" not in value else f' {name}="{value}"'
    return text


def without_forged_results(raw: bytes, authserv_id: str) -> bytes:
    """The message without Authentication-Results fields that claim to be of this server (section 5).

    One that cannot be told apart from such a claim goes too. Nearly free for messages without the field.
    """
    found = _HEADER_END.search(raw)
    end = len(raw) if found is None else found.start() + 1
    if _MARK not in raw[:end].lower():
        return raw
    kept: list[bytes] = []
    position = 0
    wanted = authserv_id.encode("ascii", "replace").lower()
    while position < end and (field := _FIELD.match(raw, position, end)):
        if field[1].lower() != _MARK or not _claims(field[2], wanted):
            kept.append(field[0])
        position = field.end()
    return b"".join(kept) + raw[position:]


def _claims(value: bytes, authserv_id: bytes) -> bool:
    """Whether the authserv-id of a field value may be read as this one."""
    text = _without_comments(value).partition(b";")[0]
    text = text.replace(b"\\", b"").replace(b'"', b"").lower()
    return authserv_id in b"".join(text.split())


def _without_comments(value: bytes) -> bytes:
    kept: list[bytes] = []
    depth = last = 0
    for edge in _COMMENT_EDGE.finditer(value):
        if edge[0] == b"(":
            if depth == 0:
                kept.append(value[last : edge.start()])
            depth += 1
        elif edge[0] == b")" and depth > 0:
            depth -= 1
            last = edge.end()
    return b"".join(kept) + (value[last:] if depth == 0 else b"")
