"""The admin page of imports."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from identities.models import User
from mail.imports.states import ImportStatus
from mail.models import ImportJob
from tests.factories.identities import agent
from tests.factories.imports import job_in
from tests.factories.mail import mailbox_of

pytestmark = pytest.mark.django_db
LIST = "admin:mail_importjob_changelist"


@pytest.fixture
def operator() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("op@example.org", "password"))
    return client


def test_jobs_are_shown_without_the_addresses_of_their_owner(operator: Client) -> None:
    job = job_in(
        mailbox_of(agent(handle="archive")),
        ImportStatus.FAILED,
        original_addresses=["secret@former.example"],
        error_detail="The archive is damaged.",
    )

    rows = operator.get(reverse(LIST)).content.decode()
    page = operator.get(reverse("admin:mail_importjob_change", args=[job.pk])).content.decode()

    assert "archive@mail.localhost" in rows
    assert "The archive is damaged." in page
    assert "secret@former.example" not in rows + page


def test_an_operator_cancels_open_jobs(operator: Client) -> None:
    running = job_in(mailbox_of(agent()), ImportStatus.RUNNING)
    done = job_in(mailbox_of(agent()), ImportStatus.COMPLETED)

    answer = operator.post(
        reverse(LIST), {"action": "cancel_imports", "_selected_action": [running.pk, done.pk]}, follow=True
    )

    assert "1 imports were cancelled; others had ended already." in answer.content.decode()
    assert dict(ImportJob.objects.values_list("pk", "status")) == {running.pk: "cancelled", done.pk: "completed"}


def test_who_may_only_look_cancels_nothing() -> None:
    job = job_in(mailbox_of(agent()), ImportStatus.RUNNING)
    viewer = User.objects.create_user("view@example.org", "password", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_importjob"))
    client = Client()
    client.force_login(viewer)

    client.post(reverse(LIST), {"action": "cancel_imports", "_selected_action": [job.pk]})

    job.refresh_from_db()
    assert job.status == "running"
