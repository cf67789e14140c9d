"""The built-in spam score: a few signs of forgery and trickery, each with its points and a sentence. Pure.

Small on purpose: it knows no words and no reputation. It is for a server without rspamd.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import unescape
from urllib.parse import urlsplit

from mail.lookalikes import has_hidden_characters, has_mixed_scripts, is_lookalike_domain
from mail.mime.defects import Defect
from mail.mime.parse import ParsedMail
from mail.trust.domains import ascii_domain, is_same_organization
from mail.trust.verdicts import Authentication, Result, SpamVerdict

NAME = "heuristic"
THRESHOLD = 5.0
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"

_HTML_MAX_CHARS = 256 * 1024
_LINKS_MAX = 300
_LINK_TEXT_MAX_CHARS = 500
_URL_MAX_CHARS = 2000
_REASONS_MAX = 20
_AHEAD, _BEHIND = timedelta(days=2), timedelta(days=30)

_ANCHOR = re.compile(r"<(/?)a(?=[\s>])([^<>]*+)>", re.IGNORECASE)
_HREF = re.compile(r"(?<![\w-])href\s*+=\s*+(?:\"([^\"]*+)|'([^']*+)|([^\s\"']++))", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*+>?")
_ADDRESS = re.compile(r"[^\s@<>\"]{1,64}@([\w.-]{1,253})")
_SHOWN_HOST = re.compile(r"(?:https?://|www\.)?((?:[\w-]{1,63}\.){1,8}[a-z]{2,24})(?=[/:?#\s]|\Z)", re.IGNORECASE)
_EXECUTABLE = frozenset(
    [
        "ade",
        "adp",
        "appx",
        "appxbundle",
        "application",
        "bat",
        "cab",
        "chm",
        "cmd",
        "com",
        "cpl",
        "dll",
        "dmg",
        "exe",
        "gadget",
        "hta",
        "inf",
        "ins",
        "iso",
        "jar",
        "js",
        "jse",
        "lib",
        "lnk",
        "mde",
        "msc",
        "msi",
        "msix",
        "msp",
        "mst",
        "ps1",
        "psm1",
        "pif",
        "reg",
        "scr",
        "sct",
        "sh",
        "shb",
        "sys",
        "vb",
        "vbe",
        "vbs",
        "vhd",
        "vhdx",
        "vxd",
        "wsc",
        "wsf",
        "wsh",
        "xll",
    ]
)
_MACROS = frozenset(["docm", "dotm", "potm", "ppam", "ppsm", "pptm", "sldm", "xlam", "xlm", "xlsm", "xltm"])
_PAGES = frozenset(["htm", "html", "mht", "mhtml", "shtml", "svg", "xhtml"])


@dataclass(frozen=True, slots=True)
class Sign:
    """One observation."""

    points: float
    text: str


def score(parsed: ParsedMail, found: Authentication, moment: datetime, threshold: float = 0) -> SpamVerdict:
    """Add up the signs. `threshold` 0 is the usual one; `moment` is now."""
    signs = [*_origin(found), *_header(parsed, moment), *_names(parsed), *_links(parsed), *_attachments(parsed)]
    if GTUBE in (parsed.body_text or ""):
        signs.append(Sign(1000, "The test text for spam filters (GTUBE)."))
    signs.sort(key=lambda sign: (-sign.points, sign.text))
    total = sum(sign.points for sign in signs)
    limit = threshold or THRESHOLD
    reasons = tuple(f"{sign.points:g}: {sign.text}" for sign in signs[:_REASONS_MAX])
    return SpamVerdict(NAME, total, limit, total >= limit, reasons)


def _origin(found: Authentication) -> Iterator[Sign]:
    if found.dmarc.result is Result.FAIL and not found.aligned_by:
        yield Sign(3, "The domain of the author has a DMARC policy, and the message fails it.")
    if not found.aligned_by and found.spf.result is Result.FAIL:
        yield Sign(2, "The sending server is not allowed by SPF.")
    elif not found.aligned_by and found.spf.result is Result.SOFTFAIL:
        yield Sign(1, "The sending server is doubtful by SPF.")
    if Result.TEMPERROR not in (found.spf.result, found.dkim) and Result.PASS not in (found.spf.result, found.dkim):
        yield Sign(1, "Neither SPF nor DKIM vouches for any domain.")


def _header(parsed: ParsedMail, moment: datetime) -> Iterator[Sign]:
    if not parsed.from_address:
        yield Sign(3, "There is no author.")
    if parsed.message_id is None:
        yield Sign(1, "There is no Message-ID.")
    if parsed.date is None:
        yield Sign(1, "There is no Date.")
    elif not moment - _BEHIND <= parsed.date <= moment + _AHEAD:
        yield Sign(1, "The Date is far from now.")
    subject = parsed.subject or ""
    letters = [char for char in subject if char.isalpha()]
    if len(letters) >= 12 and subject.isupper():
        yield Sign(1, "The subject is all capitals.")
    if has_hidden_characters(subject) or any(has_mixed_scripts(word) for word in subject.split()):
        yield Sign(2, "The subject has hidden or look-alike characters.")
    odd = {Defect.NO_HEADERS.value, Defect.MISSING_HEADER_SEPARATOR.value, Defect.BARE_CR_LINE_ENDS.value}
    if odd & set(parsed.defects):
        yield Sign(2, "The message is malformed.")


def _names(parsed: ParsedMail) -> Iterator[Sign]:
    domain = ascii_domain(parsed.from_address.rpartition("@")[2])
    if is_lookalike_domain(domain):
        yield Sign(4, "The author's domain imitates another one with foreign letters.")
    local = parsed.from_address.rpartition("@")[0]
    if has_mixed_scripts(local) or has_hidden_characters(local):
        yield Sign(2, "The author's address mixes alphabets.")
    name = parsed.from_display_name or ""
    shown = _ADDRESS.search(name)
    if shown is not None and not is_same_organization(ascii_domain(shown[1]), domain):
        yield Sign(4, "The author's name is an address of another domain.")
    if has_hidden_characters(name) or any(has_mixed_scripts(word) for word in name.split()):
        yield Sign(2, "The author's name has hidden or look-alike characters.")
    replies = {ascii_domain(address.rpartition("@")[2]) for address in parsed.reply_to[:10]}
    if (
        domain
        and not parsed.is_list_mail
        and any(not is_same_organization(reply, domain) for reply in replies if reply)
    ):
        yield Sign(1, "Replies go to another domain.")


def _links(parsed: ParsedMail) -> Iterator[Sign]:
    seen: set[str] = set()
    for url, text in _anchors((parsed.body_html or "")[:_HTML_MAX_CHARS]):
        for sign in _link(url, text):
            if sign.text not in seen:  # the same trick a hundred times is one trick
                seen.add(sign.text)
                yield sign


def _anchors(html: str) -> Iterator[tuple[str, str]]:
    """(target, visible text) of the links, in linear time on any markup."""
    opened: tuple[str, int] | None = None
    count = 0
    for tag in _ANCHOR.finditer(html):
        if opened is not None:
            url, start = opened
            text = _TAG.sub("", html[start : min(tag.start(), start + _LINK_TEXT_MAX_CHARS)])
            yield url, unescape(text).strip()
            opened = None
            count += 1
        href = _HREF.search(tag[2]) if not tag[1] and count < _LINKS_MAX else None
        if href is not None:
            target = next(value for value in href.groups() if value is not None)
            opened = unescape(target[:_URL_MAX_CHARS]).strip(), tag.end()


def _link(url: str, text: str) -> Iterator[Sign]:
    scheme = url.partition(":")[0].strip().lower()
    if scheme in ("javascript", "data", "vbscript"):
        yield Sign(3, "A link runs a program.")
        return
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        has_user = parts.username is not None
    except ValueError:
        return
    if parts.scheme not in ("http", "https") or not host:
        return
    if has_user:
        yield Sign(2, "A link hides its host behind a user name.")
    if _is_address(host):
        yield Sign(2, "A link leads to a bare address.")
    if is_lookalike_domain(host):
        yield Sign(3, "A link leads to a domain with look-alike letters.")
    shown = _SHOWN_HOST.match(text)
    if shown is not None and not is_same_organization(ascii_domain(shown[1]), ascii_domain(host)):
        yield Sign(3, "A link shows one host and leads to another.")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _attachments(parsed: ParsedMail) -> Iterator[Sign]:
    endings = [part.filename.lower().rsplit(".", 2)[1:] for part in parsed.attachments]
    last = {ending[-1] for ending in endings if ending}
    if last & _EXECUTABLE:
        yield Sign(5, "An attachment is a program.")
    if any(len(ending) == 2 and ending[1] in _EXECUTABLE and 2 <= len(ending[0]) <= 4 for ending in endings):
        yield Sign(2, "An attachment hides its type behind another ending.")
    if last & _MACROS:
        yield Sign(2, "An attachment can hold macros.")
    if last & _PAGES:
        yield Sign(1, "An attachment is a web page.")
