"""After registration: the mailed code, which the agent sends or somebody types, and a new one."""

from __future__ import annotations

import math

from django.db import transaction
from django.db.models import F

from common.clock import now
from common.principal import Principal
from common.ratelimit import hit_hourly
from identities.models import User
from signup import limits
from signup.codes import hash_code, matches, new_code
from signup.enums import DecidedBy, SignupState
from signup.errors import (
    AlreadyClaimed,
    CodeExpired,
    CodeRefused,
    ResendTooSoon,
    SignupNotFound,
    TooManyTries,
    WrongCode,
)
from signup.models import Signup
from signup.selectors import find_by_agent, get_own_signup
from signup.services.claiming import claim_agent
from signup.services.mails import send_verification_mail


def verify_agent(principal: Principal, code: str) -> Signup:
    """Claim the calling agent for its human, whose code it knows.

    Raises SignupNotFound 404, TooManyTries 429, CodeExpired 410, WrongCode 401. Claimed already: nothing happens.
    """
    row = get_own_signup(principal)
    if row.state == SignupState.CLAIMED:
        return row
    _use_code(row, code)
    return claim_agent(row, DecidedBy.CODE)


def claim_by_code(user: User, agent: str, code: str) -> Signup:
    """A signed-in person has the code of an agent, named by handle or address: it is claimed as with the link of that
    mail, for the human whom it was sent to.

    Raises CodeRefused 422 for whatever is not right, RateLimited 429 past 10 tries an hour.
    """
    hit_hourly("claim-code", user.pk, limits.CODE_CLAIMS_PER_HOUR)
    row = find_by_agent(agent)
    if row is None:
        raise CodeRefused
    try:
        _use_code(row, code)
        return claim_agent(row, DecidedBy.CODE, user)
    except (AlreadyClaimed, CodeExpired, SignupNotFound, TooManyTries, WrongCode):
        raise CodeRefused from None


def _use_code(row: Signup, code: str) -> None:
    if row.wrong_codes >= limits.CODE_TRIES:
        raise TooManyTries
    if row.code_sent_at + limits.CODE_LIFETIME < now():
        raise CodeExpired
    # The try is counted before it is judged: guesses that race each other all count.
    tried = Signup.objects.filter(pk=row.pk, wrong_codes__lt=limits.CODE_TRIES, code_hash=row.code_hash)
    if not tried.update(wrong_codes=F("wrong_codes") + 1):
        raise TooManyTries
    if row.code_hash is None or not matches(row.pk, code, bytes(row.code_hash)):
        raise WrongCode


def resend_code(principal: Principal) -> Signup:
    """A new code by mail; the old one, and its links, stop working. Raises SignupNotFound, ResendTooSoon 429."""
    row = get_own_signup(principal)
    if row.state != SignupState.PENDING:
        return row
    moment = now()
    code = new_code()
    with transaction.atomic():
        due = Signup.objects.filter(
            pk=row.pk, state=SignupState.PENDING, code_sent_at__lte=moment - limits.RESEND_COOLDOWN
        )
        if not due.update(code_hash=hash_code(row.pk, code), code_sent_at=moment, wrong_codes=0):
            sent_at = Signup.objects.values_list("code_sent_at", flat=True).get(pk=row.pk)
            wait = (sent_at + limits.RESEND_COOLDOWN - moment).total_seconds()
            raise ResendTooSoon(max(1, math.ceil(wait)))
        row.refresh_from_db(fields=["code_hash", "code_sent_at", "wrong_codes"])
        send_verification_mail(row, code)
    return row
