"""System checks of the settings of contacts."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from contacts.checks import check_phone_region


@pytest.mark.parametrize(
    ("region", "ids"), [("", []), ("DE", []), ("XX", ["contacts.E001"]), ("USA", ["contacts.E001"])]
)
def test_the_country_of_national_numbers(settings: Settings, region: str, ids: list[str]) -> None:
    settings.PHONE_REGION = region

    assert [message.id for message in check_phone_region()] == ids
