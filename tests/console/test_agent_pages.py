"""The pages of one agent: about, rules, limits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from common.clock import now
from contacts.enums import RuleDirection
from contacts.models import ContactRule
from identities.enums import Role
from identities.models import AgentIdentity, Organization
from mail.models import Mailbox, SendWindow
from tests.console.pages import signed_in, text
from tests.factories.identities import agent, agent_key, key_row, organization, unclaimed_agent
from tests.factories.mail import mailbox_of, receive

pytestmark = pytest.mark.django_db

HOSTILE = '"><script>alert(1)</script>'


@pytest.fixture
def acme() -> Organization:
    return organization("Acme")


def _rule(identity: AgentIdentity, target: str, **fields: Any) -> ContactRule:
    values = {"action": "block", "match_type": "domain" if "@" not in target else "exact_email", **fields}
    return ContactRule.objects.create(
        organization=identity.organization, identity=identity, channel="mail", match_target=target, **values
    )


# --- About --------------------------------------------------------------------------------------------------------


def test_an_agent_is_renamed_and_described(acme: Organization) -> None:
    identity = agent(acme, "alpha")
    path = reverse("console:agent_about", args=["alpha"])
    client = signed_in(acme)

    response = client.post(path, {"display_name": " Ada ", "description": HOSTILE})

    identity.refresh_from_db()
    assert response.headers["Location"] == path
    assert (identity.display_name, identity.description) == ("Ada", HOSTILE)
    assert HOSTILE not in text(client.get(path))


@pytest.mark.parametrize("name", ["x" * 256, "Ada\r\nBcc: all@example.com", "a\x00b"])
def test_a_name_that_fits_no_header_changes_nothing(acme: Organization, name: str) -> None:
    identity = agent(acme, "alpha")

    response = signed_in(acme).post(reverse("console:agent_about", args=["alpha"]), {"display_name": name})

    assert response.status_code == 422
    identity.refresh_from_db()
    assert identity.display_name == "alpha"


def test_an_agent_is_paused_and_resumed(acme: Organization) -> None:
    identity = agent(acme, "alpha")
    client = signed_in(acme)
    path = reverse("console:agent_status", args=["alpha"])
    states = []

    for status in ("paused", "active"):
        client.post(path, {"status": status})
        identity.refresh_from_db()
        states.append(identity.status)

    assert states == ["paused", "active"]


def test_an_agent_is_deleted_when_its_handle_was_typed(acme: Organization) -> None:
    identity = agent(acme, "alpha")
    key = key_row(agent_key(identity))
    path = reverse("console:delete_agent", args=["alpha"])
    client = signed_in(acme)

    for typed in ("", "alph", "bravo"):
        assert client.post(path, {"confirmation": typed}).status_code == 422
    assert AgentIdentity.objects.alive().filter(pk=identity.pk).exists()
    response = client.post(path, {"confirmation": "@alpha"})

    identity.refresh_from_db()
    key.refresh_from_db()
    assert response.headers["Location"] == reverse("console:agents")
    assert identity.deleted_at is not None
    assert key.revoked_at is not None


def test_members_and_strangers_change_no_agent(acme: Organization) -> None:
    identity = agent(acme, "alpha")
    rule = _rule(identity, "spam.example")
    forms = {
        "agent_about": {"display_name": "Mine"},
        "agent_status": {"status": "paused"},
        "delete_agent": {"confirmation": "alpha"},
        "resume_sending": {},
        "agent_filter_modes": {"inbound": "whitelist", "outbound": "whitelist"},
        "agent_rules": {"action": "allow", "match_type": "domain", "match_target": "a.example", "direction": "both"},
        "agent_limits": {"signature_text": "Mine", "signature_enabled": "on"},
        "agent_keys": {"label": "mine"},
    }
    before = AgentIdentity.objects.values().get()

    for client, expected in ((signed_in(acme, Role.MEMBER), 403), (signed_in(organization()), 404)):
        for name, form in forms.items():
            assert client.post(reverse(f"console:{name}", args=["alpha"]), form).status_code == expected, name
        change = reverse("console:change_rule", args=["alpha", rule.pk])
        assert client.post(change, {"do": "delete"}).status_code == expected

    assert AgentIdentity.objects.values().get() == before
    assert list(ContactRule.objects.all()) == [rule]
    assert mailbox_of(identity).signature_text is None


# --- Rules --------------------------------------------------------------------------------------------------------


def test_a_rule_is_made_and_listed(acme: Organization) -> None:
    agent(acme, "alpha")
    client = signed_in(acme)
    path = reverse("console:agent_rules", args=["alpha"])

    form = {"action": "block", "match_type": "domain", "match_target": "SPAM.example", "direction": "inbound"}
    client.post(path, form)

    rule = ContactRule.objects.get()
    assert (rule.action, rule.match_target, rule.direction) == ("block", "spam.example", "inbound")
    assert "spam.example" in text(client.get(path))


@pytest.mark.parametrize(
    ("target", "said"),
    [("not a domain", "This is not a domain"), ("", "This field is required"), ("a\nb.example", "control characters")],
)
def test_a_bad_rule_is_refused_next_to_its_field(acme: Organization, target: str, said: str) -> None:
    agent(acme, "alpha")
    form = {"action": "block", "match_type": "domain", "match_target": target, "direction": "both"}

    response = signed_in(acme).post(reverse("console:agent_rules", args=["alpha"]), form)

    assert response.status_code == 422
    assert said in text(response)
    assert not ContactRule.objects.exists()


def test_a_second_rule_for_the_same_target_is_refused(acme: Organization) -> None:
    _rule(agent(acme, "alpha"), "spam.example")
    form = {"action": "allow", "match_type": "domain", "match_target": "spam.example", "direction": "both"}

    response = signed_in(acme).post(reverse("console:agent_rules", args=["alpha"]), form)

    assert response.status_code == 422
    assert "already exists with the other action" in text(response)
    assert ContactRule.objects.get().action == "block"


def test_rules_are_paused_resumed_changed_and_deleted(acme: Organization) -> None:
    rule = _rule(agent(acme, "alpha"), "spam.example")
    client = signed_in(acme)
    path = reverse("console:change_rule", args=["alpha", rule.pk])
    seen = []

    for form in (
        {"do": "pause"},
        {"do": "resume"},
        {"do": "save", "action": "allow", "direction": "outbound"},
        {"do": "save", "action": "explode", "direction": "outbound"},
        {"do": "save", "action": "allow", "direction": "outbound"},
    ):
        client.post(path, form)
        rule.refresh_from_db()
        seen.append((rule.status, rule.action, rule.direction))
    client.post(path, {"do": "delete"})

    both = RuleDirection.BOTH.value
    changed = ("active", "allow", "outbound")
    assert seen == [("paused", "block", both), ("active", "block", both), changed, changed, changed]
    assert not ContactRule.objects.exists()


def test_rules_of_another_agent_are_not_changed_through_this_one(acme: Organization) -> None:
    agent(acme, "alpha")
    rule = _rule(agent(acme, "bravo"), "spam.example")

    response = signed_in(acme).post(reverse("console:change_rule", args=["alpha", rule.pk]), {"do": "delete"})

    assert response.status_code == 404
    assert ContactRule.objects.filter(pk=rule.pk).exists()


def test_rules_are_narrowed(acme: Organization) -> None:
    identity = agent(acme, "alpha")
    _rule(identity, "first.example")
    _rule(identity, "ada@second.example", action="allow", direction="outbound")
    client = signed_in(acme)

    def found(**query: str) -> list[bool]:
        page = text(client.get(reverse("console:agent_rules", args=["alpha"]), query))
        return [target in page for target in ("first.example", "ada@second.example")]

    assert found() == [True, True]
    assert found(q="SECOND") == [False, True]
    assert found(action="block") == [True, False]
    assert found(direction="inbound") == [True, False]
    assert found(action="nonsense", q="\x00") == [True, True]


def test_a_change_of_the_mode_tells_which_rules_are_redundant(acme: Organization) -> None:
    identity = agent(acme, "alpha")
    _rule(identity, "spam.example")
    client = signed_in(acme)

    response = client.post(
        reverse("console:agent_filter_modes", args=["alpha"]),
        {"inbound": "whitelist", "outbound": "whitelist"},
        follow=True,
    )

    identity.refresh_from_db()
    modes = (identity.mail_filter_mode, identity.mail_inbound_filter_mode, identity.mail_outbound_filter_mode)
    assert modes == ("whitelist",) * 3
    assert "1 rule to block may have no effect now" in text(response)
    assert "no effect in this mode" in text(response)


def test_the_directions_have_modes_of_their_own(acme: Organization) -> None:
    identity = agent(acme, "alpha")
    path = reverse("console:agent_filter_modes", args=["alpha"])

    signed_in(acme).post(path, {"inbound": "whitelist", "outbound": "blacklist"})

    identity.refresh_from_db()
    assert (identity.mail_inbound_filter_mode, identity.mail_outbound_filter_mode) == ("whitelist", "blacklist")


def test_an_address_is_tried_against_the_rules(acme: Organization) -> None:
    identity = agent(acme, "alpha")
    _rule(identity, "ada@spam.example", direction="inbound")
    client = signed_in(acme, Role.MEMBER)
    path = reverse("console:agent_rules", args=["alpha"])

    page = text(client.get(path, {"check": "Ada@SPAM.example"}))

    assert "A contact rule of this agent blocks this address." in page
    assert "No rule of this agent blocks it." in page
    assert "is not an address" in text(client.get(path, {"check": "nobody"}))
    assert HOSTILE not in text(client.get(path, {"check": HOSTILE}))


def test_many_rules_cost_what_one_costs(acme: Organization) -> None:
    identity = agent(acme, "alpha")
    client = signed_in(acme)
    path = reverse("console:agent_rules", args=["alpha"])
    counts = []
    for number in range(2):
        for each in range(5):
            _rule(identity, f"spam{number}{each}.example")
        client.get(path)
        with CaptureQueriesContext(connection) as queries:
            client.get(path)
        counts.append(len(queries))

    assert counts[0] == counts[1] <= 11


# --- Limits -------------------------------------------------------------------------------------------------------


def test_the_limits_in_force_and_what_is_used(acme: Organization, settings: Any) -> None:
    settings.CLAIMED_SENDS_PER_DAY = 500
    identity = agent(acme, "alpha")
    receive(mailbox_of(identity))
    SendWindow.objects.create(identity=identity, opened_at=now() - timedelta(hours=1), sends=7)
    client = signed_in(acme, Role.MEMBER)
    path = reverse("console:agent_limits", args=["alpha"])

    page = text(client.get(path))
    SendWindow.objects.update(opened_at=now() - timedelta(hours=25))
    later = text(client.get(path))

    assert "<b>7</b> of 500 recipients" in page
    assert "493 left" in page
    assert "<b>0</b> of 500 recipients" in later


def test_no_limit_and_no_claim(acme: Organization, settings: Any) -> None:
    settings.CLAIMED_SENDS_PER_DAY = 0
    settings.UNCLAIMED_SENDS_PER_DAY = 10
    agent(acme, "alpha")
    unclaimed_agent(acme, "bravo")
    client = signed_in(acme)

    assert "No limit" in text(client.get(reverse("console:agent_limits", args=["alpha"])))
    page = text(client.get(reverse("console:agent_limits", args=["bravo"])))
    assert "of 10 recipients" in page
    assert "human@example.com" in page


def test_a_signature_is_saved_clean(acme: Organization) -> None:
    identity = agent(acme, "alpha")
    path = reverse("console:agent_limits", args=["alpha"])
    client = signed_in(acme)

    client.post(path, {"signature_enabled": "on", "signature_html": "<b>Ada</b><script>x</script>"})
    first = mailbox_of(identity)
    form = {"signature_enabled": "on", "signature_html": "<i>Bea</i>", "signature_text": first.signature_text}
    client.post(path, form)
    second = mailbox_of(identity)
    client.post(path, {"signature_html": second.signature_html, "signature_text": "Just\r\nme"})
    third = mailbox_of(identity)

    assert (first.signature_enabled, first.signature_html, first.signature_text) == (True, "<b>Ada</b>", "Ada")
    assert (second.signature_html, second.signature_text) == ("<i>Bea</i>", "Bea")
    assert (third.signature_enabled, third.signature_html, third.signature_text) == (False, "<i>Bea</i>", "Just\nme")


def test_a_signature_that_could_not_be_shown_is_refused(acme: Organization) -> None:
    identity = agent(acme, "alpha")
    form = {"signature_enabled": "on", "signature_html": '<img src="http://example.com/a.png">'}

    response = signed_in(acme).post(reverse("console:agent_limits", args=["alpha"]), form)

    assert response.status_code == 422
    assert "https URLs" in text(response)
    assert (mailbox_of(identity).signature_html, mailbox_of(identity).signature_enabled) == (None, False)


# --- The bounce brake ---------------------------------------------------------------------------------------------


def test_a_paused_mailbox_says_why_and_is_resumed_here(acme: Organization) -> None:
    mailbox = mailbox_of(agent(acme, "alpha"))
    reason = "5 of the last 8 addresses that it wrote to bounced or complained."
    Mailbox.objects.filter(pk=mailbox.pk).update(sending_paused_at=now(), sending_paused_reason=reason)
    about, resume = (reverse(f"console:{name}", args=["alpha"]) for name in ("agent_about", "resume_sending"))

    for name in ("agent_about", "mail", "agent_limits"):
        page = signed_in(acme).get(reverse(f"console:{name}", args=["alpha"])).content.decode()
        assert reason in page, name
        assert resume in page, name
    assert resume not in signed_in(acme, Role.MEMBER).get(about).content.decode()
    answer = signed_in(acme).post(resume)

    mailbox.refresh_from_db()
    assert answer.headers["Location"] == about
    assert (mailbox.sending_paused_at, mailbox.sending_paused_reason) == (None, None)
    assert reason not in signed_in(acme).get(about).content.decode()
