"""Looks for bytes in the memory of a process that this one started (Linux)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

_CHUNK_BYTES = 16 * 1024 * 1024


def is_available() -> bool:
    return Path("/proc/self/mem").exists()


def found_in_memory(pid: int, needles: Collection[bytes]) -> set[bytes]:
    """The needles that a process and its children hold in writable memory."""
    overlap = max(len(needle) for needle in needles)
    found: set[bytes] = set()
    for process in (pid, *_children(pid)):
        for chunk in _chunks(process, overlap):
            found |= {needle for needle in needles if needle not in found and needle in chunk}
    return found


def _children(pid: int) -> Iterator[int]:
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for text in path.read_text().split():
            yield int(text)
            yield from _children(int(text))


def _chunks(pid: int, overlap: int) -> Iterator[bytes]:
    """Pieces of each writable region; neighbours share a border, so that nothing is cut in two."""
    regions = Path(f"/proc/{pid}/maps").read_text().splitlines()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in regions:
            span, access = line.split()[:2]
            if not access.startswith("rw"):
                continue
            start, end = (int(part, 16) for part in span.split("-"))
            while start < end:
                try:
                    memory.seek(start)
                    chunk = memory.read(min(_CHUNK_BYTES, end - start))
                except (OSError, OverflowError, ValueError):
                    break  # the region is gone, or not memory at all
                if not chunk:
                    break
                yield chunk
                start += max(1, len(chunk) - overlap) if len(chunk) == _CHUNK_BYTES else len(chunk)
