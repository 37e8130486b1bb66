"""The groups of settings: keys, ranges, defaults and meanings. `shipper.config` reads them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

GROUP = ConfigDict(frozen=True, extra="forbid")
"""What all groups share."""


def xdg_directory(variable: str, fallback: str) -> Path:
    """Return the XDG base directory named by `variable`; relative values are ignored, as XDG says."""
    value = os.environ.get(variable, "")
    if value and Path(value).is_absolute():
        return Path(value)
    try:
        return Path.home() / fallback
    except RuntimeError:  # no home directory is known (bare containers)
        return Path("/tmp") / f"shipper-{os.getuid()}" / fallback  # noqa: S108


def state_directory() -> Path:
    """Where shipper keeps what must survive a restart (spools, running stacks)."""
    return xdg_directory("XDG_STATE_HOME", ".local/state") / "shipper"


def cache_directory() -> Path:
    """Where shipper keeps what can be fetched again (the servers' archives)."""
    return xdg_directory("XDG_CACHE_HOME", ".cache") / "shipper"


class ServiceSettings(BaseModel):
    """Which application logs (ECS `service.*`)."""

    model_config = GROUP
    name: str = Field("", description="ECS service.name; empty: the program's file name")
    version: str = Field("", description="ECS service.version")
    environment: str = Field("", description="ECS service.environment, for example production")


class ModelSettings(BaseModel):
    """Which model the whole process serves or trains; can also be bound per call."""

    model_config = GROUP
    name: str = Field("", description="ml.model.name")
    version: str = Field("", description="ml.model.version")
    stage: str = Field("", description="ml.model.stage, for example production, shadow, canary")
    digest: str = Field("", description="ml.model.digest, for example sha256:...")


class GitSettings(BaseModel):
    """Which commit runs, where no repository and no build stamp can tell."""

    model_config = GROUP
    commit: str = Field("", description="git.commit; empty: found out")
    branch: str = Field("", description="git.branch; counts only beside a commit")
    dirty: bool | None = Field(None, description="git.dirty; counts only beside a commit")
    directory: Path | None = Field(
        None, description="where to look for a repository or stamp; none: the program's folder, then cwd"
    )


class LevelsSettings(BaseModel):
    """Levels that are changed while a process runs (`shipper level set`)."""

    model_config = GROUP
    watch_s: float = Field(0.5, ge=0, le=60, description="a thread looks for changes this often; 0: never")


class RedactSettings(BaseModel):
    """What is taken out of each record before it reaches the disk."""

    model_config = GROUP
    enabled: bool = Field(True, description="whether secrets and personal data are taken out at all")
    off: tuple[str, ...] = Field(
        (),
        description="kinds that are not looked for in texts: token, jwt, private-key, login, secret, personal, "
        "email, card, iban, phone, id",
    )
    ip: bool = Field(False, description="also mask IP addresses in texts and leave out client.ip and host.ip")
    keys: tuple[str, ...] = Field((), description="further names whose values are masked")
    allow: tuple[str, ...] = Field((), description="names whose values are never masked because of the name")
    patterns: tuple[str, ...] = Field(
        (), description="further regular expressions (Python); what they match is masked"
    )
    personal: Literal["scan", "pseudonym", "drop"] = Field(
        "scan", description="what happens to fields of class personal; pseudonym needs a key"
    )
    pseudonyms: tuple[str, ...] = Field(
        ("user.id",), description="fields and labels that become pseudonyms where there is a key"
    )
    key: SecretStr = Field(
        SecretStr(""),
        description="keys of pseudonyms: name:base64, comma separated, the current first; secret",
    )
    key_file: Path | None = Field(
        None, description="file with such keys, one a line; see `shipper redact key`"
    )
    locals_frames: int = Field(
        0, ge=0, le=32, description="innermost frames whose local variables errors show, redacted"
    )


class SamplingRule(BaseModel):
    """What to do with the events that match all that is given."""

    model_config = GROUP
    logger: str = ""
    dataset: str = ""
    action: str = ""
    message: str = ""
    rate: float = Field(1.0, gt=0, le=1)
    by: Literal["prediction", "trace"] = "prediction"
    max_per_second: float | None = Field(None, gt=0, le=1e6)
    burst: int = Field(1, ge=1, le=1_000_000)
    fold_s: float = Field(0.0, ge=0, le=3600)


class SamplingSettings(BaseModel):
    """Which events are kept where there are too many. Errors always are; see docs/how-to/sample.md."""

    model_config = GROUP
    rules: tuple[SamplingRule, ...] = Field(
        (), max_length=64, description="the first that matches an event decides; without any, all is kept"
    )
    key: str = Field("shipper", description="of the hash of ids; equal keys keep the same ids")


class ShipSettings(BaseModel):
    """From the spool to Kafka, or to a file."""

    model_config = GROUP
    mode: Literal["thread", "agent"] = Field(
        "thread", description="thread: this process ships; agent: `shipper agent` does"
    )
    to: Literal["kafka", "stdout", "file"] = Field(
        "kafka", description="where records go; stdout and file: one JSON document a line"
    )
    file: Path | None = Field(
        None, description="for to = file; dead letters stand beside it, in *.dead-letters"
    )
    file_fsync: bool = Field(
        True, description="whether a batch waits for the disk before the spool gives it up; for to = file"
    )
    batch_max_records: int = Field(1000, ge=1, le=100_000, description="records of one batch at the most")
    batch_max_bytes: int = Field(
        1 << 20, ge=1 << 10, le=1 << 26, description="bytes of one batch at the most"
    )
    linger_s: float = Field(0.2, ge=0, le=60, description="a batch leaves at the latest after this")
    retry_initial_s: float = Field(
        0.1, gt=0, le=60, description="first pause after a failure; doubles, with jitter"
    )
    retry_max_s: float = Field(15.0, gt=0, le=3600, description="longest pause between attempts")
    close_timeout_s: float = Field(
        3.0, ge=0, le=600, description="whole budget of a shutdown; what is left stays in the spool"
    )

    @model_validator(mode="after")
    def _a_file_has_a_name(self) -> Self:
        if (self.to == "file") != (self.file is not None):
            raise ValueError("file names the file where to = file, and only there")
        if self.retry_initial_s > self.retry_max_s:
            raise ValueError("retry_initial_s must not be larger than retry_max_s")
        return self


class ElasticsearchSettings(BaseModel):
    """How to reach Elasticsearch."""

    model_config = GROUP
    url: str = Field(
        "http://localhost:9200", pattern=r"^https?://[^\s]+$", description="one node or a load balancer"
    )
    username: str = Field("", description="for basic authentication")
    password: SecretStr = Field(SecretStr(""), description="for basic authentication; secret")
    api_key: SecretStr = Field(SecretStr(""), description="in place of user and password; secret")
    ca_certs: Path | None = Field(None, description="certificates of the authorities that we trust")
    request_timeout_s: float = Field(30.0, ge=0.1, le=3600, description="longest wait for one answer")


class IndexSettings(BaseModel):
    """From Kafka to Elasticsearch."""

    model_config = GROUP
    group: str = Field("shipper-index", min_length=1, description="Kafka consumer group")
    batch_max_records: int = Field(5000, ge=1, le=100_000, description="documents of one request at the most")
    batch_max_bytes: int = Field(
        8 << 20, ge=1 << 10, le=1 << 27, description="bytes of one request at the most"
    )
    requests_at_once: int = Field(2, ge=1, le=16, description="requests that are under way at a time")
    session_timeout_s: float = Field(
        15.0, ge=6, le=1800, description="partitions of a dead indexer go to another one after this"
    )
    past_limit_days: float = Field(
        90.0, gt=0, le=36_500, description="older event times are dead letters with reason clock"
    )
    future_limit_s: float = Field(3600.0, ge=0, le=31_536_000, description="likewise for later ones")


class DetectSettings(BaseModel):
    """The anomaly job."""

    model_config = GROUP
    rules: Path | None = Field(None, description="rules file (YAML); none: the rules that ship with it")
    allowed_lateness_s: float = Field(
        120.0, ge=0, le=864_000, description="a window is judged when it is over for so long"
    )
    max_catch_up_hours: float = Field(
        168.0, gt=0, le=8760, description="a longer gap is reported and skipped"
    )


class AlertSettings(BaseModel):
    """What a person is told."""

    model_config = GROUP
    kibana_url: str = Field(
        "",
        pattern=r"^(https?://[^\s]+)?$",
        description="address of Kibana, for links in alerts; empty: no links",
    )


class StackSettings(BaseModel):
    """The embedded Kafka and Elasticsearch."""

    model_config = GROUP
    directory: Path = Field(
        default_factory=lambda: state_directory() / "stack",
        description="data, logs, process ids; ~/.local/state/shipper/stack",
    )
    cache: Path = Field(default_factory=cache_directory, description="downloaded archives; ~/.cache/shipper")
    snapshots: Path | None = Field(
        None, description="folder in which Elasticsearch may keep snapshots; none: it keeps none"
    )
    host: str = Field("127.0.0.1", description="address that the servers listen on")
    kafka_port: int = Field(9092, ge=1, le=65_535, description="clients' port of Kafka")
    kafka_controller_port: int = Field(9093, ge=1, le=65_535, description="inner port of Kafka")
    elasticsearch_port: int = Field(9200, ge=1, le=65_535, description="HTTP port of Elasticsearch")
    elasticsearch_transport_port: int = Field(
        9300, ge=1, le=65_535, description="inner port of Elasticsearch"
    )
    kafka_heap_mib: int = Field(512, ge=128, le=65_536, description="heap of Kafka in MiB")
    elasticsearch_heap_mib: int = Field(1024, ge=256, le=65_536, description="heap of Elasticsearch in MiB")
    start_timeout_s: float = Field(
        180.0, ge=1, le=3600, description="a server that does not answer by then has failed to start"
    )
    maven_repository: str = Field(
        "",
        pattern=r"^(https?://[^\s]+)?$",
        description="where the archives come from, for example a company's mirror; empty: the public one",
    )
