"""The pages of operators in Django admin."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from common.clock import now
from identities.models import AuditRecord, Organization, User
from identities.services.suspension import suspend_organization
from inkbox_site import queues
from mail.models import OutboundJob, PlatformMail
from tests.factories.identities import admin_client, admin_key, agent, organization, person
from tests.factories.mail import mailbox_of, queue, receive, send
from tests.factories.webhooks import bare_agent, happen, subscription
from webhooks.enums import DispatchState
from webhooks.models import Dispatch

pytestmark = pytest.mark.django_db

PAGES = ("admin:index", "operations:organizations", "operations:queues", "operations:find")
SECRET = "the-secret-subject"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def operator() -> Client:
    return signed_in(person(is_staff=True, is_superuser=True))


def text(response: Any) -> str:
    assert response.status_code == 200, response.content[:500]
    found: str = response.content.decode()
    return " ".join(found.split())


def search(client: Client, query: object) -> str:
    return text(client.get(reverse("operations:find"), {"q": str(query)}))


def furnish(of: Organization, handle: str) -> None:
    box = mailbox_of(agent(of, handle))
    receive(box, subject=SECRET, text=SECRET)
    send(queue(box, "ada@customer.example", subject=SECRET))


@pytest.mark.parametrize("name", PAGES[1:])
def test_pages_are_for_operators(name: str) -> None:
    acme = organization()
    path = reverse(name)

    answers = [Client().get(path), signed_in(person(acme)).get(path), signed_in(person(is_staff=True)).get(path)]

    # The last one may sign in to the admin, and was given nothing to look at there.
    assert [answer.status_code for answer in answers] == [302, 302, 403]
    assert "no-store" in operator().get(path).headers["Cache-Control"]
    assert operator().post(path).status_code == 405


def test_who_may_see_nothing_sees_nothing_on_the_first_page() -> None:
    acme = organization(name="Acme Rockets")

    page = text(signed_in(person(acme, is_staff=True)).get(reverse("admin:index")))

    assert "Acme Rockets" not in page
    assert reverse("operations:queues") not in page


def test_usage_is_that_of_each_organization() -> None:
    acme, other = organization(name="Acme Rockets"), organization(name="Other Works")
    furnish(acme, "alpha")
    furnish(acme, "beta")
    suspend_organization(other.pk, "Spam")
    client = operator()

    page = text(client.get(reverse("operations:organizations"), {"q": "acme"}))
    suspended = text(client.get(reverse("operations:organizations"), {"suspended": "1"}))

    cells = [cell.partition("</td>")[0].strip() for cell in page.split('data-label="')[1:]]
    values = [cell.partition(">")[2].strip() for cell in cells]
    # Agents, received, sent; each agent received one mail and sent one.
    assert values[1:4] == ["2", "2", "2"]
    assert values[6] == "active"
    assert "Other Works" not in page
    assert "Other Works" in suspended
    assert "Acme Rockets" not in suspended


@pytest.mark.parametrize("name", PAGES)
def test_pages_cost_the_same_whatever_there_is(name: str) -> None:
    client = operator()
    furnish(organization(), "first")
    query = {"q": "ada@customer.example"} if name == "operations:find" else {}
    counts = []
    for number in range(2):
        with CaptureQueriesContext(connection) as queries:
            text(client.get(reverse(name), query))
        counts.append(len(queries))
        for each in range(3):
            furnish(organization(), f"more-{number}-{each}")

    assert counts[0] == counts[1] <= 40


def test_queues_say_what_is_due_and_since_when_as_readiness_does() -> None:
    box = mailbox_of(agent(handle="alpha"))
    queue(box, "ada@customer.example")
    OutboundJob.objects.update(due_at=now() - timedelta(minutes=5))
    PlatformMail.objects.create(sender="a@x.example", recipient="b@x.example", due_at=now() - timedelta(seconds=90))
    subscribed = bare_agent()
    subscription(subscribed)
    happen(subscribed)

    states = {state.name: state for state in queues.states()}
    page = text(operator().get(reverse("operations:queues")))

    assert {name: state.depth for name, state in states.items()} | {"index": 0} == {
        "mail": 1,
        "webhooks": 1,
        "platform": 1,
        "imports": 0,
        "index": 0,
        "reading": 0,
    }
    assert {state.name for state in states.values() if state.is_watched} == set(queues.age_probes())
    assert states["mail"].oldest_at == queues.age_probes()["mail"]()
    assert "5 minutes" in page
    assert "no worker works" in page
    assert Client().get("/readyz").status_code == 503


def test_deliveries_that_were_given_up_are_queued_again_and_no_others() -> None:
    identity = bare_agent()
    subscription(identity)
    for _ in range(3):
        happen(identity)
    failed, settled, waiting = Dispatch.objects.order_by("pk")
    gone = {"attempts": 9, "next_attempt_at": None}
    Dispatch.objects.filter(pk=failed.pk).update(state=DispatchState.FAILED.value, **gone)
    Dispatch.objects.filter(pk=settled.pk).update(state=DispatchState.SUCCEEDED.value, **gone)
    client = operator()
    path = reverse("admin:webhooks_dispatch_changelist")
    chosen = {"action": "deliver_again", "_selected_action": [failed.pk, settled.pk, waiting.pk]}

    listed = text(client.get(path, {"state__exact": "failed"}))
    answer = text(client.post(path, chosen, follow=True))

    assert f"/{failed.pk}/" in listed
    assert f"/{settled.pk}/" not in listed
    assert "Queued again: 1." in answer
    rows = Dispatch.objects.order_by("pk").values_list("state", "attempts", "is_replay")
    assert list(rows) == [("pending", 0, True), ("succeeded", 9, False), ("pending", 0, False)]


def test_things_are_found_by_id_name_and_address_without_texts_and_secrets() -> None:
    acme = organization(name="Acme Rockets")
    identity = agent(acme, "alpha")
    box = mailbox_of(identity)
    got = receive(box, subject=SECRET, text=SECRET)
    sent = queue(box, "ada@customer.example", subject=SECRET, body_text=SECRET)
    send(sent)
    key = admin_key(acme)
    hook = subscription(identity, "message.received", token="the-bearer-token")
    event = happen(identity, data={"message": {"subject": SECRET}})
    client = operator()

    pages = {
        query: search(client, query)
        for query in (
            acme.pk,
            "rockets",
            "@alpha",
            identity.pk,
            box.email_address,
            got.pk,
            got.message_id,
            sent.pk,
            key,
            hook.pk,
            event.pk,
        )
    }

    for query, page in pages.items():
        assert "Nothing has this id" not in page, query
        assert "Acme Rockets" in page, query
        assert SECRET not in page, query
        assert "the-bearer-token" not in page
        # What was typed stands in the field; the page itself names a key by its beginning only.
        assert page.count(key.partition(".")[2]) == (1 if query == key else 0)
    assert "To ada@customer.example" in pages[sent.pk]
    assert "sent" in pages[sent.pk]
    assert "pending after 0 tries" in pages[event.pk]
    assert "Nothing has this id" in search(client, "no-such-thing")


def test_what_is_suspended_says_so_where_somebody_asks() -> None:
    acme = organization()
    agent(acme, "alpha")
    suspend_organization(acme.pk, "Unpaid since May")

    assert "Unpaid since May" in search(operator(), "alpha")


def test_an_operator_suspends_and_resumes() -> None:
    acme = organization(name="Acme Rockets")
    caller = admin_client(acme)
    client = operator()
    path = f"{reverse('admin:identities_organization_change', args=[acme.pk])}"
    suspension = reverse("admin:identities_organization_suspend_or_resume", args=[acme.pk])

    asked = text(client.get(suspension))
    assert "Reason" in asked
    assert caller.get("/whoami").status_code == 200  # looking changes nothing
    text(client.post(suspension, {"reason": "Spam"}, follow=True))
    shown = text(client.get(path))
    assert caller.get("/whoami").status_code == 403
    assert "Spam" in shown

    assert "Resumed, its keys work again" in text(client.get(suspension))
    text(client.post(suspension, follow=True))
    assert caller.get("/whoami").status_code == 200
    found = AuditRecord.objects.filter(organization_id=acme.pk).order_by("seq").values_list("action", "actor_kind")
    assert list(found) == [("organization.suspended", "operator"), ("organization.resumed", "operator")]


def test_an_operator_sets_limits() -> None:
    acme = organization(name="Acme Rockets")
    client = operator()
    path = reverse("admin:identities_organization_change", args=[acme.pk])
    form = {
        "name": "Acme Rockets",
        "compat_profile": "modern",
        "max_agents": "2",
        "max_claimed_sends": "",
        "max_unclaimed_sends": "",
        "max_key_requests": "0",
        "max_sending_domains": "",
        "memberships-TOTAL_FORMS": "0",
        "memberships-INITIAL_FORMS": "0",
    }

    text(client.post(path, form, follow=True))

    acme.refresh_from_db()
    assert (acme.max_agents, acme.max_claimed_sends, acme.max_key_requests) == (2, None, 0)
    record = AuditRecord.objects.get(organization_id=acme.pk)
    assert (record.action, record.details) == (
        "organization.limits_changed",
        {"max_agents": 2, "max_key_requests": 0},
    )


def test_who_may_only_look_cannot_suspend() -> None:
    from django.contrib.auth.models import Permission

    acme = organization()
    looker = person(is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_organization"))

    answer = signed_in(looker).post(
        reverse("admin:identities_organization_suspend_or_resume", args=[acme.pk]), {"reason": "x"}
    )

    assert answer.status_code == 403
    acme.refresh_from_db()
    assert not acme.is_suspended
