"""Whole documents: names, classes, pseudonyms, cuts, exceptions, on every road."""

# ruff: noqa: TRY301 - exceptions are raised where they are caught, to have frames

from __future__ import annotations

import logging
import pickle
import random
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import shipper
from shipper.config import load_settings
from shipper.ecs.fields import FIELDS, FieldSpec
from shipper.emit import EcsFormatter, ShipperHandler
from shipper.enrich.redact import Keyring, KeyringError, Policy, Redactor
from shipper.enrich.redact.names import NameClass, classify
from shipper.enrich.redact.pseudonym import new_key_line
from shipper.errors import ConfigurationError
from shipper.redaction import redactor
from shipper.testing import capture, reset
from shipper.treatment import Treatment
from tests.planted import Planted, plant

KEYS = Keyring([("new", b"n" * 32), ("old", b"o" * 32)])


@pytest.mark.parametrize(
    "name",
    ["password", "db_password", "userPassword", "DB-PASSWORD", "passwd", "pwd", "secret", "client_secret", "secret_key", "SECRET_KEY_BASE",
     "Authorization", "http.request.headers.authorization", "proxy-authorization", "cookie", "Set-Cookie", "headers.cookie", "cookies.theme",
     "api_key", "apiKey", "X-Api-Key", "x_api_key_value", "APIKEY", "token", "access_token", "csrfToken", "auth_token_old", "jwt", "bearer",
     "private_key", "ssh_key", "session_id", "sessionid", "JSESSIONID", "cvv", "pin", "card_pin", "otp", "auth", "basic_auth", "api.key",
     "connection_string", "credentials", "credentials.value", "awsSecretAccessKey", "password_hash", "passphrase", "user.password", "пароль"],
)  # fmt: skip
def test_secret_names(name: str) -> None:
    """U49: a name tells that its value is secret, however it is written."""
    assert classify(name) is NameClass.SECRET


@pytest.mark.parametrize(
    "name",
    ["ssn", "email", "user_email", "emailAddress", "phone", "phone_number", "mobile_number", "iban", "credit_card", "cardNumber",
     "card_number", "date_of_birth", "dob", "first_name", "lastName", "passport_number", "bank_account", "home_address"],
)  # fmt: skip
def test_personal_names(name: str) -> None:
    """A name tells that its value is somebody's."""
    assert classify(name) is NameClass.PERSONAL


@pytest.mark.parametrize(
    "name",
    ["token_count", "tokens", "max_tokens", "prompt_tokens", "author", "passed", "key", "keys", "primary_key", "sort_key", "keyboard", "monkey",
     "eos_token", "pad_token", "next_token", "next_page_token", "token_ids", "time_to_first_token", "has_password", "password_length",
     "password_policy", "secret_name", "secretary", "cookie_count", "auth_method", "authority", "oauth_provider", "compass", "bypass", "pass",
     "email_count", "email_domain", "phone_model", "card", "cardinality", "session", "session_count", "spinner", "pinned", "shopping", "name",
     "filename", "model_name", "address", "ip_address", "account", "code", "status_code", "passing_rate", "tokenizer", "user_id", "state"],
)  # fmt: skip
def test_free_names(name: str) -> None:
    """Names that only look like it, or count, or describe, are free."""
    assert classify(name) is NameClass.FREE


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """Return a function that logs on three roads and returns their documents."""
    monkeypatch.setenv("SHIPPER_SPOOL_DIRECTORY", str(tmp_path / "spool"))

    def log(message: str = "m", exc: BaseException | None = None, **fields: Any) -> list[dict[str, Any]]:
        with capture() as found:
            info = (type(exc), exc, exc.__traceback__) if exc is not None else None
            shipper.get_logger("app").info(message, **fields, **({"exc_info": info} if info else {}))
            record = logging.LogRecord("app", 20, "f.py", 1, message, None, info)
            record.__dict__.update(
                {name: value for name, value in fields.items() if name not in record.__dict__}
            )
            ShipperHandler().handle(record)
            return found.documents

    yield log
    reset()


def test_labels_by_name(logged: Any) -> None:
    """U49: what stands under a secret's name is masked, nested too, and its number is not left in `numeric_labels`."""
    for document in logged(user={"pin": 1234, "rows": 5}, password="abc", api_key=["a", "b"], token_count=7):
        assert document["labels"]["user.pin"] == "[redacted:secret]"
        assert document["labels"]["password"] == document["labels"]["api_key"] == "[redacted:secret]"
        assert document["labels"]["token_count"] == "7"
        assert document["numeric_labels"] == {"user_rows": 5, "token_count": 7}


def test_numbers_that_are_cards(logged: Any) -> None:
    """A card number given as a number leaves neither as text nor as number."""
    for document in logged(value=4111111111111111, n=3):
        assert document["labels"] == {"value": "[redacted:card]", "n": "3"}
        assert document["numeric_labels"] == {"n": 3}


def test_names_that_are_secrets(logged: Any) -> None:
    """A secret as the name of a label or of a measure is replaced; the value stays."""
    for document in logged(**{"bob@example.com": 2, "ml.metrics": {"bob@example.com": 0.5}, "n": 2}):
        assert document["labels"] == {"[redacted:email]": "2", "n": "2"}
        assert "bob" not in str(document)
        assert list(document["ml"]["metrics"].values()) == [0.5]
        assert document["numeric_labels"]["n"] == 2


def test_nested_lists_tags_and_json(logged: Any) -> None:
    """Lists, tags and JSON in texts are looked through."""
    fields = {
        "rows": [{"name": "x", "password": "hunter2"}, {"credentials": {"v": "hunter3"}}],
        "tags": ["a", "bob@example.com"],
    }
    for document in logged('body {"a": {"apiKey": "hunter4"}}', **fields):
        assert "hunter" not in str(document)
        assert "bob" not in str(document)
        assert document["tags"][0] == "a"


def _failing() -> None:
    password = "hunter2"
    try:
        raise KeyError(f"no session for {password=}")
    except KeyError as cause:
        error = ExceptionGroup(
            "two failed", [ValueError("mail bob@example.com"), RuntimeError("Bearer a1b2c3d4e5f6g7")]
        )
        error.add_note("url was https://u:hunter3@host/")
        raise error from cause


def test_exceptions(logged: Any) -> None:
    """U49: message, chain, notes and group members are redacted; local variables are not shown."""
    with pytest.raises(ExceptionGroup) as caught:
        _failing()
    for document in logged(exc=caught.value):
        trace = document["error"]["stack_trace"]
        assert "KeyError" in trace
        for secret in ("'hunter2'", "bob@", "a1b2c3", "hunter3", "Locals"):
            assert secret not in trace.replace('password = "hunter2"', "")


def test_locals_on_request(logged: Any) -> None:
    """U49: local variables are shown only where they are asked for, and then redacted by name and pattern."""
    shipper.configure(service="t", redact={"locals_frames": 2})
    try:
        password, mail, number = "hunter2", "bob@example.com", 17  # noqa: F841
        rows = {"token": "hunter4", "n": 1}  # noqa: F841
        raise ValueError
    except ValueError as error:
        trace = logged(exc=error)[0]["error"]["stack_trace"]
    assert "password = [redacted:secret]" in trace
    assert "mail = [redacted:" in trace
    assert "number = 17" in trace
    shown = trace.partition("Locals of")[2]
    assert "hunter" not in shown
    assert "'n': 1" in shown or '"n":1' in shown


def test_locals_need_redaction() -> None:
    """Local variables are never shown as they are."""
    with pytest.raises(ConfigurationError, match="locals_frames"):
        shipper.configure(redact={"enabled": False, "locals_frames": 1})


@pytest.mark.slow
@pytest.mark.parametrize("size", [900, 1_010, 1_024, 1_030, 32_700, 32_760, 32_768, 40_000, 200_000])
def test_cuts_leave_no_halves(logged: Any, size: int) -> None:
    """U49: wherever a length cap cuts, no half of a secret is left: in messages, labels and stack traces."""
    secrets = [
        "ghp_" + "a1B2c3D4e5F6" * 3,
        "4111 1111 1111 1111",
        "bob.smith77@example.com",
        "eyJhbGciOiJIUzI1NiJ9." + "Zz9" * 200,
    ]
    for secret in secrets:
        for shift in (0, 3, len(secret) // 2):
            text = f"{'word ' * ((size - shift) // 5)}{secret} {'more ' * 100}"
            document = logged(text, note=text, items=[text], exc=ValueError(f"{text}{'end ' * 9000}"))[0]
            half = secret[: len(secret) // 2 + 1] if len(secret) > 100 else secret[:9]
            assert half not in str(document), f"{half} is left of a text of {len(text)}"


def test_roads_agree(logged: Any) -> None:
    """structlog and logging give equal documents, redacted ones included."""
    for planted in plant(5, 40):
        one, two = logged(planted.text, **{k: v for k, v in planted.fields.items() if k.isidentifier()})
        for document in (one, two):
            for name in ("@timestamp", "event", "log", "process"):
                document.pop(name)
        assert one == two


def _places(planted: Planted, rng: random.Random) -> dict[str, Any]:
    return rng.choice(
        [{"note": planted.text}, {"a": {"b": [{"c": planted.text}]}}, {"tags": ["x", planted.text]}, {planted.text[:100]: 1} if len(planted.text) < 100 else {},
         {"labels": {"k": planted.text}}, {"ml.params": {"dsn": planted.text}}, {"event": {"reason": planted.text}}, {"data": planted.text.encode()},
         {"obj": {planted.text}}, {"request": planted.fields}, dict(planted.fields), {"ml.data.source": planted.text}, {"url.path": planted.text},
         {"ml.features.categorical": {"f": planted.text}}]
    )  # fmt: skip


def _nested_error(text: str, rng: random.Random) -> BaseException:
    try:
        try:
            raise ValueError(rng.choice([text, "plain"]))
        except ValueError as cause:
            error: Exception = (
                ExceptionGroup("g", [RuntimeError(text)]) if rng.random() < 0.3 else LookupError(text)
            )
            error.add_note(text)
            raise error from cause
    except Exception as error:  # noqa: BLE001
        return error


@pytest.mark.slow
@pytest.mark.parametrize("seed", [20261121, 7, 424242])
def test_planted_secrets_never_reach_the_disk(seed: int, tmp_path: Path) -> None:
    """U49: of 200 secrets in messages, extras, context, exceptions, SQL, headers and URLs none is found in the spool's files."""
    rng = random.Random(seed)
    pipeline = shipper.configure(service="t", spool={"directory": tmp_path}, ship={"mode": "agent"})
    handler = ShipperHandler()
    planted = plant(seed, 200)
    try:
        for one in planted:
            message = rng.choice([one.text, f"step 3: {one.text} (again)", "plain"])
            fields = _places(one, rng)
            with shipper.context(**rng.choice([{}, {"bound": one.text}])):
                info = _nested_error(one.text, rng) if rng.random() < 0.4 else None
                shipper.get_logger("app").info(message, exc_info=info, **fields)
                record = logging.LogRecord("app", 40, "f.py", 1, "got %s", (one.text,), None)
                record.exc_text = "".join(traceback.format_exception(info)) if info else None
                handler.handle(record)
        assert pipeline.counts().emitted == 400
        pipeline.close()
        stored = b"".join(path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file())
        assert stored.count(b'"@timestamp"') == 400
        _assert_absent(planted, stored)
    finally:
        reset()


def _assert_absent(planted: list[Planted], stored: bytes) -> None:
    for one in planted:
        for needle in one.needles:
            assert needle.encode() not in stored, f"{one.kind}: {needle} of {one.text!r}"


def test_formatter_redacts(capsys: pytest.CaptureFixture[str]) -> None:
    """`EcsFormatter` redacts, too, also where the settings are not usable."""
    for formatter in (EcsFormatter(), EcsFormatter(colour="red")):
        record = logging.LogRecord("app", 20, "f.py", 1, "password=%s", ("hunter2",), None)
        assert "hunter2" not in formatter.format(record)
    assert "hunter2" not in capsys.readouterr().err
    reset()


def test_switched_off(logged: Any) -> None:
    """Redaction can be switched off as a whole."""
    shipper.configure(service="t", redact={"enabled": False})
    assert logged("password=hunter2")[0]["message"] == "password=hunter2"


def test_more_and_fewer_names(logged: Any) -> None:
    """Names can be added and allowed; patterns can be added."""
    shipper.configure(
        service="t",
        redact={"keys": ["favourite-colour"], "allow": ["session_id"], "patterns": ["(?i)project [a-z]+"]},
    )
    document = logged(
        "favourite_colour=blue session_id=abc1 Project zeus", favouriteColour="blue", session_id="abc1"
    )[0]
    assert document["message"] == "favourite_colour=[redacted:secret] session_id=abc1 [redacted:custom]"
    assert document["labels"] == {"favouriteColour": "[redacted:secret]", "session_id": "abc1"}


@pytest.mark.parametrize(
    ("given", "part"),
    [({"off": ["mail"]}, "redact.off"), ({"patterns": ["("]}, "regular expression"), ({"personal": "pseudonym"}, "needs a key"),
     ({"key": "short:YWJj"}, "less than 16"), ({"key": "hunter2hunter2"}, "not <name>:<base64>"), ({"key_file": "/nowhere/x"}, "cannot be read")],
)  # fmt: skip
def test_mistakes_in_settings(given: dict[str, Any], part: str) -> None:
    """A mistake in the settings is said in one sentence, which shows no key."""
    with pytest.raises(ConfigurationError, match=part) as caught:
        redactor(load_settings(redact=given).redact)
    assert "hunter2" not in str(caught.value)
    assert "YWJj" not in str(caught.value)


def test_pseudonyms_join_and_rotate() -> None:
    """Equal values have equal pseudonyms under one key and others under another; the key's name is visible."""
    keyed = Redactor(FIELDS, Policy(personal="pseudonym"), KEYS)
    trees: list[dict[str, Any]] = [
        {"user": {"id": "alice"}, "labels": {"email": "alice"}},
        {"user": {"id": ["alice", "bob"]}},
    ]
    for tree in trees:
        keyed.apply(tree)
    pseudonym = trees[0]["user"]["id"]
    assert pseudonym.startswith("pseudonym:new:")
    assert trees[0]["labels"]["email"] == trees[1]["user"]["id"][0] == pseudonym
    assert trees[1]["user"]["id"][1] != pseudonym
    assert keyed.pseudonym(pseudonym) == pseudonym
    assert KEYS.all_pseudonyms("alice") == [pseudonym, Keyring([("old", b"o" * 32)]).pseudonym("alice")]
    assert Keyring([("new", b"N" * 32)]).pseudonym("alice") != pseudonym


def test_keys_are_never_shown() -> None:
    """Neither `repr` nor a pickle nor the settings show a key."""
    line = new_key_line("k1")
    secret = line.partition(":")[2]
    keyring = Keyring.parse(f"# comment\n{line}\n")
    settings = load_settings(redact={"key": line})
    for shown in (
        repr(keyring),
        repr(Redactor(FIELDS, None, keyring)),
        repr(settings),
        settings.model_dump_json(),
        str(settings.redact),
    ):
        assert secret not in shown
    with pytest.raises(TypeError):
        pickle.dumps(keyring)
    with pytest.raises(KeyringError):
        Keyring.parse("k1:!!!")


def test_classes() -> None:
    """Each privacy class has its treatment, by mode; what is no text is left out where it would be masked."""
    fields = {
        **FIELDS,
        "secret.text": FieldSpec("keyword", "secret", "", 1024),
        "secret.number": FieldSpec("long", "secret", "", 1024),
    }
    scan, keyed = Redactor(fields), Redactor(fields, Policy(personal="pseudonym"), KEYS)
    dropping = Redactor(fields, Policy(personal="drop"))
    table = {
        "event.duration": (Treatment.PASS, Treatment.PASS, Treatment.PASS),
        "ml.prediction.id": (Treatment.PASS, Treatment.PASS, Treatment.PASS),
        "message": (Treatment.SCAN, Treatment.SCAN, Treatment.SCAN),
        "error.stack_trace": (Treatment.SCAN, Treatment.SCAN, Treatment.SCAN),
        "user.id": (Treatment.SCAN, Treatment.PSEUDONYM, Treatment.DROP),
        "client.ip": (Treatment.PASS, Treatment.DROP, Treatment.DROP),
        "url.path": (Treatment.SCAN, Treatment.PSEUDONYM, Treatment.DROP),
        "ml.features.numeric.age": (Treatment.PASS, Treatment.PASS, Treatment.DROP),
        "ml.features.numeric.ssn": (Treatment.DROP, Treatment.DROP, Treatment.DROP),
        "ml.features.categorical.city": (Treatment.SCAN, Treatment.PSEUDONYM, Treatment.DROP),
        "labels.password": (Treatment.MASK, Treatment.MASK, Treatment.MASK),
        "labels.email": (Treatment.MASK, Treatment.PSEUDONYM, Treatment.DROP),
        "labels.rows": (Treatment.SCAN, Treatment.SCAN, Treatment.SCAN),
        "numeric_labels.pin": (Treatment.DROP, Treatment.DROP, Treatment.DROP),
        "labels.bob@example.com": (Treatment.RENAME, Treatment.RENAME, Treatment.RENAME),
        "secret.text": (Treatment.MASK, Treatment.MASK, Treatment.MASK),
        "secret.number": (Treatment.DROP, Treatment.DROP, Treatment.DROP),
    }
    for path, expected in table.items():
        assert (scan.treatment(path), keyed.treatment(path), dropping.treatment(path)) == expected, path


def test_every_secret_name_is_looked_for() -> None:
    """The quick test knows every name that is denied: as an assignment none of them passes."""
    fresh = Redactor(FIELDS)
    for planted in plant(99, 400):
        if any(needle in planted.text for needle in planted.needles):
            assert not fresh.is_clean(planted.text), planted.text
