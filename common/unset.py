"""The value of a PATCH field that was not sent, as opposed to one sent as null."""

from __future__ import annotations

from enum import Enum
from typing import Final, Literal


class _Unset(Enum):
    UNSET = "unset"

    def __bool__(self) -> Literal[False]:
        return False


UNSET: Final = _Unset.UNSET
Unset = Literal[_Unset.UNSET]
