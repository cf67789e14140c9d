"""Contact rules in the database."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from common.principal import Principal, Profile, Scope
from contacts.channel import ContactsChannel
from contacts.models import ContactRule
from contacts.rules import RuleView
from contacts.selectors import rules_for
from identities.models import AgentIdentity
from tests.factories.identities import admin_principal, agent, organization

pytestmark = pytest.mark.django_db


def _rule(identity: AgentIdentity, **fields: Any) -> ContactRule:
    values = {"channel": "mail", "action": "block", "match_type": "domain", "match_target": "spam.example", **fields}
    return ContactRule.objects.create(organization_id=identity.organization_id, identity=identity, **values)


def test_active_rules_by_identity_in_one_query() -> None:
    acme = organization()
    alpha, bravo, charlie = agent(acme), agent(acme), agent(acme)
    one = _rule(alpha, action="allow", match_type="exact_email", match_target="ann@example.com", direction="inbound")
    two = _rule(alpha)
    three = _rule(bravo)
    _rule(alpha, match_target="paused.example", status="paused")
    _rule(alpha, channel="phone", match_type="exact_number", match_target="+15550100001")
    _rule(alpha, match_target="other.example")
    _rule(alpha, match_type="exact_email", match_target="bob@example.com")
    _rule(charlie)

    with CaptureQueriesContext(connection) as captured:
        found = rules_for([alpha.pk, bravo.pk], "mail", ["ann@example.com", "eve@spam.example", "x@paused.example"])

    assert len(captured) == 1
    assert set(found) == {alpha.pk, bravo.pk}
    assert sorted(found[alpha.pk], key=lambda rule: rule.id) == [
        RuleView(one.pk, "allow", "exact_email", "ann@example.com", "inbound", "active"),
        RuleView(two.pk, "block", "domain", "spam.example", "both", "active"),
    ]
    assert [rule.id for rule in found[bravo.pk]] == [three.pk]


def test_the_phone_channel_has_rules_of_its_own() -> None:
    alpha = agent()
    _rule(alpha)
    number = _rule(alpha, channel="phone", match_type="exact_number", match_target="+15550100001")

    assert [rule.id for rule in rules_for({alpha.pk}, "phone", ["+15550100001"])[alpha.pk]] == [number.pk]


def test_no_rules_no_entry() -> None:
    assert rules_for([agent().pk], "mail", ["eve@spam.example"]) == {}


def test_nobody_to_ask_about_costs_no_query() -> None:
    with CaptureQueriesContext(connection) as captured:
        assert rules_for([], "mail", ["eve@spam.example"]) == {}
        assert rules_for([agent().pk], "mail", []) == {}

    assert not [query for query in captured if "contactrule" in query["sql"]]


@pytest.mark.parametrize("status", ["active", "paused"])
@pytest.mark.parametrize(
    ("stored", "new", "is_free"),
    [
        ("both", "both", False),
        ("both", "inbound", False),
        ("both", "outbound", False),
        ("inbound", "both", False),
        ("inbound", "inbound", False),
        ("inbound", "outbound", True),
        ("outbound", "both", False),
        ("outbound", "inbound", True),
        ("outbound", "outbound", False),
    ],
)
def test_a_side_of_a_target_is_covered_once_even_by_a_paused_rule(
    stored: str, new: str, is_free: bool, status: str
) -> None:
    alpha = agent()
    _rule(alpha, direction=stored, status=status)

    if is_free:
        _rule(alpha, direction=new, action="allow")
    else:
        with pytest.raises(IntegrityError), transaction.atomic():
            _rule(alpha, direction=new, action="allow")

    _rule(agent(), direction=new)
    assert ContactRule.objects.count() == 2 + is_free


@pytest.mark.parametrize(
    ("channel", "match_type"), [("mail", "exact_number"), ("phone", "domain"), ("phone", "exact_email")]
)
def test_the_match_type_fits_the_channel(channel: str, match_type: str) -> None:
    with pytest.raises(IntegrityError, match="contact_rule_match_fits_channel"), transaction.atomic():
        _rule(agent(), channel=channel, match_type=match_type)


def test_who_sees_rules() -> None:
    acme = organization()
    alpha, bravo = agent(acme), agent(acme)
    own, other = _rule(alpha), _rule(bravo)
    _rule(agent())

    as_agent = Principal(scope=Scope.AGENT, organization_id=acme.pk, identity_id=alpha.pk)
    assert set(ContactRule.objects.visible_to(admin_principal(acme))) == {own, other}
    assert set(ContactRule.objects.visible_to(as_agent)) == {own}
    assert not ContactRule.objects.visible_to(Principal(scope=Scope.SESSION, organization_id=None))


@pytest.mark.parametrize("profile", list(Profile))
def test_rules_end_with_their_identity(profile: Profile) -> None:
    alpha, bravo = agent(), agent()
    _rule(alpha)
    kept = _rule(bravo)

    ContactsChannel().deleted(alpha, profile)

    assert list(ContactRule.objects.all()) == [kept]
