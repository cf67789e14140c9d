"""Look-ups among 100,000 contacts, beside a bare Django JSON view on the same server, and the import of 1,000 cards,
beside the same contacts made one by one (INKBOX_BENCH_CONTACTS changes the number of contacts).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from http.client import HTTPConnection
from pathlib import Path
from random import Random
from urllib.parse import quote, urlsplit

from harness import ROOT, Server, environment, free_port, manage, percentile, running_server

CONTACTS = int(os.environ.get("INKBOX_BENCH_CONTACTS", "100000"))
CARDS, SINGLE, SAMPLES = 1000, 100, 200
DOMAINS = 20_000


def email(number: int) -> str:
    """The address of a contact."""
    return f"person{number}@company{number % DOMAINS}.example"


def phone(number: int) -> str:
    """The number of a contact."""
    return f"+1415{number:07d}"


def fill(organization_id: str, rows: int) -> None:
    """Contacts with an address and a number each, through the service; in a process with the server's settings."""
    import django

    django.setup()
    from django.db import transaction

    from common.principal import Principal, Scope
    from contacts.content import ContactFields
    from contacts.services.contacts import insert_contacts, new_contact

    caller = Principal(scope=Scope.ADMIN, organization_id=organization_id)
    for start in range(0, rows, 1000):
        batch = [
            new_contact(
                caller,
                ContactFields(
                    given_name=f"Given {number}",
                    family_name=f"Family {number % 700}",
                    emails=[{"value": email(number)}],
                    phones=[{"value_e164": phone(number)}],
                ),
            )
            for number in range(start, min(rows, start + 1000))
        ]
        with transaction.atomic():
            insert_contacts(batch)


def kinds() -> dict[str, list[str]]:
    """Kinds of look-ups, several of each."""
    numbers = Random(1).choices(range(CONTACTS), k=SAMPLES)
    return {
        "by address": [f"email={quote(email(number))}" for number in numbers],
        "by number": [f"phone={quote(phone(number))}" for number in numbers],
        "by domain": [f"email_domain=company{number % DOMAINS}.example" for number in numbers],
        "by part of an address": [f"email_contains=person{number}%40" for number in numbers],
        "by part of a number": [f"phone_contains={phone(number)[-7:]}" for number in numbers],
        "nobody": [f"email=nobody{number}@elsewhere.example" for number in numbers],
    }


def pages() -> dict[str, list[str]]:
    """Look-ups that find as many contacts as an answer holds: most of their time is the answer."""
    return {"200 by a frequent part": [f"email_contains=company{number}" for number in range(40)]}


def timed(connection: HTTPConnection, server: Server, path: str) -> float:
    """Milliseconds of one request."""
    started = time.perf_counter()
    connection.request("GET", path, headers={"X-API-Key": server.api_key})
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{answer.status} for {path}")
    return (time.perf_counter() - started) * 1000


def look_up(server: Server) -> None:
    """Print p50 and p95 of every kind; the bare view is asked in between."""
    address = urlsplit(server.base_url)
    connection = HTTPConnection(str(address.hostname), address.port)
    bare: list[float] = []
    every: list[float] = []
    for name, queries in (kinds() | pages()).items():
        found = []
        for query in queries:
            bare.append(timed(connection, server, "/bare"))
            found.append(timed(connection, server, f"/api/v1/contacts/lookup?{query}"))
        every += found if name in kinds() else []
        print(f"   {name:<22} p50 {percentile(found, 0.5):7.1f} ms   p95 {percentile(found, 0.95):7.1f} ms")
    base, p95 = percentile(bare, 0.95), percentile(every, 0.95)
    print(f"   bare Django JSON view  p50 {percentile(bare, 0.5):7.1f} ms   p95 {base:7.1f} ms")
    print(f"   of these, without 200  p95 {p95:7.1f} ms (target 10), {p95 / base:.1f} times the bare view")


def import_cards(server: Server) -> None:
    """Print how long an import takes, and how long single requests for as many contacts would."""
    cards = "".join(
        f"BEGIN:VCARD\r\nVERSION:4.0\r\nUID:urn:bench:{number}\r\nFN:Card {number}\r\nN:Card;Number {number};;;\r\n"
        f"EMAIL;PREF=1:card{number}@cards.example\r\nTEL;VALUE=uri:tel:+1628{number:07d}\r\n"
        f"ORG:Cards\r\nTITLE:Engineer\r\nADR:;;1 Main Street;Springfield;IL;62701;USA\r\nNOTE:Met at a fair\r\n"
        "END:VCARD\r\n"
        for number in range(CARDS)
    )
    request = urllib.request.Request(
        f"{server.base_url}/api/v1/contacts/import",
        method="POST",
        data=cards.encode(),
        headers={"X-API-Key": server.api_key, "Content-Type": "text/vcard"},
    )
    started = time.perf_counter()
    with urllib.request.urlopen(request, timeout=60) as answer:
        created = json.loads(answer.read())["created_count"]
    seconds = time.perf_counter() - started
    if created != CARDS:
        raise RuntimeError(f"only {created} of {CARDS} cards were stored")
    started = time.perf_counter()
    for number in range(SINGLE):
        body = {
            "given_name": f"Single {number}",
            "emails": [{"value": f"single{number}@cards.example"}],
            "phones": [{"value_e164": f"+1629{number:07d}"}],
        }
        server.call("POST", "/api/v1/contacts", body)
    single = (time.perf_counter() - started) * CARDS / SINGLE
    print(f"   import of {CARDS:,} cards {seconds:6.2f} s (target 3); one by one {single:.1f} s")


def run() -> None:
    """Fill, look up, import."""
    with tempfile.TemporaryDirectory(prefix="inkbox-bench-") as folder:
        data_dir = Path(folder)
        env = environment(data_dir, free_port(), free_port())
        manage(env, "migrate", "--verbosity", "0")
        with running_server(data_dir) as server:
            organization_id = server.call("GET", "/api/whoami")["organization_id"]
        started = time.perf_counter()
        filling = {**env, "DJANGO_SETTINGS_MODULE": "inkbox_site.settings", "PYTHONPATH": str(ROOT)}
        subprocess.run(
            [sys.executable, "bench/contacts.py", organization_id, str(CONTACTS)], cwd=ROOT, env=filling, check=True
        )
        print(f"   {CONTACTS:,} contacts written in {time.perf_counter() - started:.0f} s")
        with running_server(data_dir, with_bare_views=True) as server:
            look_up(server)
            import_cards(server)


if __name__ == "__main__":
    fill(sys.argv[1], int(sys.argv[2]))
