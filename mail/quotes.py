"""The new text of a message: its body without the conversation it quotes and without the signature. Pure.

Line by line, in one pass, because the input comes from strangers. Published parsers do this with regular expressions
that need seconds for some kilobytes of spaces or of "Am ... schrieb", so none of them runs here.
"""

# ruff: noqa: RUF001  (words of many languages)

from __future__ import annotations

import re
from collections.abc import Sequence

from mail.html_text import html_to_text

MAX_CHARS = 128 * 1024
_MAX_ATTRIBUTION_CHARS = 400
_MAX_ATTRIBUTION_LINES = 3
_MAX_SIGNATURE_LINES = 20
_MAX_CLOSING_LINES = 8
_MAX_CLOSING_CHARS = 60

# "On Monday, Ada wrote:" ends with one of these and a colon; in some languages the name comes after the verb.
_WROTE = (
    "wrote", "writes", "schrieb", "a écrit", "escribió", "escreveu", "ha scritto", "schreef", "skrev", "kirjoitti",
    "napisał", "napisała", "napisał(a)", "pisze", "napsal", "napsal(a)", "napísal(a)", "írta", "yazdı", "έγραψε",
    "написал", "написала", "написал(а)", "пишет", "пише", "написав", "كتب", "כתב",
    "写道", "寫道", "作成", "のメール", "작성", "đã viết", "menulis", "a scris", "ha escrit",
)  # fmt: skip
_WROTE_EARLIER = (" schrieb ", " schreef ", " skrev ")
_HAS_DATE_OR_ADDRESS = re.compile(r"\d|@")
_ORIGINAL = re.compile(
    r"-{3,} ?(?:original message|ursprüngliche nachricht|message d'origine|mensaje original|messaggio originale|"
    r"mensagem original|oorspronkelijk bericht|ursprungligt meddelande|wiadomość oryginalna|исходное сообщение|"
    r"原始邮件|原始郵件|元のメッセージ) ?-{3,}"
)
_FROM = (
    "from:",
    "von:",
    "de:",
    "da:",
    "van:",
    "från:",
    "fra:",
    "lähettäjä:",
    "od:",
    "от:",
    "发件人",
    "寄件者",
    "差出人",
)
_COLONS = (":", "\uff1a")
# One of these is in every line with which a quoted original can begin.
_ORIGINAL_MARKS = ("---", "___", ":", "发件人", "寄件者", "差出人")
# Without one of these there is no quote at all, which is one look at the whole text.
_QUOTE_MARKS = (">", "\uff1a", *_ORIGINAL_MARKS)
_HEADERS = (
    "sent:", "date:", "to:", "cc:", "subject:", "gesendet:", "datum:", "an:", "betreff:", "envoyé", "à:", "à :",
    "objet", "enviado", "para:", "asunto:", "fecha:", "inviato:", "data:", "a:", "oggetto:", "assunto:", "verzonden:",
    "aan:", "onderwerp:", "skickat:", "till:", "ämne:", "sendt:", "til:", "emne:", "wysłano:", "do:", "temat:",
    "дата:", "кому:", "тема:", "отправлено:",
    "发送时间", "收件人", "主题", "日期", "寄件日期", "收件者", "主旨", "送信日時", "宛先", "件名",
)  # fmt: skip
_DEVICE = (
    "sent from my ", "sent from outlook", "get outlook for ", "von meinem ", "gesendet von ", "gesendet mit ",
    "envoyé de mon ", "envoyé depuis ", "enviado desde mi ", "enviado do meu ", "inviato da ", "verzonden vanaf ",
    "skickat från ", "sendt fra ", "wysłane z ", "отправлено с ", "发自我的", "從我的",
)  # fmt: skip
_CLOSINGS = frozenset({
    "best regards", "kind regards", "warm regards", "regards", "best wishes", "all the best", "best", "sincerely",
    "yours sincerely", "cheers", "mit freundlichen grüßen", "freundliche grüße", "viele grüße", "liebe grüße",
    "beste grüße", "gruß", "cordialement", "bien cordialement", "salutations", "un saludo", "saludos", "atentamente",
    "saludos cordiales", "cordiali saluti", "saluti", "distinti saluti", "atenciosamente", "met vriendelijke groet",
    "groeten", "med vänliga hälsningar", "vänliga hälsningar", "med vennlig hilsen", "venlig hilsen", "pozdrawiam",
    "z poważaniem", "с уважением", "s pozdravem", "敬具", "此致敬礼",
})  # fmt: skip
_QUOTED_HTML = re.compile(
    r"<blockquote[\s>]|<div[^<>]{0,200}(?:gmail_quote|divRplyFwdMsg|appendonsend|yahoo_quoted|moz-cite-prefix)",
    re.IGNORECASE,
)


def new_text(body_text: str | None, body_html: str | None) -> str | None:
    """What the sender wrote, of the first MAX_CHARS characters; None for a message without any text.

    A message that is nothing but quotes, and one that is forwarded, is given whole.
    """
    if body_text is not None and body_text.strip():
        return _own_lines(body_text[:MAX_CHARS])
    if body_html is None:
        return body_text
    source = body_html[: 2 * MAX_CHARS]
    quote = _QUOTED_HTML.search(source)
    own = html_to_text(source[: quote.start()], max_chars=MAX_CHARS) if quote else ""
    return _own_lines(own or html_to_text(source, max_chars=MAX_CHARS))


def _own_lines(text: str) -> str:
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    may_quote = any(mark in text for mark in _QUOTE_MARKS)
    kept = _without_signature(_without_quotes(lines) if may_quote else lines)
    found = "\n".join(kept).strip()
    return found or text.strip()


def _without_quotes(lines: Sequence[str]) -> list[str]:
    kept: list[str] = []
    has_text = False
    number = 0
    # Most lines are neither, and looking closely at each would cost more than everything else.
    ends_open = [line.endswith(_COLONS) for line in lines]
    while number < len(lines):
        line = lines[number]
        if line.startswith(">"):
            number += 1
            continue
        length = _attribution_length(lines, number) if any(ends_open[number : number + _MAX_ATTRIBUTION_LINES]) else 0
        if length:
            if not _is_quote_next(lines, number + length):
                break  # what follows is the quoted message, unmarked
            number += length
            continue
        if has_text and any(mark in line for mark in _ORIGINAL_MARKS) and _starts_original(lines, number):
            break
        kept.append(line)
        has_text = has_text or bool(line.strip())
        number += 1
    return kept


def _attribution_length(lines: Sequence[str], number: int) -> int:
    """How many lines from here are "On Monday, Ada wrote:", which mail programs break where they like; 0 when none."""
    joined = ""
    for length in range(1, _MAX_ATTRIBUTION_LINES + 1):
        if number + length > len(lines):
            return 0
        line = lines[number + length - 1].strip()
        joined = f"{joined} {line}".strip()
        if not line or line.startswith(">") or len(joined) > _MAX_ATTRIBUTION_CHARS:
            return 0
        if joined.endswith(_COLONS):
            return length if _is_attribution(joined[:-1].rstrip().lower()) else 0
    return 0


def _is_attribution(text: str) -> bool:
    verb = text.endswith(_WROTE) or any(word in text for word in _WROTE_EARLIER)
    return verb and _HAS_DATE_OR_ADDRESS.search(text) is not None


def _is_quote_next(lines: Sequence[str], number: int) -> bool:
    following = (line for line in lines[number : number + 4] if line)
    return next(following, "").startswith(">")


def _starts_original(lines: Sequence[str], number: int) -> bool:
    """Whether the answered message begins here the way Outlook puts it: a separator, or its header lines."""
    line = lines[number].strip(" *").lower()
    if _ORIGINAL.fullmatch(line):
        return True
    if line.startswith("___") and not line.strip("_"):
        return any(_is_header_block(lines, n) for n in range(number + 1, min(number + 3, len(lines))))
    return _is_header_block(lines, number) and (number == 0 or not lines[number - 1])


def _is_header_block(lines: Sequence[str], number: int) -> bool:
    if not lines[number].strip(" *").lower().startswith(_FROM):
        return False
    following = [line.strip(" *").lower() for line in lines[number + 1 : number + 7]]
    return sum(line.startswith(_HEADERS) for line in following) >= 2


def _without_signature(lines: list[str]) -> list[str]:
    lines = _stripped(lines)
    for number in range(len(lines) - 1, max(-1, len(lines) - 2 - _MAX_SIGNATURE_LINES), -1):
        if lines[number].strip() in ("--", "\u2014") and number > 0:
            lines = _stripped(lines[:number])
            break
    while lines and lines[-1].lower().startswith(_DEVICE) and len(lines[-1]) <= _MAX_CLOSING_CHARS:
        lines = _stripped(lines[:-1])
    for number in range(len(lines) - 1, max(0, len(lines) - 2 - _MAX_CLOSING_LINES), -1):
        if len(lines[number]) > _MAX_CLOSING_CHARS:
            break
        if lines[number].strip(" ,.!").lower() in _CLOSINGS:
            return _stripped(lines[:number])
    return lines


def _stripped(lines: list[str]) -> list[str]:
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    return lines[:end]
