"""Text into words: case, accents and width are folded, scripts without spaces become pairs of characters. Pure.

Both the index and the query go through here; the parsers of the databases see only what comes out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from common.folding import COMBINING_MARKS, character_class, fold

# Longer words are found by their beginning. PostgreSQL refuses lexemes over 2 KB.
MAX_WORD_CHARS = 64

# Everything in ASCII but letters and digits ends a word.
_ASCII_BREAKS = {code: " " for code in range(128) if not chr(code).isalnum()}
_WORD = re.compile(rf"[^\W_]+(?:[{character_class(COMBINING_MARKS)}]+[^\W_]*)*")
# Scripts that are written without spaces, and Hangul, whose words have their grammar at the end.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff]+"
)


def words_of(text: str, max_chars: int) -> list[str]:
    """The words of at most `max_chars` characters of a text, in order, as the index keeps them."""
    folded = fold(text[:max_chars])[:max_chars]
    if folded.isascii():
        # Several times quicker than a regular expression, and most mail is like this.
        words = folded.translate(_ASCII_BREAKS).split()
        is_long = len(max(words, key=len, default="")) > MAX_WORD_CHARS
        return [word[:MAX_WORD_CHARS] for word in words] if is_long else words
    found: list[str] = []
    for word in _WORD.findall(folded):
        if word.isascii():
            found.append(word[:MAX_WORD_CHARS])
            continue
        for piece, is_unspaced in _pieces(word):
            found += _pairs(piece) if is_unspaced else [piece[:MAX_WORD_CHARS]]
    return found


def query_words(text: str) -> tuple[list[str], bool]:
    """The words that a text must match one after the other, and whether the last one is only a beginning.

    A run of characters of a script without spaces is looked for inside of longer runs, so at the end of the text its
    last pair is enough; a single character there is the beginning of a pair.
    """
    found: list[str] = []
    is_beginning = False
    pieces = [piece for word in _WORD.findall(fold(text)) for piece in _pieces(word)]
    for number, (piece, is_unspaced) in enumerate(pieces):
        if not is_unspaced:
            found.append(piece[:MAX_WORD_CHARS])
            continue
        pairs = _pairs(piece)
        is_last = number == len(pieces) - 1
        is_beginning = is_last and len(pairs) == 1
        found += pairs[:-1] if is_last and len(pairs) > 1 else pairs
    return found, is_beginning


def _pieces(word: str) -> Iterator[tuple[str, bool]]:
    """The word cut where scripts with and without spaces meet."""
    position = 0
    for run in _UNSPACED.finditer(word):
        if run.start() > position:
            yield word[position : run.start()], False
        yield run.group(), True
        position = run.end()
    if position < len(word):
        yield word[position:], False


def _pairs(run: str) -> list[str]:
    """Each character with the one after it; the last one alone."""
    return [run[n : n + 2] for n in range(len(run))]
