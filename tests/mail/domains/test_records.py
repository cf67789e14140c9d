"""What each record must be, what counts as right, and the sentence for what is not."""

from __future__ import annotations

from typing import Any

import pytest

from common.dns import DnsOutcome
from mail.dkim import generate_key
from mail.dns.records import (
    DnsRecord,
    Purpose,
    RecordState,
    Verdict,
    dkim_record,
    examine_record,
    ownership_record,
    policy_records,
    tags_of,
)
from mail.enums import DkimAlgorithm
from tests.factories.dns import FakeDns

NAME = "mail.acme.org"
_, KEY = generate_key(DkimAlgorithm.ED25519)
_, OTHER = generate_key(DkimAlgorithm.ED25519)
DKIM = f"s1._domainkey.{NAME}"


def _record(purpose: str, kind: str = "TXT") -> DnsRecord:
    """The record of a purpose, for NAME."""
    if purpose == "ownership":
        return ownership_record(NAME, "token")
    if purpose == "dkim":
        return dkim_record(NAME, "s1", KEY, is_required=True)
    rows = policy_records(NAME, "bounces")
    return next(row for row in rows if row.purpose == purpose and (purpose != "return_path" or row.type == kind))


def _examine(purpose: str, *values: str, kind: str = "TXT") -> Verdict:
    record = _record(purpose, kind)
    if values:
        FakeDns.publish(record.name, record.type, *values)
    return examine_record(FakeDns(), record)


CASES: list[tuple[str, list[str], str, str]] = [
    # purpose, values, state, a piece of the remedy
    ("ownership", ["inkbox-ownership=token"], "ok", ""),
    ("ownership", ["other", ' "inkbox-ownership=token" '], "ok", ""),
    ("ownership", ["inkbox-ownership=TOKEN"], "wrong", "Add it exactly as shown"),
    ("ownership", [], "missing", "does not exist. Publish it"),
    ("dkim", [KEY], "ok", ""),
    ("dkim", [KEY.replace("; ", ";").replace("p=", "p= ") + " ;"], "ok", ""),
    ("dkim", ["t=y; s=email:x; h=sha1:sha256; " + KEY, "other text"], "ok", ""),
    ("dkim", [OTHER], "wrong", "has another key"),
    ("dkim", [KEY.replace("k=ed25519; ", "")], "wrong", "has another key"),
    ("dkim", [KEY[:-1]], "wrong", "nothing was cut off"),
    ("dkim", [KEY, OTHER], "wrong", "has 2 keys"),
    ("dkim", ["v=DKIM1; k=ed25519; p="], "wrong", "is revoked"),
    ("dkim", ["s=web; " + KEY], "wrong", "exclude mail"),
    ("dkim", ["h=sha1; " + KEY], "wrong", "exclude mail"),
    ("dkim", ["hello"], "wrong", "other TXT values"),
    ("dkim", [], "missing", "does not exist"),
    ("spf", ["v=spf1 a:mx.server.example ~all", "site-verification=1"], "ok", ""),
    ("spf", ["v=spf1 -all"], "wrong", "Add a:mx.server.example to the SPF record of mail.acme.org"),
    ("spf", ["v=spf1 a:mx.server.example -all", "v=spf1 mx -all"], "wrong", "has 2 SPF records"),
    ("spf", ["v=spf1 a:mx.server.example +all"], "wrong", "lets everybody send"),
    ("spf", ["v=spf1 nonsense"], "wrong", "no SPF mechanism"),
    ("spf", ["v=spf1 include:gone.example"], "wrong", "has no SPF record"),
    ("spf", ["site-verification=1"], "missing", "has no such TXT record"),
    ("dmarc", ["v=DMARC1; p=none"], "ok", ""),
    ("dmarc", ["v=DMARC1;p=Reject; rua=mailto:d@acme.org"], "ok", ""),
    ("dmarc", ["v=DMARC1"], "wrong", "no policy"),
    ("dmarc", ["v=DMARC1; p=all"], "wrong", "no policy"),
    ("dmarc", ["v=DMARC1; p=none", "v=DMARC1; p=reject"], "wrong", "2 DMARC records"),
    ("dmarc", ["p=none"], "missing", "no such TXT record"),
    ("dmarc", [], "missing", "does not exist"),
    ("mx", ["10 mx.server.example"], "ok", ""),
    ("mx", ["20 backup.example", "5 mx.server.example"], "ok", ""),
    ("mx", ["10 mx.server.example", "5 first.example"], "wrong", "goes to first.example"),
    ("mx", ["0 ."], "wrong", "goes to ."),
    ("mx", [], "missing", "does not exist"),
    ("return_path", ["v=spf1 a:mx.server.example -all"], "ok", ""),
    ("return_path", ["v=spf1 -all"], "wrong", f"SPF record of bounces.{NAME}"),
]


@pytest.mark.parametrize(("purpose", "values", "state", "remedy"), CASES)
def test_records_are_judged(purpose: str, values: list[str], state: str, remedy: str) -> None:
    verdict = _examine(purpose, *values)

    assert verdict.state == state
    assert remedy in verdict.remedy
    assert bool(verdict.remedy) is (state != "ok")
    assert verdict.remedy == "" or verdict.remedy.endswith(".")


def test_the_mail_exchanger_of_the_return_path() -> None:
    assert _examine("return_path", "10 mx.server.example", kind="MX").state is RecordState.OK
    wrong = _examine("return_path", "10 other.example", kind="MX")
    assert wrong.state is RecordState.WRONG
    assert wrong.remedy == (
        f"Bounces of mail from this domain go to other.example. Point the MX of bounces.{NAME} to mx.server.example."
    )


def test_a_name_is_under_the_policy_of_its_registered_domain() -> None:
    FakeDns.publish("_dmarc.acme.org", "TXT", "v=DMARC1; p=reject")
    assert _examine("dmarc").state is RecordState.OK

    FakeDns.publish("_dmarc.acme.org", "TXT", "v=DMARC1")
    assert _examine("dmarc").state is RecordState.WRONG
    FakeDns.broken["_dmarc.acme.org"] = DnsOutcome.SERVFAIL
    assert _examine("dmarc").state is RecordState.UNKNOWN
    assert _examine("dmarc", "v=DMARC1; p=none").state is RecordState.OK


@pytest.mark.parametrize(
    ("outcome", "remedy"),
    [(DnsOutcome.TIMEOUT, "did not answer in time"), (DnsOutcome.SERVFAIL, "answer with an error")],
)
@pytest.mark.parametrize("purpose", ["ownership", "dkim", "spf", "dmarc", "mx"])
def test_servers_that_do_not_answer_are_named(purpose: str, outcome: DnsOutcome, remedy: str) -> None:
    FakeDns.broken[_record(purpose).name] = outcome

    verdict = _examine(purpose)

    assert verdict.state is RecordState.UNKNOWN
    assert remedy in verdict.remedy


def test_a_name_inside_the_spf_record_that_does_not_answer_is_no_verdict() -> None:
    FakeDns.broken["slow.example"] = DnsOutcome.TIMEOUT

    assert _examine("spf", "v=spf1 include:slow.example -all").state is RecordState.UNKNOWN


def test_what_was_found_is_kept_short() -> None:
    verdict = _examine("ownership", *[f"{number}\x00" + "x" * 5000 for number in range(50)])

    assert len(verdict.found) == 10
    assert all(len(value) == 1000 and "\x00" not in value for value in verdict.found)


def test_the_operator_says_what_mail_comes_from(settings: Any) -> None:
    settings.MAIL_SPF = "include:_spf.relay.example ip4:192.0.2.0/28"

    assert _record("spf").value == "v=spf1 include:_spf.relay.example ip4:192.0.2.0/28 ~all"
    FakeDns.publish("_spf.relay.example", "TXT", "v=spf1 ip4:198.51.100.0/24 -all")
    assert _examine("spf", "v=spf1 include:_spf.relay.example ip4:192.0.2.0/24 -all").state is RecordState.OK
    verdict = _examine("spf", "v=spf1 ip4:192.0.2.0/24 -all")
    assert verdict.remedy == "Add include:_spf.relay.example to the SPF record of mail.acme.org, right after v=spf1."


def test_tag_lists() -> None:
    assert tags_of(" V = DKIM1 ; p= ab\n cd ;p=second; junk ;") == {"v": "DKIM1", "p": "abcd"}


def test_lines_of_a_zone_file() -> None:
    long_record = DnsRecord(Purpose.DKIM, "TXT", DKIM, "x" * 300)

    assert long_record.zone_line == f'{DKIM}. IN TXT "{"x" * 255}" "{"x" * 45}"'
    assert _record("mx").zone_line == f"{NAME}. IN MX 10 mx.server.example."
