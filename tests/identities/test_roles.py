"""Who may do what to whom."""

from __future__ import annotations

import pytest

from identities.enums import Role
from identities.roles import can_grant, can_manage, grantable

OWNER, ADMIN, MEMBER = Role.OWNER, Role.ADMIN, Role.MEMBER
ALLOWED = {(OWNER, OWNER), (OWNER, ADMIN), (OWNER, MEMBER), (ADMIN, ADMIN), (ADMIN, MEMBER)}


@pytest.mark.parametrize("actor", Role)
@pytest.mark.parametrize("target", Role)
def test_every_role_on_every_role(actor: Role, target: Role) -> None:
    assert can_grant(actor, target) is ((actor, target) in ALLOWED)
    assert can_manage(actor, target) is ((actor, target) in ALLOWED)


def test_what_can_be_given() -> None:
    assert grantable(OWNER) == [MEMBER, ADMIN, OWNER]
    assert grantable(ADMIN) == [MEMBER, ADMIN]
    assert grantable(MEMBER) == []
