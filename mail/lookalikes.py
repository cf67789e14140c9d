"""Text made to be taken for other text: mixed scripts, letters that look Latin, characters nobody sees. Pure."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import idna

# Alphabets whose letters pass for each other; mixing others (kanji and kana, say) is ordinary writing.
_CONFUSABLE = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU"})
_LATIN_LOOKALIKES = frozenset("асԁеһіјӏорԛѕԝхуүɡαικνορυχ")
# Bidirectional controls, zero-width characters, invisible operators, tags.
_HIDDEN = frozenset(
    [0xAD, 0x34F, 0x61C, 0x180E, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF]
)
_JOINERS = "\u200c\u200d"
# Latin, Greek, Cyrillic, Armenian, Hebrew lie below.
_FIRST_JOINING = 0x600


@lru_cache(maxsize=4096)
def _script(char: str) -> str:
    return unicodedata.name(char, "").partition(" ")[0]


def has_mixed_scripts(word: str) -> bool:
    """Whether one word has letters of several alphabets that are easily confused."""
    return len({_script(char) for char in word if char.isalpha()} & _CONFUSABLE) > 1


def unicode_domain(domain: str) -> str:
    """The domain as people see it; A-labels that are no valid IDN stay as they are."""
    if "xn--" not in domain:
        return domain
    try:
        return idna.decode(domain)
    except (idna.IDNAError, UnicodeError):
        return domain


def is_lookalike_domain(domain: str) -> bool:
    """Whether a label of the domain mixes confusable alphabets, or is foreign but could be read as a Latin one.

    Below a top-level domain of its own alphabet, a foreign word that looks Latin is just a word.
    """
    shown = unicode_domain(domain.lower())
    labels = [label for label in shown.split(".") if not label.isascii()]
    is_latin_top = shown.rpartition(".")[2].isascii()
    return any(has_mixed_scripts(label) or (is_latin_top and _looks_latin(label)) for label in labels)


def _looks_latin(label: str) -> bool:
    letters = [char for char in label if char.isalpha()]
    return bool(letters) and all(char in _LATIN_LOOKALIKES for char in letters)


def has_hidden_characters(text: str) -> bool:
    """Whether the text has characters that change how it looks without being seen.

    A zero-width joiner counts only between letters that never join: emoji and several scripts need it.
    """
    if text.isascii():
        return False
    for index, char in enumerate(text):
        if char in _JOINERS:
            neighbours = text[max(0, index - 1) : index + 2].replace(char, "")
            if neighbours and all(near.isalpha() and ord(near) < _FIRST_JOINING for near in neighbours):
                return True
        elif ord(char) in _HIDDEN or 0xE0000 <= ord(char) <= 0xE007F:
            return True
    return False
