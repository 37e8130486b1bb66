"""What goes over the wire: options, headers, dead letters."""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
from pathlib import Path

import pytest
from pydantic import SecretStr

from shipper.config import KafkaSettings, load_settings
from shipper.errors import AccessRefused, BrokerUnavailable, ConfigurationError, RecordTooLarge
from shipper.kafka.connection import client_options
from shipper.kafka.dead_letters import DeadLetter, decode, is_truncated, max_letter_bytes, topic_config
from shipper.kafka.headers import record_headers
from shipper.kafka.producer import Message, Producer
from shipper.record import Record

LETTER = DeadLetter(
    "too_large",
    "A record of 5 bytes is over the limit of 4 bytes.",
    "ship",
    1_795_000_000_123_456,
    "p/1@72",
    "p-1",
    "ml.app",
    "logs-ml.app-default-2026.11.18",
    b'\x00\xff{"half":',
)


def test_headers_spare_later_hops_the_parsing() -> None:
    """Id, dataset, index, event time in microseconds and schema version stand in the headers."""
    record = Record("p", 7, 1_795_000_000_123_456, 20, "ml.app", b"{}")
    assert dict(record_headers(record, "logs-ml.app-default-2026.11.18")) == {
        "event.id": b"p-7",
        "event.dataset": b"ml.app",
        "event.index": b"logs-ml.app-default-2026.11.18",
        "@timestamp": b"1795000000123456",
        "schema": b"1",
    }


def test_a_dead_letter_keeps_every_byte() -> None:
    """The one form of a dead letter: reason, hop, position, time, and the original bytes whole."""
    line = LETTER.encode()
    assert b"\n" not in line
    found = json.loads(line)
    assert found["dead_letter"]["reason"] == "too_large"
    assert found["dead_letter"]["at"].endswith("Z")
    assert found["dead_letter"]["payload_sha256"] == hashlib.sha256(LETTER.payload).hexdigest()
    assert base64.b64decode(found["payload_base64"]) == LETTER.payload
    assert decode(line) == LETTER
    assert not is_truncated(line)


def test_a_cut_dead_letter_says_so() -> None:
    """Where even the dead-letter topic refuses the size, a part is kept with length and digest of the whole."""
    line = LETTER.encode(payload_max_bytes=4)
    about = json.loads(line)["dead_letter"]
    assert (about["payload_truncated"], about["payload_bytes"]) == (True, len(LETTER.payload))
    assert is_truncated(line)
    found = decode(line)
    assert found is not None
    assert found.payload == LETTER.payload[:4]


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b"\xff", b'{"dead_letter": 1}', LETTER.encode()[:-4]])
def test_what_is_no_dead_letter_is_none(line: bytes) -> None:
    """A foreign message on the dead-letter topic does not break its reader."""
    assert decode(line) is None
    assert not is_truncated(line)


def test_the_dead_letter_topic_takes_what_the_topic_refuses() -> None:
    """The limit of dead letters leaves room for the largest record in base64 with its envelope."""
    settings = KafkaSettings(max_record_bytes=1 << 26)
    assert max_letter_bytes(settings) > (1 << 26) * 4 / 3
    assert topic_config(settings)["max.message.bytes"] == str(max_letter_bytes(settings))


def test_security_settings_reach_the_client() -> None:
    """TLS and SASL settings are passed on, times in milliseconds (U39), the secret unmasked only here."""
    settings = KafkaSettings(
        bootstrap_servers="a:1, b:2,",
        request_timeout_s=2.5,
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="u",
        sasl_password=SecretStr("secret"),
    )
    options = client_options(settings, "me")
    assert options["bootstrap_servers"] == ["a:1", "b:2"]
    assert (options["request_timeout_ms"], options["bootstrap_timeout_ms"]) == (2500, 2500)
    assert options["security_protocol"] == "SASL_SSL"
    assert (options["sasl_mechanism"], options["sasl_plain_username"], options["sasl_plain_password"]) == (
        "SCRAM-SHA-512",
        "u",
        "secret",
    )
    assert options["ssl_context"].verify_mode == ssl.CERT_REQUIRED
    assert options["ssl_context"].check_hostname
    assert "sasl_mechanism" not in client_options(KafkaSettings(), "me")


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    """A certificate that is absent or none is a retriable refusal which names the file: it may be put right."""
    nonsense = tmp_path / "ca.pem"
    nonsense.write_text("no certificate")
    for path in (nonsense, tmp_path / "absent.pem"):
        settings = KafkaSettings(security_protocol="SSL", ssl_cafile=path)
        with pytest.raises(AccessRefused, match=path.name) as caught:
            client_options(settings, "me")
        assert caught.value.retriable


def test_half_an_identity_is_refused_at_start() -> None:
    """SASL without a mechanism, a user or exactly one password, and a certificate without its key, do not start."""
    sasl = {"security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN", "sasl_username": "u"}
    for values in (
        {"security_protocol": "SASL_SSL"},
        {"sasl_mechanism": "PLAIN"},
        sasl,
        {**sasl, "sasl_password": "p", "sasl_password_file": "/p"},
        {"security_protocol": "SSL", "ssl_certfile": "/c"},
    ):
        with pytest.raises(ConfigurationError):
            load_settings(kafka=values)


def test_nobody_answers_is_an_outcome() -> None:
    """U18: without a broker each message has a retriable outcome; too large ones are refused all the same."""
    producer = Producer(KafkaSettings(bootstrap_servers="127.0.0.1:1", request_timeout_s=0.2))
    outcomes = producer.send([Message("t", b"k", b"v"), Message("t", b"k", bytes(2_000_000))])
    assert [type(outcome) for outcome in outcomes] == [BrokerUnavailable, RecordTooLarge]
    producer.close(1)
    producer.abandon_in_child()
