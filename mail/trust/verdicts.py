"""What the evaluation of a message found. Frozen, without behaviour that needs anything else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Result(StrEnum):
    """Results of RFC 8601 section 2.7, as far as they are used here."""

    NONE = "none"
    PASS = "pass"  # noqa: S105  (a result, no password)
    FAIL = "fail"
    SOFTFAIL = "softfail"
    NEUTRAL = "neutral"
    # The signature is good, but by our rules it proves nothing (a partly signed body, a broken algorithm).
    POLICY = "policy"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class Policy(StrEnum):
    """What the owner of a domain wants done with mail that fails DMARC (RFC 7489 section 6.3)."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"


class Disposition(StrEnum):
    """What is done with a message because of DMARC."""

    ACCEPT = "accept"
    SPAM = "spam"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where a message came from, as the SMTP session knows it. `mail_from` is empty for a null reverse-path."""

    ip: str
    helo: str
    mail_from: str


@dataclass(frozen=True, slots=True)
class SpfVerdict:
    """`domain` is the one that was checked: of MAIL FROM, or of HELO when there is none (`is_helo`)."""

    result: Result = Result.NONE
    domain: str = ""
    is_helo: bool = False


@dataclass(frozen=True, slots=True)
class SignatureVerdict:
    """One DKIM signature. `reason` is a fixed phrase, never text of the sender."""

    result: Result
    domain: str = ""
    selector: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ArcVerdict:
    """The ARC chain (RFC 8617). `vouched_by` is the trusted sealer that saw DMARC pass, else empty."""

    result: Result = Result.NONE
    sealers: tuple[str, ...] = ()
    vouched_by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DmarcVerdict:
    """`policy` is the one in force for `from_domain`; None when none is published or nobody could be asked."""

    result: Result = Result.NONE
    from_domain: str = ""
    policy: Policy | None = None
    aligned_by: str = ""
    reason: str = ""
    is_policy_unknown: bool = False


@dataclass(frozen=True, slots=True)
class Authentication:
    """Everything about the origin of one message."""

    spf: SpfVerdict
    signatures: tuple[SignatureVerdict, ...]
    dmarc: DmarcVerdict
    arc: ArcVerdict

    @property
    def dkim(self) -> Result:
        """The best of the signatures; none when there is no signature."""
        results = [signature.result for signature in self.signatures]
        order = (Result.PASS, Result.TEMPERROR, Result.POLICY, Result.FAIL, Result.PERMERROR)
        return next((result for result in order if result in results), Result.NONE)

    @property
    def aligned_by(self) -> str:
        """What proves the From domain: `dkim`, `spf` or `arc`; empty when nothing does."""
        return self.dmarc.aligned_by or ("arc" if self.arc.vouched_by else "")

    @property
    def aligned_from(self) -> str:
        """The From domain when it is proven, else empty."""
        return self.dmarc.from_domain if self.aligned_by else ""

    def to_json(self) -> dict[str, Any]:
        """As stored and as the API shows it."""
        return {
            "spf": self.spf.result.value,
            "dkim": self.dkim.value,
            "dmarc": self.dmarc.result.value,
            "arc": self.arc.result.value,
            "from_domain": self.dmarc.from_domain or None,
            "aligned_from": self.aligned_from or None,
            "aligned_by": self.aligned_by or None,
            "policy": self.dmarc.policy.value if self.dmarc.policy is not None else None,
            "spf_domain": self.spf.domain or None,
            "signatures": [
                {
                    "result": signature.result.value,
                    "domain": signature.domain or None,
                    "selector": signature.selector or None,
                    "reason": signature.reason or None,
                }
                for signature in self.signatures
            ],
            "sealers": list(self.arc.sealers),
        }


@dataclass(frozen=True, slots=True)
class SpamVerdict:
    """`reasons` are sentences or symbol names with their points, the weightiest first."""

    scorer: str
    score: float
    threshold: float
    is_spam: bool
    reasons: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As stored and as the API shows it."""
        return {
            "scorer": self.scorer,
            "score": round(self.score, 2),
            "threshold": self.threshold,
            "is_spam": self.is_spam,
            "reasons": list(self.reasons),
        }


@dataclass(frozen=True, slots=True)
class Assessment:
    """All that is stored with a message that was evaluated; without one, it came from a trusted place."""

    authentication: Authentication
    disposition: Disposition = Disposition.ACCEPT
    spam: SpamVerdict | None = None

    @property
    def is_spam(self) -> bool:
        """Whether it belongs into the spam folder, as long as no rule of the recipient says otherwise."""
        return self.disposition is not Disposition.ACCEPT or (self.spam is not None and self.spam.is_spam)
