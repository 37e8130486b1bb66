"""The redaction is total, stable and linear, and its quick test never lies; whatever the text."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shipper.ecs.fields import FIELDS
from shipper.enrich.redact import Keyring, Policy, Redactor
from tests.planted import plant

pytestmark = pytest.mark.slow

REDACTOR = Redactor(FIELDS)
KEYED = Redactor(FIELDS, Policy(personal="pseudonym", ip=True), Keyring([("k1", b"0" * 32)]))

FRAGMENTS = st.sampled_from(
    ["password", "token", "secret", "Authorization", "Cookie", "api_key", "key", "=", ":", ": ", " = ", "=>", '"', "'", "\\\"",
     "`", "\\", "\n", "\r\n", " ", ",", ";", "&", "?", "(", ")", "[", "]", "{", "}", "<", ">", "</", "@", "%40", "%3D", "%3A",
     "%2F%2F", "%22", "://", "http", "user", "a.b.c", "example.com", "Bearer ", "Basic ", "dXNlcjpwYXNz", "eyJhbGciOiJIUzI1NiJ9",
     ".eyJzdWIiOiJ4In0", "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----", "MIIEpAIBAAKCAQEA1234567890", "ghp_",
     "a1B2c3D4e5F6g7H8i9J0", "AKIA", "4111 1111 1111 1111", "4111", "1111", "+49", "030", "-", ".", "/", "12", "DE89", "3704 0044",
     "0532 0130 00", "[redacted:secret]", "[redacted:", "redacted", "]", "…[cut, 5000 characters]", "\n …[cut, 70000 characters]\n",
     "INSERT INTO t (a, password) VALUES ", "('x', 'y')", "[parameters: ", "--password", "-p", "\u200b", "\uff11", "\u0661", "\ud800", "\0",
     "é", "ﬁ", "\U0001d7d9", "IDENTIFIED BY ", "is ", "null", "***", "pseudonym:k1:", "2026-11-21T10:11:12Z", "xoxb-", "_", "$", "+", "x"]
)  # fmt: skip
TEXTS = st.lists(FRAGMENTS | st.text(max_size=6), max_size=14).map("".join) | st.text(max_size=80)


@settings(max_examples=1500, deadline=None)
@given(TEXTS)
@example("Authorization: Basic dXNlcjpwYXNz")
def test_scanning_is_total_and_stable(text: str) -> None:
    """Scanning never raises, and scanning its result changes nothing more."""
    for redactor in (REDACTOR, KEYED):
        once = redactor.scan(text)
        assert redactor.scan(once) == once
        assert Redactor(FIELDS).scan(once) == once or redactor is KEYED


@settings(max_examples=1500, deadline=None)
@given(TEXTS, TEXTS)
def test_clean_means_unchanged(one: str, two: str) -> None:
    """What is called clean is not changed; what is clean as a whole is clean in each of its lines."""
    fresh = Redactor(FIELDS)
    if fresh.is_clean(f"{one}\n{two}"):
        assert fresh.is_clean(one)
        assert fresh.is_clean(two)
        for text in (one, two):
            assert fresh._once(text) == text, "the quick test let something pass that a full look finds"
    if fresh.is_clean(one):
        assert fresh.scan(one) == one
    if REDACTOR.is_clean(one):  # which remembers much by now
        assert fresh._once(one) == one, "something remembered hides a secret"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS | FRAGMENTS, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["labels", "message", "error", "ml", "numeric_labels", "tags", "x"]), JSON, max_size=4
    )
)
def test_documents(tree: dict[str, object]) -> None:
    """Any tree can be redacted, and a second time changes nothing."""
    REDACTOR.apply(tree)
    before = repr(tree)
    REDACTOR.apply(tree)
    assert repr(tree) == before


HOSTILE = [
    "mysql -u root ", "mysql\t", "mariadb-dump -x -p", "$2b$12$a", "$6$", "{SSHA}a", "{SHA", "pbkdf2:sha256:1:1:", "gAAAA",
    "@", "a@", "@a.", "a.a.a.", "1", "1 ", "1-", "+1", "4", "4111 ", "-----BEGIN RSA PRIVATE KEY-----", "://a:", "://", "=", "password=",
    "password='", 'password="\\', "\\", '\\"', "'", '"', "(", "((", "[{", "{'password': [", "eyJ", "eyJhbGciOiJIUzI1NiJ9.", "token ", "token:",
    "Bearer ", "Basic ", "a=", "%40", "%3A%2F%2F", "<", "<a ", "<password>", "--password ", "into x (", "insert into x (password) values (", "DE89",
    "DE89 3704", "00 ", "0171 ", "(0", "…[cut, ", " …[cut, 7 characters]", "_", "a", "a ", "A1-", "sk-", "xox", "name: ", "\u200b", "\uff11", "é", " ",
    "\n", "password\n", "password is ", "ssn in (", "ssn like '", "login x password ", "ssn\n  input_value=", " -u a:", "pin is ", " in (", ".", "a.", "-", "x@x", "x@x.com", "1.1.1.1", "1:", "a:b:", "[redacted:", "[redacted:secret]", "&k=", "?k=",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("unit", HOSTILE)
def test_linear_time(unit: str) -> None:
    """One megabyte of anything takes about eight times as long as an eighth of it: time is linear."""
    redactor = KEYED
    sizes = (1 << 17, 1 << 20)
    spent = []
    for size in sizes:
        text = (unit * (size // len(unit) + 1))[:size]
        started = time.thread_time()
        redactor.scan(text)
        spent.append(time.thread_time() - started)
    assert spent[1] < max(1.0, 24 * spent[0])


@pytest.mark.parametrize("seed", [1, 22, 333])
def test_planted_secrets_are_found(seed: int) -> None:
    """U49: no planted secret survives a scan; wherever in a text it stands."""
    rng = random.Random(seed)
    for planted in plant(seed, 220):
        around = rng.choice(["", "2026-11-21 10:11:12 worker 3: ", "request 7f3a failed: ", "x\n"])
        found = REDACTOR.scan(f"{around}{planted.text}\nnext line")
        for needle in planted.needles:
            assert needle not in found, f"{planted.kind}: {planted.text!r} became {found!r}"
