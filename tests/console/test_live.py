"""Pages that follow what happens, against the real server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.contrib.auth import SESSION_KEY
from django.db import transaction
from django.test import Client
from django.urls import reverse

from common.clock import now
from console import limits, live
from identities.models import Membership, Organization, User
from identities.services.sessions import ORGANIZATION_KEY
from mail.models import Approval, Mailbox, Message
from mail.services.approving import approve_message, expire_approvals, reject_message
from mail.services.deleting import delete_message
from tests.console.pages import signed_in, text
from tests.factories.identities import admin_principal, agent, organization, person
from tests.factories.mail import mailbox_of, queue
from tests.factories.webhooks import bare_agent, happen, happen_often
from tests.webhooks.live_server import LiveSite, Stream, live_site
from webhooks import wakeups
from webhooks.live import http as live_http
from webhooks.live import hub
from webhooks.models import Event, EventLog

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def site(transactional_db: None) -> Iterator[LiveSite]:
    with live_site() as running:
        yield running


def cookie(client: Client) -> dict[str, str]:
    return {"Cookie": f"sessionid={client.cookies['sessionid'].value}"}


def open_stream(site: LiveSite, client: Client, of: Organization, **options: Any) -> Any:
    return site.stream_at(live.PATH, cookie(client), organization=of.pk, **options)


def refusal(site: LiveSite, headers: dict[str, str], of: Organization) -> int:
    url = f"{site.url}{live.PATH}"
    return httpx.get(url, params={"organization": of.pk}, headers=headers, trust_env=False, timeout=10).status_code


def change(stream: Stream) -> Any:
    kind, data = stream.next()
    assert kind == "change"
    return data["types"]


def has_ended(stream: Stream) -> bool:
    try:
        stream.next()
    except StopIteration:
        return True
    return False


def test_the_path_is_that_of_the_route() -> None:
    assert list(live.PAGE_STREAMS) == [live.PATH] == [reverse("console:live")]


def test_one_stream_tells_of_every_agent_of_the_organization_and_of_no_other(site: LiveSite) -> None:
    acme, other = organization(), organization()
    first, second, stranger = bare_agent(acme), bare_agent(acme), bare_agent(other)
    client = signed_in(acme)

    with open_stream(site, client, acme) as stream:
        happen(stranger)
        happen(first, "message.received")
        assert change(stream) == {"message.received": 1}
        happen(stranger)
        happen(second, "message.sent")
        assert change(stream) == {"message.sent": 1}


def test_what_was_missed_is_told_when_the_stream_comes_back(site: LiveSite) -> None:
    acme = organization()
    identity = bare_agent(acme)
    seen = happen(identity)
    happen_often(identity, 3)
    last = EventLog.objects.get(pk=acme.pk).last_position
    client = signed_in(acme)

    for resumed in ({"last_event_id": seen.position}, {"after": seen.position}):
        with open_stream(site, client, acme, **resumed) as stream:
            assert sum(change(stream).values()) == 3
            assert int(stream.last_id) == last
    with open_stream(site, client, acme, last_event_id=last) as stream:
        happen(identity, "message.sent")
        assert change(stream) == {"message.sent": 1}


def test_numbers_that_nobody_handed_out_mean_now(site: LiveSite) -> None:
    acme = organization()
    identity = bare_agent(acme)
    happen(identity)
    client = signed_in(acme)

    for wrong in ("x", "9" * 40, "-1"):
        with open_stream(site, client, acme, after=wrong) as stream:
            happen(identity, "message.sent")
            assert change(stream) == {"message.sent": 1}


def test_the_stream_says_nothing_of_what_was_written(site: LiveSite) -> None:
    acme = organization()
    identity = bare_agent(acme)

    with open_stream(site, signed_in(acme), acme) as stream:
        happen(identity, "message.received", data={"message": {"subject": "Secret"}})
        assert stream.next() == ("change", {"types": {"message.received": 1}})


@pytest.fixture
def box(transactional_db: None) -> Mailbox:
    """The mailbox of an agent that needs approval."""
    mailbox = mailbox_of(agent(organization(), "alpha"))
    Mailbox.objects.filter(pk=mailbox.pk).update(approval_required=True)
    mailbox.refresh_from_db()
    return mailbox


def _decide(decision: Callable[..., Any]) -> Callable[[Message], Any]:
    return lambda message: decision(admin_principal(message.mailbox.organization), message.pk)


def _expire(_message: Message) -> None:
    Approval.objects.update(expires_at=now() - timedelta(seconds=1))
    expire_approvals()


@pytest.mark.parametrize(
    "settle",
    [_decide(approve_message), _decide(reject_message), _expire, delete_message],
    ids=["approve", "reject", "expire", "withdraw"],
)
def test_pages_hear_of_mail_that_is_held_and_decided_on_at_once(
    site: LiveSite, box: Mailbox, settle: Callable[[Message], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Neither the heartbeat nor the look at all logs helps.
    monkeypatch.setattr(live_http, "HEARTBEAT_SECONDS", 600)
    monkeypatch.setattr(hub, "POLL_SECONDS", 600)
    other = organization()
    client = signed_in(box.organization)

    with (
        open_stream(site, client, box.organization, shown="0") as stream,
        open_stream(site, signed_in(other), other, shown="0") as foreign,
    ):
        message = queue(box, "ada@customer.example")
        assert stream.next() == ("change", {"types": {}})
        assert not Event.objects.exists()
        settle(message)
        assert stream.next()[0] == "change"
        happen(bare_agent(other), "message.sent")
        # The first that the others hear of.
        assert change(foreign) == {"message.sent": 1}


def test_a_page_that_shows_something_else_is_told_as_soon_as_it_listens(site: LiveSite, box: Mailbox) -> None:
    client = signed_in(box.organization)
    before = live.read_mark(box.organization_id)
    queue(box, "ada@customer.example")
    shown = live.read_mark(box.organization_id)

    with open_stream(site, client, box.organization, shown=before) as stream:
        assert change(stream) == {}
    with open_stream(site, client, box.organization, shown=shown) as stream:
        happen(bare_agent(box.organization), "message.sent")
        assert change(stream) == {"message.sent": 1}


def test_marks_differ_though_as_many_wait(box: Mailbox) -> None:
    marks = {live.read_mark(box.organization_id)}
    for _ in range(3):
        message = queue(box, "ada@customer.example")
        marks.add(live.read_mark(box.organization_id))
        reject_message(admin_principal(box.organization), message.pk)

    assert len(marks) == 4
    assert live.read_mark(box.organization_id) == "0"


def test_held_mail_of_which_the_news_got_lost_is_found_at_the_next_heartbeat(
    site: LiveSite, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_http, "HEARTBEAT_SECONDS", 0.3)
    monkeypatch.setattr(wakeups, "_send", lambda _news: None)

    with open_stream(site, signed_in(box.organization), box.organization, shown="0") as stream:
        queue(box, "ada@customer.example")
        assert change(stream) == {}


def test_held_mail_that_was_rolled_back_is_told_to_nobody(site: LiveSite, box: Mailbox) -> None:
    with open_stream(site, signed_in(box.organization), box.organization, shown="0") as stream:
        with transaction.atomic():
            queue(box, "ada@customer.example")
            transaction.set_rollback(True)
        happen(bare_agent(box.organization), "message.sent")
        assert change(stream) == {"message.sent": 1}


def test_who_was_removed_does_not_hear_of_held_mail(site: LiveSite, box: Mailbox) -> None:
    with open_stream(site, signed_in(box.organization), box.organization, shown="0") as stream:
        Membership.objects.filter(organization=box.organization).delete()
        queue(box, "ada@customer.example")

        assert has_ended(stream)


def test_who_may_not_look_gets_no_stream(site: LiveSite) -> None:
    acme, other = organization(), organization()
    both = person(acme)
    Membership.objects.create(user=both, organization=other)
    elsewhere = signed_in(user=both)
    session = elsewhere.session
    session[ORGANIZATION_KEY] = other.pk
    session.save()

    assert refusal(site, {}, acme) == 401
    assert refusal(site, {"Cookie": "sessionid=nothing"}, acme) == 401
    assert refusal(site, cookie(signed_in(other)), acme) == 403
    assert refusal(site, cookie(signed_in(user=person())), acme) == 403
    # In this browser the console shows the other organization now.
    assert refusal(site, cookie(elsewhere), acme) == 403


@pytest.mark.parametrize("end", ["removed", "signed out", "deactivated"])
def test_who_may_not_look_any_more_hears_of_nothing_that_happens_then(site: LiveSite, end: str) -> None:
    acme = organization()
    identity = bare_agent(acme)
    client = signed_in(acme)
    user = User.objects.get(pk=client.session[SESSION_KEY])

    with open_stream(site, client, acme) as stream:
        happen(identity, "message.received")
        assert change(stream) == {"message.received": 1}
        if end == "removed":
            Membership.objects.filter(user=user).delete()
        elif end == "signed out":
            client.logout()
        else:
            User.objects.filter(pk=user.pk).update(is_active=False)
        happen(identity, "message.received")

        assert has_ended(stream)


def test_a_quiet_stream_of_a_removed_member_ends_too(site: LiveSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_http, "HEARTBEAT_SECONDS", 0.1)
    acme = organization()
    client = signed_in(acme)

    with open_stream(site, client, acme) as stream:
        Membership.objects.filter(organization=acme).delete()

        assert has_ended(stream)


def test_one_person_has_so_many_tabs(site: LiveSite) -> None:
    site.readers._pages[live.PATH] = replace(live.PAGE_STREAMS[live.PATH], tabs_per_person=2)
    acme = organization()
    user = person(acme)
    client = signed_in(user=user)

    with open_stream(site, client, acme), open_stream(site, signed_in(user=user), acme):
        assert refusal(site, cookie(client), acme) == 429
        with open_stream(site, signed_in(acme), acme):
            pass
    assert live.PAGE_STREAMS[live.PATH].tabs_per_person == limits.LIVE_TABS_PER_PERSON


def test_many_streams_hold_no_thread_and_end_when_the_server_stops(site: LiveSite) -> None:
    acme = organization()
    client = signed_in(acme)
    with (
        open_stream(site, client, acme) as first,
        open_stream(site, client, acme) as second,
        open_stream(site, client, acme) as third,
    ):
        # The site has one thread for requests.
        page = httpx.get(f"{site.url}/console/", headers=cookie(client), trust_env=False, timeout=10)
        assert page.status_code == 200

        started = time.monotonic()
        site.readers.close()
        assert all(has_ended(stream) for stream in (first, second, third))
        assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("name", "has_stream"),
    [("overview", True), ("agents", True), ("mail", True), ("approvals", True), ("keys", False)],
)
def test_pages_say_what_they_show_at_least(name: str, has_stream: bool) -> None:
    acme = organization()
    identity = agent(acme, "alpha")
    event = happen(identity)

    page = text(signed_in(acme).get(reverse(f"console:{name}", args=["alpha"] if name == "mail" else [])))

    assert (f'data-live="/console/live" data-live-after="{event.position}" data-live-mark="0"' in page) is has_stream
    assert ("console/live.js" in page) is has_stream


def test_the_end_of_a_folder_and_a_search_stand_still() -> None:
    acme = organization()
    agent(acme, "alpha")

    page = text(signed_in(acme).get(reverse("console:mail", args=["alpha"]), {"q": "words"}))

    assert "data-live=" not in page


def test_a_thread_that_is_read_follows_what_is_added_to_it(box: Mailbox) -> None:
    message = queue(box, "ada@customer.example")
    client = signed_in(box.organization)
    assert box.identity is not None
    path = reverse("console:thread", args=[box.identity.agent_handle, message.thread_id])

    page = text(client.get(path))

    assert 'data-live="/console/live"' in page
    assert 'id="messages" data-live-append' in page
    assert f'id="live-state-{message.pk}"' in page


def test_a_page_that_is_read_again_takes_no_notice_away() -> None:
    acme = organization()
    client = signed_in(acme)
    client.post(reverse("console:switch_organization"), {"organization_id": "org_unknown"})

    again = text(client.get(reverse("console:overview"), headers={"X-Live": "1"}))
    looked_at = text(client.get(reverse("console:overview")))

    assert "not a member" not in again
    assert "not a member" in looked_at
