"""The group of settings `kafka`: how to reach the brokers, as whom, and which topics are ours."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

KafkaClient = Literal["auto", "kafka-python", "confluent-kafka"]
"""Which library speaks to the brokers; see docs/decisions/0013-transports.md for what `auto` takes."""


class KafkaSettings(BaseModel):
    """How to reach Kafka, and which topics are ours."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    bootstrap_servers: str = Field("localhost:9092", min_length=1, description="host:port, comma separated")
    topic: str = Field("ml-logs", pattern=r"^[a-zA-Z0-9._-]{1,249}$", description="where records go")
    dead_letter_topic: str = Field(
        "ml-logs-dead-letters",
        pattern=r"^[a-zA-Z0-9._-]{1,249}$",
        description="where records refused for good go",
    )
    partitions: int = Field(1, ge=1, le=1000, description="when `shipper setup` creates the topic")
    replication_factor: int = Field(1, ge=1, le=15, description="when `shipper setup` creates a topic")
    request_timeout_s: float = Field(
        10.0, ge=0.1, le=600, description="longest wait for one answer of a broker"
    )
    max_record_bytes: int = Field(
        1_000_000, ge=1000, le=1 << 28, description="larger records are dead letters"
    )
    compression: Literal["none", "gzip", "lz4"] = Field(
        "lz4", description="of batches on the wire and in the topic"
    )
    client: KafkaClient = Field(
        "auto", description="library that speaks to the brokers; auto: the faster one of those installed"
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="as in Kafka's own clients"
    )
    sasl_mechanism: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "", description="for SASL_*"
    )
    sasl_username: str = Field("", description="for SASL_*")
    sasl_password: SecretStr = Field(SecretStr(""), description="for SASL_*; secret")
    sasl_password_file: Path | None = Field(
        None, description="file with the password, read at each connection; in place of sasl_password"
    )
    ssl_cafile: Path | None = Field(None, description="certificates of the authorities that we trust")
    ssl_certfile: Path | None = Field(None, description="our certificate, for mutual TLS")
    ssl_keyfile: Path | None = Field(None, description="our key, for mutual TLS")
    ssl_key_password_file: Path | None = Field(
        None, description="file with the password of ssl_keyfile, if it has one"
    )

    @model_validator(mode="after")
    def _says_who_we_are(self) -> Self:
        is_sasl = self.security_protocol.startswith("SASL_")
        if is_sasl != bool(self.sasl_mechanism):
            raise ValueError("sasl_mechanism and a security_protocol of SASL_* go together")
        has_password = bool(self.sasl_password.get_secret_value())
        if is_sasl and not (self.sasl_username and has_password != (self.sasl_password_file is not None)):
            raise ValueError("SASL_* needs sasl_username and either sasl_password or sasl_password_file")
        if (self.ssl_certfile is None) != (self.ssl_keyfile is None):
            raise ValueError("ssl_certfile and ssl_keyfile go together")
        return self
