"""Evaluation of contact rules (contract mail.md section 8.6)."""

from __future__ import annotations

from itertools import permutations
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts.enums import MatchType, RuleAction, RuleDirection, RuleStatus
from contacts.rules import RuleView, Verdict, decide
from identities.enums import FilterMode

ADDRESS = "eve@spam.example"
SIDES = ("inbound", "outbound")


def _id(number: int) -> UUID:
    return UUID(int=number)


def _rule(
    action: str, match_type: str, target: str | None = None, *, number: int = 1, direction: str = "both", **more: str
) -> RuleView:
    target = target or (ADDRESS if match_type != "domain" else "spam.example")
    return RuleView(_id(number), action, match_type, target, direction, **more)


# The table of the contract: mode, rule, allowed, and whether the rule (or the mode alone) decided.
TABLE = [
    ("blacklist", None, True, False),
    ("blacklist", ("allow", "exact_email"), True, True),
    ("blacklist", ("block", "exact_email"), False, True),
    ("blacklist", ("allow", "domain"), True, False),
    ("blacklist", ("block", "domain"), False, True),
    ("whitelist", None, False, False),
    ("whitelist", ("allow", "exact_email"), True, True),
    ("whitelist", ("block", "exact_email"), False, True),
    ("whitelist", ("allow", "domain"), True, True),
    ("whitelist", ("block", "domain"), False, False),
]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("mode", "rule", "allowed", "by_rule"), TABLE)
def test_the_table_of_the_contract(
    mode: str, rule: tuple[str, str] | None, allowed: bool, by_rule: bool, side: str
) -> None:
    rules = [_rule(*rule)] if rule else []

    verdict = decide(mode, rules, ADDRESS, side)

    assert verdict.allowed is allowed
    assert verdict.matched_rule_id == (_id(1) if by_rule else None)


@pytest.mark.parametrize(
    ("mode", "rules", "verdict"),
    [
        ("blacklist", [], Verdict(allowed=True, matched_rule_id=None, reason="No rule of this agent blocks it.")),
        ("whitelist", [], Verdict(allowed=False, matched_rule_id=None, reason="Not on the allow list of this agent.")),
        (
            "whitelist",
            [_rule("allow", "exact_email")],
            Verdict(allowed=True, matched_rule_id=_id(1), reason="A contact rule of this agent allows this address."),
        ),
        (
            "blacklist",
            [_rule("block", "domain")],
            Verdict(allowed=False, matched_rule_id=_id(1), reason="A contact rule of this agent blocks this domain."),
        ),
    ],
)
def test_the_reason_is_a_sentence(mode: str, rules: list[RuleView], verdict: Verdict) -> None:
    assert decide(mode, rules, ADDRESS, "inbound") == verdict


@pytest.mark.parametrize(
    ("direction", "side", "covered"),
    [
        ("inbound", "inbound", True),
        ("inbound", "outbound", False),
        ("outbound", "inbound", False),
        ("outbound", "outbound", True),
        ("both", "inbound", True),
        ("both", "outbound", True),
    ],
)
@pytest.mark.parametrize("match_type", ["exact_email", "domain"])
def test_a_rule_decides_only_on_its_side(match_type: str, direction: str, side: str, covered: bool) -> None:
    verdict = decide("blacklist", [_rule("block", match_type, direction=direction)], ADDRESS, side)

    assert verdict.allowed is not covered


@pytest.mark.parametrize("mode", list(FilterMode))
@pytest.mark.parametrize("match_type", ["exact_email", "domain"])
@pytest.mark.parametrize("action", list(RuleAction))
def test_a_paused_rule_decides_nothing(mode: str, match_type: str, action: str) -> None:
    paused = _rule(action, match_type, status=RuleStatus.PAUSED.value)

    assert decide(mode, [paused], ADDRESS, "inbound") == decide(mode, [], ADDRESS, "inbound")


@pytest.mark.parametrize(
    ("mode", "domain_action", "exact_action", "allowed"),
    [
        ("blacklist", "block", "allow", True),
        ("blacklist", "allow", "block", False),
        ("whitelist", "allow", "block", False),
        ("whitelist", "block", "allow", True),
    ],
)
def test_an_exact_rule_overrides_a_domain_rule(mode: str, domain_action: str, exact_action: str, allowed: bool) -> None:
    rules = [_rule(domain_action, "domain", number=1), _rule(exact_action, "exact_email", number=2)]

    for order in permutations(rules):
        assert decide(mode, order, ADDRESS, "inbound").allowed is allowed
        assert decide(mode, order, ADDRESS, "inbound").matched_rule_id == _id(2)


@pytest.mark.parametrize("one_side", ["allow", "block"])
def test_a_rule_for_one_side_beats_a_rule_for_both(one_side: str) -> None:
    other = "block" if one_side == "allow" else "allow"
    rules = [_rule(other, "exact_email", number=1), _rule(one_side, "exact_email", number=2, direction="inbound")]

    for order in permutations(rules):
        assert decide("blacklist", order, ADDRESS, "inbound").matched_rule_id == _id(2)
        assert decide("blacklist", order, ADDRESS, "outbound").matched_rule_id == _id(1)


@pytest.mark.parametrize(
    ("address", "matched"),
    [
        ("eve@spam.example", True),
        ("EVE@Spam.Example", True),
        (" eve@spam.example ", True),
        ("eve@sub.spam.example", False),
        ("eve@notspam.example", False),
        ("spam.example@other.example", False),
        ("spam.example", False),
        ('"a@b"@spam.example', True),
        ("@spam.example", True),
        ("", False),
    ],
)
def test_a_domain_rule_matches_the_very_domain(address: str, matched: bool) -> None:
    assert decide("blacklist", [_rule("block", "domain")], address, "inbound").allowed is not matched


@pytest.mark.parametrize(
    ("address", "matched"),
    [
        ("eve@spam.example", True),
        ("Eve@SPAM.example", True),
        ("eve+tag@spam.example", False),
        ("steve@spam.example", False),
        ("", False),
    ],
)
def test_an_exact_rule_matches_the_very_address(address: str, matched: bool) -> None:
    assert decide("blacklist", [_rule("block", "exact_email")], address, "inbound").allowed is not matched


def test_an_exact_number() -> None:
    rules = [_rule("allow", "exact_number", "+15550100001")]

    assert decide("whitelist", rules, "+15550100001", "outbound") == Verdict(
        allowed=True, matched_rule_id=_id(1), reason="A contact rule of this agent allows this address."
    )
    assert not decide("whitelist", rules, "+15550100002", "outbound").allowed


@pytest.mark.parametrize(
    ("mode", "rules", "allowed", "decided_by"),
    [
        ("whitelist", [_rule("allow", "exact_email")], False, None),
        ("whitelist", [_rule("allow", "domain")], False, None),
        ("whitelist", [_rule("block", "exact_email")], False, 1),
        ("blacklist", [_rule("allow", "exact_email")], True, None),
        ("blacklist", [_rule("allow", "exact_email", number=1), _rule("block", "domain", number=2)], False, 2),
        ("blacklist", [_rule("block", "exact_email")], False, 1),
        ("blacklist", [_rule("block", "domain")], False, 1),
        ("blacklist", [], True, None),
    ],
)
def test_without_authentication_only_rules_that_block_count(
    mode: str, rules: list[RuleView], allowed: bool, decided_by: int | None
) -> None:
    verdict = decide(mode, rules, ADDRESS, "inbound", is_authenticated=False)

    assert verdict.allowed is allowed
    assert verdict.matched_rule_id == (None if decided_by is None else _id(decided_by))


# --- For any set of rules -----------------------------------------------------------------------------------------

_NAMES = ["a@x.example", "b@x.example", "a@y.example", "x.example", "y.example"]
rule_sets = st.lists(
    st.builds(
        RuleView,
        id=st.uuids(),
        action=st.sampled_from([a.value for a in RuleAction]),
        match_type=st.sampled_from([MatchType.EXACT_EMAIL.value, MatchType.DOMAIN.value]),
        match_target=st.sampled_from(_NAMES),
        direction=st.sampled_from([d.value for d in RuleDirection]),
        status=st.sampled_from([s.value for s in RuleStatus]),
    ),
    max_size=8,
    unique_by=lambda rule: (rule.match_type, rule.match_target, rule.direction),
)
modes = st.sampled_from([m.value for m in FilterMode])
addresses = st.sampled_from(["a@x.example", "b@x.example", "a@y.example", "c@z.example"])
sides = st.sampled_from(SIDES)


@given(modes, rule_sets, addresses, sides, st.randoms())
def test_the_order_of_rules_does_not_matter(
    mode: str, rules: list[RuleView], address: str, side: str, random: object
) -> None:
    shuffled = list(rules)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert decide(mode, shuffled, address, side) == decide(mode, rules, address, side)


@given(modes, rule_sets, addresses, sides)
def test_the_matched_rule_is_in_force_and_has_the_verdict(
    mode: str, rules: list[RuleView], address: str, side: str
) -> None:
    verdict = decide(mode, rules, address, side)

    matched = [rule for rule in rules if rule.id == verdict.matched_rule_id]
    if verdict.matched_rule_id is None:
        assert verdict.allowed is (mode == "blacklist")
    else:
        (rule,) = matched
        assert rule.status == "active"
        assert rule.direction in (side, "both")
        assert verdict.allowed is (rule.action == "allow")
        assert rule.match_target in (address, address.partition("@")[2])


@given(modes, rule_sets, addresses, sides)
def test_rules_of_the_other_side_and_paused_ones_change_nothing(
    mode: str, rules: list[RuleView], address: str, side: str
) -> None:
    relevant = [rule for rule in rules if rule.status == "active" and rule.direction in (side, "both")]

    assert decide(mode, relevant, address, side) == decide(mode, rules, address, side)


@given(rule_sets, addresses, sides)
def test_whitelist_mode_never_allows_more_than_blacklist_mode(rules: list[RuleView], address: str, side: str) -> None:
    if decide("whitelist", rules, address, side).allowed:
        # An allowed domain beats nothing in blacklist mode, so only a blocked domain may make the difference.
        domain = address.partition("@")[2]
        blocked_domain = any(
            rule.match_type == "domain" and rule.match_target == domain and rule.action == "block" for rule in rules
        )
        assert blocked_domain or decide("blacklist", rules, address, side).allowed


@given(modes, rule_sets, st.text(max_size=40), sides)
def test_any_text_is_judged(mode: str, rules: list[RuleView], address: str, side: str) -> None:
    assert decide(mode, rules, address, side).reason


@given(modes, rule_sets, addresses)
def test_an_unauthenticated_sender_is_judged_as_if_no_rule_allowed(
    mode: str, rules: list[RuleView], address: str
) -> None:
    blocking = [rule for rule in rules if rule.action == "block"]

    found = decide(mode, rules, address, "inbound", is_authenticated=False)

    assert found.allowed is decide(mode, blocking, address, "inbound").allowed
    assert not found.allowed or decide(mode, rules, address, "inbound").allowed
