"""What a verdict does to folders, threads, contact rules and events."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contacts.models import ContactRule
from identities.models import User
from mail.enums import Folder
from mail.models import Mailbox, Message, Thread
from mail.services.receiving import Acceptance, InboundMail, accept_batch
from mail.trust.verdicts import (
    ArcVerdict,
    Assessment,
    Authentication,
    Disposition,
    DmarcVerdict,
    Policy,
    Result,
    SpamVerdict,
    SpfVerdict,
)
from tests.factories.identities import agent
from tests.factories.mail import inbound, mailbox_of, raw_mail, receive
from webhooks.models import Event

pytestmark = pytest.mark.django_db

SENDER = "ada@customer.example"
SPAM = SpamVerdict("heuristic", 9, 5, is_spam=True)


@pytest.fixture
def box() -> Mailbox:
    return mailbox_of(agent())


def judged(
    result: Result = Result.NONE,
    *,
    policy: Policy | None = None,
    domain: str = "customer.example",
    is_unknown: bool = False,
    sealer: str = "",
    disposition: Disposition = Disposition.ACCEPT,
    spam: SpamVerdict | None = None,
) -> Assessment:
    dmarc = DmarcVerdict(result, domain, policy, "dkim" if result is Result.PASS else "", is_policy_unknown=is_unknown)
    arc = ArcVerdict(Result.PASS, (sealer,), sealer) if sealer else ArcVerdict()
    return Assessment(Authentication(SpfVerdict(), (), dmarc, arc), disposition, spam)


def accept(box: Mailbox, assessment: Assessment | None, **fields: Any) -> Message:
    plain = inbound(raw_mail(box.email_address, **{"sender": SENDER, **fields}), box)
    mail = InboundMail(plain.parsed, plain.stored, plain.size_bytes, plain.mailbox_ids, assessment)
    assert accept_batch([mail])[0][box.pk] is Acceptance.STORED
    return Message.objects.filter(mailbox=box).latest("pk")


def rule(box: Mailbox, action: str, match_type: str = "exact_email", target: str = SENDER) -> None:
    assert box.identity is not None
    ContactRule.objects.create(
        organization_id=box.organization_id,
        identity=box.identity,
        channel="mail",
        action=action,
        match_type=match_type,
        match_target=target,
    )


def whitelist(box: Mailbox) -> None:
    assert box.identity is not None
    box.identity.mail_inbound_filter_mode = "whitelist"
    box.identity.save()


ALIGNMENT = [
    (None, True),
    (judged(Result.PASS, policy=Policy.REJECT), True),
    (judged(Result.NONE), True),
    (judged(Result.FAIL, policy=Policy.REJECT), False),
    (judged(Result.FAIL, policy=Policy.NONE), False),
    (judged(Result.FAIL, policy=Policy.REJECT, sealer="list.example"), True),
    (judged(Result.TEMPERROR, policy=Policy.REJECT), False),
    (judged(Result.TEMPERROR, is_unknown=True), False),
    (judged(Result.PERMERROR, domain=""), False),
    (judged(Result.PASS, policy=Policy.REJECT, domain="other.example"), False),
]


@pytest.mark.parametrize(("assessment", "counts"), ALIGNMENT)
@pytest.mark.parametrize(("match_type", "target"), [("exact_email", SENDER), ("domain", "customer.example")])
def test_an_allow_rule_counts_for_who_the_sender_really_is(
    box: Mailbox, assessment: Assessment | None, counts: bool, match_type: str, target: str
) -> None:
    whitelist(box)
    rule(box, "allow", match_type, target)

    message = accept(box, assessment)

    assert message.is_blocked is not counts
    assert message.thread.folder == (Folder.INBOX if counts else Folder.BLOCKED)
    assert Event.objects.count() == counts


@pytest.mark.parametrize(("assessment", "_counts"), ALIGNMENT)
def test_a_block_rule_always_counts(box: Mailbox, assessment: Assessment | None, _counts: bool) -> None:
    rule(box, "block")

    assert accept(box, assessment).thread.folder == Folder.BLOCKED


def test_the_operator_may_let_allow_rules_count_for_anybody(box: Mailbox, settings: Any) -> None:
    settings.ALLOW_RULES_NEED_DMARC = False
    whitelist(box)
    rule(box, "allow")

    assert accept(box, judged(Result.FAIL, policy=Policy.REJECT)).thread.folder == Folder.INBOX


def test_mail_from_outside_is_not_of_a_domain_of_this_server_unless_it_is_proven(box: Mailbox) -> None:
    whitelist(box)
    rule(box, "allow", "domain", "mail.localhost")
    forged = accept(box, judged(domain="mail.localhost"), sender="boss@mail.localhost")
    proven = accept(box, judged(Result.PASS, policy=Policy.NONE, domain="mail.localhost"), sender="boss@mail.localhost")

    assert (forged.thread.folder, proven.thread.folder) == (Folder.BLOCKED, Folder.INBOX)


@pytest.mark.parametrize(
    ("assessment", "folder"),
    [
        (judged(), Folder.INBOX),
        (judged(spam=SpamVerdict("heuristic", 4, 5, is_spam=False)), Folder.INBOX),
        (judged(spam=SPAM), Folder.SPAM),
        (judged(Result.FAIL, policy=Policy.REJECT, disposition=Disposition.SPAM), Folder.SPAM),
    ],
)
def test_the_folder_and_the_event_follow_the_verdict(box: Mailbox, assessment: Assessment, folder: Folder) -> None:
    message = accept(box, assessment)

    assert message.thread.folder == folder
    assert message.is_blocked is False
    assert Event.objects.count() == (folder == Folder.INBOX)
    assert message.content.authentication == assessment.authentication.to_json()
    assert message.content.spam == (assessment.spam.to_json() if assessment.spam else None)


def test_events_for_spam_can_be_switched_on(box: Mailbox, settings: Any) -> None:
    settings.SPAM_EVENTS = True

    accept(box, judged(spam=SPAM))

    assert Event.objects.get().event_type == "message.received"


@pytest.mark.parametrize("action", ["allow", "block"])
def test_a_contact_rule_beats_the_score(box: Mailbox, action: str) -> None:
    rule(box, action)

    message = accept(box, judged(Result.PASS, policy=Policy.REJECT, spam=SPAM))

    assert message.thread.folder == (Folder.INBOX if action == "allow" else Folder.BLOCKED)


def test_a_forged_sender_profits_from_no_allow_rule(box: Mailbox) -> None:
    rule(box, "allow")

    message = accept(box, judged(Result.FAIL, policy=Policy.REJECT, disposition=Disposition.SPAM))

    assert message.thread.folder == Folder.SPAM


@pytest.mark.parametrize("folder", [Folder.INBOX, Folder.ARCHIVE, Folder.BLOCKED])
def test_spam_never_joins_or_moves_a_thread_outside_the_spam_folder(box: Mailbox, folder: Folder) -> None:
    parent = receive(box, message_id="<p@x.example>")
    Thread.objects.filter(pk=parent.thread_id).update(folder=folder.value)

    message = accept(box, judged(spam=SPAM), in_reply_to="<p@x.example>")

    thread = Thread.objects.get(pk=parent.thread_id)
    assert (thread.folder, thread.message_count) == (folder, 1)
    assert message.thread.folder == Folder.SPAM


def test_spam_joins_spam_also_in_one_batch(box: Mailbox) -> None:
    first = accept(box, judged(spam=SPAM), message_id="<s1@x.example>")
    second = accept(box, judged(spam=SPAM), message_id="<s2@x.example>", in_reply_to="<s1@x.example>")
    plain = [
        inbound(raw_mail("x@mail.localhost", message_id="<b1@x.example>"), box),
        inbound(raw_mail("x@mail.localhost", in_reply_to="<b1@x.example>"), box),
    ]
    accept_batch([InboundMail(m.parsed, m.stored, m.size_bytes, m.mailbox_ids, judged(spam=SPAM)) for m in plain])

    assert second.thread_id == first.thread_id
    assert sorted(Thread.objects.filter(mailbox=box).values_list("message_count", flat=True)) == [2, 2]


def test_an_answer_goes_to_the_first_message_of_an_id_not_to_a_copy_in_spam(box: Mailbox) -> None:
    real = receive(box, message_id="<p@x.example>")
    accept(box, judged(spam=SPAM), message_id="<p@x.example>", text="A copy of the id.")

    answer = accept(box, judged(), in_reply_to="<p@x.example>")

    assert answer.thread_id == real.thread_id


def test_a_sender_on_the_list_is_not_drawn_into_spam(box: Mailbox) -> None:
    rule(box, "allow")
    accept(box, judged(spam=SPAM), message_id="<s@x.example>", sender="x@evil.example")

    answer = accept(box, judged(Result.PASS, policy=Policy.REJECT), in_reply_to="<s@x.example>")

    assert answer.thread.folder == Folder.INBOX


def test_judged_batches_cost_the_same_number_of_queries_as_one_message(box: Mailbox) -> None:
    def queries(size: int) -> int:
        plain = [inbound(raw_mail(box.email_address, sender=f"x@d{n}.example"), box) for n in range(size)]
        mails = [
            InboundMail(m.parsed, m.stored, m.size_bytes, m.mailbox_ids, judged(domain=f"d{n}.example"))
            for n, m in enumerate(plain)
        ]
        with CaptureQueriesContext(connection) as captured:
            accept_batch(mails)
        return len(captured)

    assert queries(30) == queries(2)


def test_an_operator_sees_the_verdict(box: Mailbox) -> None:
    message = accept(box, judged(Result.PASS, policy=Policy.REJECT, spam=SPAM))
    plain = receive(box)
    operator = Client()
    operator.force_login(User.objects.create_superuser("op@example.org", "password"))

    page = operator.get(f"/admin/mail/message/{message.pk}/change/").content.decode()

    assert "&quot;aligned_from&quot;: &quot;customer.example&quot;" in page
    assert "&quot;score&quot;: 9" in page
    assert operator.get(f"/admin/mail/message/{plain.pk}/change/").status_code == 200
