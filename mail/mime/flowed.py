"""Undoing format=flowed (RFC 3676): soft line breaks become paragraphs again."""

from __future__ import annotations

_SIGNATURE = "-- "


def _split_quotes(line: str) -> tuple[int, str]:
    """Return the quote depth and the content with its stuffed space removed."""
    content = line.lstrip(">")
    depth = len(line) - len(content)
    return depth, content.removeprefix(" ")


def unwrap_flowed(text: str, *, delete_space: bool) -> str:
    """Join flowed lines of the same quote depth; ``delete_space`` is the DelSp parameter."""
    paragraphs: list[str] = []
    pending: list[str] = []
    pending_depth = 0

    def finish() -> None:
        if pending:
            quote = ">" * pending_depth + (" " if pending_depth else "")
            paragraphs.append(quote + "".join(pending))
            pending.clear()

    for line in text.split("\n"):
        depth, content = _split_quotes(line)
        if pending and depth != pending_depth:
            finish()
        pending_depth = depth
        if content == _SIGNATURE:
            finish()
            pending.append(content)
            finish()
        elif content.endswith(" "):
            pending.append(content[:-1] if delete_space else content)
        else:
            pending.append(content)
            finish()
    finish()
    return "\n".join(paragraphs)
