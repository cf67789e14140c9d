"""Addresses and numbers as contacts are found by them. Pure: no database."""

from __future__ import annotations

import re
from typing import Any

import phonenumbers

from common.addresses import counterparty_address, parse_recipient
from contacts import limits

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_NOT_DIGITS = re.compile(r"[^0-9]+")
# What people write around and between the digits of a number.
_WRITTEN_NUMBER = re.compile(r"[+0-9(][0-9 ()./\-\u00a0\u2010-\u2015]{2,40}")


def canonical_email(raw: str) -> str | None:
    """The address with its domain as DNS has it, the local part as it was written; None when it is no address."""
    return parse_recipient(raw)


def email_key(raw: str) -> str:
    """How addresses are compared: lower case, IDN as A-labels. What is no address is merely lower case."""
    return counterparty_address(raw)


def is_e164(raw: str) -> bool:
    """Whether the text is a number of a country (or network) that exists, in E.164 (ITU-T E.164 section 6)."""
    if not _E164.fullmatch(raw):
        return False
    try:
        phonenumbers.parse(raw)
    except phonenumbers.NumberParseException:
        return False
    return True


def to_e164(raw: str, region: str | None = None) -> str | None:
    """A number as people write it, in E.164; None when it is no number, or a national one and `region` is None.

    `region` is the ISO 3166 country that national numbers are read in.
    """
    text = raw.strip().removeprefix("tel:").partition(";")[0].strip()
    if not _WRITTEN_NUMBER.fullmatch(text):
        return None
    try:
        number: Any = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    found: str = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return found if len(found) <= limits.PHONE_MAX_CHARS and _E164.fullmatch(found) else None


def phone_key(raw: str) -> str:
    """How numbers are compared. A plus sign that was not percent-encoded arrives as a space, and is meant."""
    text = "+" + raw[1:] if raw.startswith(" ") else raw
    return to_e164(text) or text.strip()


def digits_of(raw: str) -> str:
    """The digits in a text."""
    return _NOT_DIGITS.sub("", raw)
