"""Cards as programs write them, and as nobody should (RFC 6350, RFC 2426, vCard 2.1)."""

from __future__ import annotations

import time
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts.vcards.lines import CardBroken, parse_property, properties, split_cards
from contacts.vcards.reading import CardContent, read_card


def card(*lines: str, region: str | None = None) -> CardContent:
    (raw,) = split_cards("\r\n".join(["BEGIN:VCARD", *lines, "END:VCARD", ""]))
    return read_card(raw, region)


def filled(content: CardContent) -> dict[str, Any]:
    return {name: value for name, value in content.fields.items() if value}


def test_a_card_of_version_4() -> None:
    found = card(
        "VERSION:4.0",
        "UID:urn:uuid:4fbe8971-0bc3-424c-9c26-36c3e1eff6b1",
        "FN;PID=1.1:J. Doe",
        "N:Doe;J.;;Dr.;Jr.",
        "ORG:ABC\\, Inc.;North American Division;Marketing",
        "TITLE:Research Scientist",
        "BDAY:19960415",
        "ANNIVERSARY:20090808T1430-0500",
        "EMAIL;PID=4.1,5.2;PREF=1:jdoe@example.com",
        'TEL;VALUE=uri;TYPE="voice,cell":tel:+1-418-656-9254;ext=102',
        "ADR;TYPE=work:;Suite D2-630;2875 Laurier;Quebec;QC;G1V 2M2;Canada",
        "URL;TYPE=home:http://nomis80.org",
        "NOTE:One\\nTwo\\; three\\\\",
        "X-UNKNOWN:ignored",
    )

    assert found.uid == "urn:uuid:4fbe8971-0bc3-424c-9c26-36c3e1eff6b1"
    assert found.warnings == []
    assert filled(found) == {
        "preferred_name": "J. Doe",
        "family_name": "Doe",
        "given_name": "J.",
        "name_prefix": "Dr.",
        "name_suffix": "Jr.",
        "company_name": "ABC, Inc.",
        "job_title": "Research Scientist",
        "birthday": date(1996, 4, 15),
        "notes": "One\nTwo; three\\",
        "emails": [{"label": None, "value": "jdoe@example.com", "is_primary": True}],
        "phones": [{"label": "cell", "value_e164": "+14186569254", "is_primary": False}],
        "websites": [{"label": "home", "url": "http://nomis80.org"}],
        "dates": [{"label": "anniversary", "date": "2009-08-08"}],
        "addresses": [
            {
                "label": "work",
                "street": "Suite D2-630, 2875 Laurier",
                "city": "Quebec",
                "region": "QC",
                "postal": "G1V 2M2",
                "country": "Canada",
            }
        ],
    }


def test_a_card_of_version_3_with_groups_labels_and_a_photo() -> None:
    found = card(
        "VERSION:3.0",
        "N:Appleseed;John;;;",
        "FN:John Appleseed",
        "item1.EMAIL;type=INTERNET;type=pref:john@example.com",
        "item1.X-ABLabel:School",
        "ITEM2.URL:www.example.com/a\\,b",
        "item2.X-ABLabel:_$!<HomePage>!$_",
        "item3.X-ABDATE:2004-07-04",
        "item3.X-ABLabel:_$!<Anniversary>!$_",
        "PHOTO;ENCODING=b;TYPE=JPEG:/9j/4AAQSkZJRgABAQAAAQABAAD",
        " /2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAo",
        "NOTE:folded",
        "  twice",
        "\tand tabbed",
    )

    assert found.fields["emails"] == [{"label": "School", "value": "john@example.com", "is_primary": True}]
    assert found.fields["websites"] == [{"label": "HomePage", "url": "https://www.example.com/a,b"}]
    assert found.fields["dates"] == [{"label": "Anniversary", "date": "2004-07-04"}]
    assert found.fields["notes"] == "folded twiceand tabbed"


def test_a_card_of_version_2_1_with_quoted_printable() -> None:
    found = card(
        "VERSION:2.1",
        "N;CHARSET=ISO-8859-1;ENCODING=QUOTED-PRINTABLE:M=FCller;J=F6rg",
        "NOTE;QUOTED-PRINTABLE;CHARSET=UTF-8:Gr=C3=BC=C3=9Fe=0D=0A=",
        "aus K=C3=B6ln",
        "TEL;HOME;VOICE:+49 221 1234567",
        "EMAIL;INTERNET;PREF:joerg@example.de",
        "AGENT:",
        "BEGIN:VCARD",
        "FN:The secretary",
        "EMAIL:secretary@example.de",
        "END:VCARD",
        "TITLE:Chef",
    )

    assert (found.fields["given_name"], found.fields["family_name"]) == ("Jörg", "Müller")
    assert found.fields["notes"] == "Grüße\naus Köln"
    assert found.fields["phones"] == [{"label": "home", "value_e164": "+492211234567", "is_primary": False}]
    assert found.fields["emails"] == [{"label": None, "value": "joerg@example.de", "is_primary": True}]
    assert found.fields["job_title"] == "Chef"


def test_what_does_not_fit_is_named_and_the_rest_is_kept() -> None:
    found = card(
        "FN:" + "x" * 300,
        "EMAIL:not an address",
        "EMAIL:a@example.com",
        "EMAIL:A@EXAMPLE.com",
        "TEL:(415) 555-0100",
        "TEL:call me",
        "URL:http://[::1",
        "BDAY:--0412",
        "BDAY:2021-13-44",
        "NOTE;ENCODING=QUOTED-PRINTABLE;CHARSET=zlib:=41",
        "N;ENCODING=BASE64:%%%",
        "no colon here",
        ";;;:",
        ".X:1",
        "",
    )

    assert found.fields["preferred_name"] == "x" * 255
    assert [one["value"] for one in found.fields["emails"]] == ["a@example.com"]
    assert found.fields["custom_fields"] == [
        {"label": "phone", "value": "(415) 555-0100"},
        {"label": "phone", "value": "call me"},
        {"label": "birthday", "value": "--0412"},
    ]
    assert found.warnings == [
        "preferred_name: cut to 255 characters.",
        "EMAIL: not an address.",
        "TEL: kept as a text, because it is no international number.",
        "TEL: kept as a text, because it is no international number.",
        "URL: not a web address.",
        "BDAY: not a whole date.",
        "BDAY: not a whole date.",
        "NOTE: left out, because it is in an encoding that cannot be read.",
        "N: left out, because it is in an encoding that cannot be read.",
    ]


def test_national_numbers_are_read_in_the_configured_country() -> None:
    found = card("FN:Ada", "TEL:(415) 555-0100", "TEL:020 7946 0000", region="US")

    assert [one["value_e164"] for one in found.fields["phones"]] == ["+14155550100"]
    assert [one["value"] for one in found.fields["custom_fields"]] == ["020 7946 0000"]


def test_only_the_first_preferred_item_is_primary() -> None:
    found = card("FN:Ada", "EMAIL;PREF=1:a@example.com", "EMAIL;PREF=1:b@example.com", "EMAIL;PREF=2:c@example.com")

    assert [one["is_primary"] for one in found.fields["emails"]] == [True, False, False]


def test_lists_end_at_their_limits() -> None:
    found = card("FN:Ada", *(f"EMAIL:a{number}@example.com" for number in range(60)))

    assert len(found.fields["emails"]) == 50
    assert found.warnings == ["emails: only 50 are kept."] * 10


@pytest.mark.parametrize(
    ("lines", "name", "source"),
    [
        (["NICKNAME:Addie", "EMAIL:a@example.com"], "Addie", "vcard"),
        (["EMAIL:a@example.com"], "a@example.com", "identifier_fallback"),
        (["TEL:+14155550100"], "+14155550100", "identifier_fallback"),
    ],
)
def test_a_card_without_a_name(lines: list[str], name: str, source: str) -> None:
    found = card(*lines)

    assert (found.fields["preferred_name"], found.name_source.value) == (name, source)


def test_a_card_of_nobody_is_broken() -> None:
    with pytest.raises(CardBroken):
        card("VERSION:4.0", "NOTE:x")


def test_a_card_without_end_does_not_swallow_the_next() -> None:
    text = "BEGIN:VCARD\nFN:A\nBEGIN:VCARD\nFN:B\nEND:VCARD\njunk\nBEGIN:VCARD\nFN:C\n"

    first, second, third = split_cards(text)

    assert (first.problem, third.problem) == ("The card has no END:VCARD.",) * 2
    assert [one.value for one in properties(second)] == ["B"]


def test_one_property_of_five_mebibytes_is_left_out_quickly() -> None:
    started = time.perf_counter()

    found = card("FN:Ada", "NOTE:" + '\\n;,:"' * 1_000_000, "PHOTO:" + "\n ".join(["QUJD" * 18] * 10_000), "TITLE:Poet")

    assert time.perf_counter() - started < 2
    assert filled(found) == {"preferred_name": "Ada", "job_title": "Poet"}
    assert found.warnings == ["NOTE: left out, because it is longer than an address book needs."]


@pytest.mark.parametrize(
    "line",
    [
        "X;A" + "," * 60_000 + '"',
        "X;" * 30_000,
        'X;A="' + "b" * 60_000,
        "X" * 60_000,
        "A.B" * 20_000,
        "NOTE:" + "\\" * 60_000,
        "TEL:" + "+" * 60_000,
        "TEL:+1" + "-" * 60_000,
        "BDAY:" + "-0" * 30_000,
        "EMAIL:" + "a@" * 30_000,
        "URL:http://" + "[" * 60_000,
        "FN;ENCODING=QUOTED-PRINTABLE:" + "=" * 60_000,
    ],
)
def test_no_line_takes_long(line: str) -> None:
    started = time.perf_counter()

    card("FN:Ada", line)

    assert time.perf_counter() - started < 1


def test_endless_properties_are_refused() -> None:
    with pytest.raises(CardBroken):
        card("FN:Ada", *["X:1"] * 1000)


@given(st.text(max_size=200), st.text(max_size=200))
def test_no_text_breaks_the_reader(head: str, value: str) -> None:
    parse_property(f"{head}:{value}")
    for raw in split_cards(f"BEGIN:VCARD\nFN:x\nTEL:{value}\nBDAY:{value}\n{head}:{value}\nEND:VCARD\n{head}"):
        try:
            found = read_card(raw, "US")
        except CardBroken:
            continue
        assert "\x00" not in repr(found.fields)
