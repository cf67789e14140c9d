"""The modules of the vault without its page: the envelope against the shared vectors, codes, rules, payloads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.clients.live_server import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

VECTORS = json.loads((Path(__file__).parents[1] / "vault/vectors.json").read_text())


@pytest.fixture
def page(browser: Browser, server: LiveServer) -> Iterator[Page]:
    """A page without a sign-in, on the origin of the server."""
    context = browser.new_context(base_url=server.base_url)
    page = context.new_page()
    page.goto("/accounts/login/")
    yield page
    context.close()


def test_the_module_computes_every_vector(page: Page) -> None:
    found = page.evaluate(
        """async (vectors) => {
          const at = (name) => import(`/static/console/vault/${name}.js`);
          const [envelope, encoding, kdf, totp] = await Promise.all(["envelope", "encoding", "kdf", "totp"].map(at));
          const nonce = encoding.fromHex(vectors.nonce);
          const raw = encoding.fromHex(vectors.org_encryption_key);
          const passwords = vectors.keys.map((key) => key.password);
          const masters = await kdf.deriveMasterKeys(passwords, vectors.organization_id);
          const keys = [];
          for (const [index, key] of vectors.keys.entries()) {
            const made = await envelope.keyMaterial(masters[index], raw, key.key_type, key.id, nonce);
            const back = await envelope.unwrap(masters[index], key.wrapped_org_encryption_key, vectors.keys);
            keys.push({
              ...made, password: key.password, master_key: encoding.toHex(masters[index]),
              opens: [encoding.toHex(back.raw), back.row.id],
            });
          }
          const orgKey = await envelope.importKey(raw);
          const secrets = [];
          for (const secret of vectors.secrets) {
            const blob = await envelope.encryptPayload(orgKey, JSON.parse(secret.payload), secret.id, nonce);
            const back = await envelope.decryptPayload(orgKey, secret.encrypted_payload, secret.id);
            secrets.push({ ...secret, encrypted_payload: blob, payload: JSON.stringify(back) });
          }
          const codes = {};
          for (const moment of Object.keys(vectors.totp.codes)) {
            codes[moment] = (await totp.totpCode(vectors.totp, Number(moment) * 1000)).code;
          }
          return { keys, secrets, codes };
        }""",
        VECTORS,
    )

    opens = [VECTORS["org_encryption_key"]]
    assert found["keys"] == [{**key, "opens": [*opens, key["id"]]} for key in VECTORS["keys"]]
    assert found["secrets"] == VECTORS["secrets"]
    assert found["codes"] == VECTORS["totp"]["codes"]


def test_what_was_changed_or_moved_does_not_open(page: Page) -> None:
    found = page.evaluate(
        """async (vectors) => {
          const envelope = await import("/static/console/vault/envelope.js");
          const encoding = await import("/static/console/vault/encoding.js");
          const key = await envelope.importKey(encoding.fromHex(vectors.org_encryption_key));
          const other = await envelope.importKey(envelope.randomBytes(32));
          const [secret] = vectors.secrets;
          const blob = secret.encrypted_payload;
          const outcome = (...args) => envelope.decryptPayload(...args).then(() => "opened", (error) => error.name);
          const changed = encoding.fromBase64(blob);
          changed[0] ^= 1;
          let extracted = "extracted";
          await crypto.subtle.exportKey("raw", key).catch((error) => { extracted = error.name; });
          return {
            right: await outcome(key, blob, secret.id),
            otherId: await outcome(key, blob, vectors.keys[0].id),
            otherKey: await outcome(other, blob, secret.id),
            changed: await outcome(key, encoding.toBase64(changed), secret.id),
            short: await outcome(key, "AAAA", secret.id),
            noBase64: await outcome(key, "%", secret.id),
            noObject: await outcome(key, await envelope.encryptPayload(key, "text", secret.id), secret.id),
            twice: (await envelope.encryptPayload(key, {}, secret.id)) ===
              (await envelope.encryptPayload(key, {}, secret.id)),
            extracted,
          };
        }""",
        VECTORS,
    )

    failures = dict.fromkeys(("otherId", "otherKey", "changed", "short", "noBase64", "noObject"), "CannotDecrypt")
    assert found == {"right": "opened", **failures, "twice": False, "extracted": "InvalidAccessError"}


def test_rules_of_passphrases_and_codes(page: Page) -> None:
    found = page.evaluate(
        """async () => {
          const envelope = await import("/static/console/vault/envelope.js");
          const texts = ["Test-Passw0rd!xy", "Test-Passw0rd!x", "test-passw0rd!xyz", "TEST-PASSW0RD!XYZ",
            "Test-Password!xyz", "TestPassw0rdxyzab", "Test Passw0rd xyz"];
          const codes = Array.from({ length: 200 }, envelope.newRecoveryCode);
          return {
            strong: texts.map(envelope.isStrong),
            codes,
            read: ["2345-6789-abcd-EFGH-JKMN-PQRS-TUVW-XYZ2", " 2345 6789 ABCD EFGH JKMN PQRS TUVW XYZ2\\n",
              "2345-6789-ABCD-EFGH-JKMN-PQRS-TUVW-XYZ1", "2345-6789", "Test-Passw0rd!xy"].map(envelope.asRecoveryCode),
          };
        }"""
    )

    assert found["strong"] == [True, False, False, False, False, False, True]
    assert len(set(found["codes"])) == 200
    alphabet = set("23456789ABCDEFGHJKMNPQRSTUVWXYZ")
    for code in found["codes"]:
        assert [len(group) for group in code.split("-")] == [4] * 8
    assert {character for code in found["codes"] for character in code} - {"-"} == alphabet
    code = "2345-6789-ABCD-EFGH-JKMN-PQRS-TUVW-XYZ2"
    assert found["read"] == [code, code, None, None, None]


def test_one_time_codes_and_what_is_refused(page: Page) -> None:
    found = page.evaluate(
        """async () => {
          const { totpCode, parseTotp } = await import("/static/console/vault/totp.js");
          const attempt = (text) => { try { return parseTotp(text); } catch (error) { return error.message; } };
          // RFC 6238 appendix B at 59 seconds; the seeds are 32 and 64 bytes of "1234567890" repeated.
          const sha256 = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZA";
          const sha512 = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" +
            "GEZDGNBVGY3TQOJQGEZDGNA";
          const at59 = async (totp) => (await totpCode({ digits: 8, ...totp }, 59000)).code;
          return {
            codes: [
              await at59({ secret: sha256, algorithm: "sha256" }),
              await at59({ secret: sha512, algorithm: "sha512" }),
            ],
            parsed: [
              "otpauth://totp/Label:ann%20b?secret=jbsw%20y3dp-ehpk3pxp&issuer=Bank&digits=8&period=60&algorithm=SHA256",
              "otpauth://totp/Bank:ann?secret=JBSWY3DPEHPK3PXP",
              "jbsw y3dp ehpk 3pxp",
              "otpauth://hotp/x?secret=JBSWY3DPEHPK3PXP&counter=1",
              "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&digits=7",
              "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&period=45",
              "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&algorithm=md5",
              "otpauth://totp/x",
              "not base32!",
            ].map(attempt),
          };
        }"""
    )

    assert found["codes"] == ["46119246", "90693936"]
    whole = {"algorithm": "sha256", "digits": 8, "period": 60, "issuer": "Bank", "account_name": "ann b"}
    assert found["parsed"] == [
        {"secret": "JBSWY3DPEHPK3PXP", **whole},
        {"secret": "JBSWY3DPEHPK3PXP", "issuer": "Bank", "account_name": "ann"},
        {"secret": "JBSWY3DPEHPK3PXP"},
        "Only codes that change with the time (totp) can be kept.",
        "The code has to have 6 or 8 digits.",
        "The code has to change every 30 or 60 seconds.",
        "The algorithm has to be sha1, sha256 or sha512.",
        "The secret is missing.",
        "The secret has only the letters A-Z and the digits 2-7.",
    ]


def test_an_edit_keeps_what_the_form_does_not_show(page: Page) -> None:
    found = page.evaluate(
        """async () => {
          const { buildPayload } = await import("/static/console/vault/payloads.js");
          const before = { password: "p", url: "u", totp: { secret: "JBSWY3DPEHPK3PXP" }, notes: "a\\r\\nb", later: 1 };
          const typed = { password: "q", url: "", totp: "", notes: "a\\nb", username: "ann" };
          const attempt = (...args) => {
            try { return buildPayload(...args); } catch (error) { return [error.field, error.message]; }
          };
          return [
            attempt("login", typed, { before }),
            attempt("login", typed, { before, removesTotp: true }),
            attempt("login", { ...typed, totp: "GEZDGNBV" }, { before, removesTotp: true }).totp,
            attempt("login", { ...typed, password: "" }, { before }),
            attempt("login", { ...typed, totp: "1" }, { before })[0],
            attempt("other", { data: "x".repeat(262105) })[0],
            attempt("other", { data: "x".repeat(262104) }).data?.length,
          ];
        }"""
    )

    kept = {"password": "q", "notes": "a\r\nb", "later": 1, "username": "ann"}
    assert found[0] == {**kept, "totp": {"secret": "JBSWY3DPEHPK3PXP"}}
    assert found[1] == kept
    assert found[2] == {"secret": "GEZDGNBV"}
    assert found[3] == ["password", "Password is missing."]
    assert found[4] == "totp"
    # `{"data":"…"}` are eleven bytes around the text, and the envelope adds 28.
    assert found[5:] == [None, 262104]
