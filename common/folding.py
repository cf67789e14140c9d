"""Text as searches compare it: without case, accents, ligatures and width variants. Pure."""

from __future__ import annotations

import re
import sys
import unicodedata

# Letters that are a base letter to a reader but not to Unicode's decompositions.
_BASE_LETTERS = str.maketrans(
    {"ø": "o", "đ": "d", "ð": "d", "ħ": "h", "\u0131": "i", "ł": "l", "ŧ": "t", "æ": "ae", "œ": "oe", "þ": "th"}
)
COMBINING_MARKS = [code for code in range(0x300, sys.maxunicode + 1) if unicodedata.category(chr(code))[0] == "M"]
# Accents, Hebrew and Arabic points: readers leave them out. Vowel signs of Indic scripts and of Thai are letters.
_ACCENTS = [
    code
    for code in COMBINING_MARKS
    if code < 0x700 or 0x1AB0 <= code <= 0x1AFF or 0x1DC0 <= code <= 0x1DFF or 0x20D0 <= code <= 0x20FF
    or 0xFE20 <= code <= 0xFE2F
]  # fmt: skip
_DROPPED = dict.fromkeys([*_ACCENTS, 0xAD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0x640], None)

# Normalizing sorts what follows a letter in a time that grows with the square of its number. No language has more than
# a few; Unicode's Stream-Safe Text Format (UAX #15 section 13) ends at 30.
MAX_MARKS = 30


def character_class(codes: list[int]) -> str:
    """The characters, which are sorted, as the inside of a character class of a regular expression."""
    found: list[list[int]] = []
    for code in codes:
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in found)


# These do not say so themselves, but decompose into such marks: Tibetan vowels, and Japanese signs for voiced sounds.
_HIDDEN_MARKS = [0xF73, 0xF75, 0xF81, 0xFF9E, 0xFF9F]
_REORDERED = [*(code for code in COMBINING_MARKS if unicodedata.combining(chr(code))), *_HIDDEN_MARKS]
_LONG_RUN = re.compile("([{0}]{{{1}}})[{0}]+".format(character_class(sorted(_REORDERED)), MAX_MARKS))


def fold(text: str) -> str:
    """Without case, accents, ligatures and width variants, in time proportional to the length of the text."""
    if text.isascii():
        return text.lower()
    bare = _decomposed(text).casefold()
    # Once more: folding case can bring accents back.
    bare = _decomposed(bare).translate(_BASE_LETTERS)
    return unicodedata.normalize("NFC", _without_long_runs(bare))


def _decomposed(text: str) -> str:
    return unicodedata.normalize("NFKD", _without_long_runs(text)).translate(_DROPPED)


def _without_long_runs(text: str) -> str:
    """Dropping what stood between them can join two runs, so this comes before every normalization."""
    return _LONG_RUN.sub(r"\1", text)
