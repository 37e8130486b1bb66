"""Settings: the only reader of the environment and of `shipper.toml`.

Precedence: argument > environment (`SHIPPER_KAFKA_BOOTSTRAP_SERVERS`) > file > default. The file is
the one named by `SHIPPER_CONFIG`, else `shipper.toml` in the working directory, else
`~/.config/shipper/shipper.toml`. Secrets are masked wherever settings are shown.

Loaded by the commands and by `configure()`, never by `import shipper`.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from shipper.audit_settings import AuditSettings
from shipper.errors import ConfigurationError
from shipper.health_settings import HealthSettings
from shipper.kafka_settings import KafkaSettings
from shipper.retention_settings import RetentionSettings
from shipper.service_links import without_service_links
from shipper.setting_groups import (
    AlertSettings,
    DetectSettings,
    ElasticsearchSettings,
    GitSettings,
    IndexSettings,
    LevelsSettings,
    ModelSettings,
    RedactSettings,
    SamplingRule,
    SamplingSettings,
    ServiceSettings,
    ShipSettings,
    StackSettings,
    cache_directory,
    state_directory,
    xdg_directory,
)
from shipper.spool_settings import SpoolSettings

__all__ = [
    "AlertSettings",
    "AuditSettings",
    "DetectSettings",
    "ElasticsearchSettings",
    "GitSettings",
    "HealthSettings",
    "IndexSettings",
    "KafkaSettings",
    "LevelsSettings",
    "ModelSettings",
    "RedactSettings",
    "RetentionSettings",
    "SamplingRule",
    "SamplingSettings",
    "ServiceSettings",
    "Settings",
    "ShipSettings",
    "SpoolSettings",
    "StackSettings",
    "cache_directory",
    "config_file",
    "load_settings",
    "state_directory",
]


class Settings(BaseSettings):
    """All settings; frozen. A variable is `SHIPPER_<GROUP>_<KEY>`, for example `SHIPPER_SERVICE_NAME`."""

    model_config = SettingsConfigDict(
        env_prefix="SHIPPER_",
        env_nested_delimiter="_",
        env_nested_max_split=1,
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
    )
    namespace: str = Field(
        "default", description="team or environment: last part but one of each index's name"
    )
    level: Literal["debug", "info", "warning", "error", "critical"] = Field(
        "debug", description="structlog loggers take events from this level on; `logging` has its own levels"
    )
    service: ServiceSettings = ServiceSettings()
    model: ModelSettings = ModelSettings()
    git: GitSettings = GitSettings()
    levels: LevelsSettings = LevelsSettings()
    health: HealthSettings = HealthSettings()
    redact: RedactSettings = RedactSettings()
    sampling: SamplingSettings = SamplingSettings()
    spool: SpoolSettings = Field(default_factory=SpoolSettings)
    ship: ShipSettings = ShipSettings()
    kafka: KafkaSettings = KafkaSettings()
    elasticsearch: ElasticsearchSettings = ElasticsearchSettings()
    index: IndexSettings = IndexSettings()
    detect: DetectSettings = DetectSettings()
    alert: AlertSettings = AlertSettings()
    retention: RetentionSettings = RetentionSettings()
    audit: AuditSettings = AuditSettings()
    stack: StackSettings = Field(default_factory=StackSettings)

    @field_validator("namespace")
    @classmethod
    def _namespace_fits_an_index_name(cls, value: str) -> str:
        is_word = value.isascii() and value.replace("_", "a").isalnum() and value == value.lower()
        if not is_word or len(value) > 100:
            raise ValueError("must be 1 to 100 lower-case letters, digits or underscores")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Argument, then environment, then file. No dot-env: one file format is enough."""
        del dotenv_settings, file_secret_settings
        assert isinstance(env_settings, EnvSettingsSource)  # noqa: S101  # what the library hands in
        env_settings.env_vars = without_service_links(env_settings.env_vars)
        return (
            init_settings,
            env_settings,
            InitSettingsSource(settings_cls, _read_file(config_file())),
        )


def config_file() -> Path | None:
    """Return the configuration file that applies, or None. A file named by SHIPPER_CONFIG must exist."""
    named = os.environ.get("SHIPPER_CONFIG", "")
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise ConfigurationError(f"SHIPPER_CONFIG names {path}, which is not a file.")
        return path
    for path in (
        Path("shipper.toml"),
        xdg_directory("XDG_CONFIG_HOME", ".config") / "shipper" / "shipper.toml",
    ):
        if path.is_file():
            return path
    return None


def _read_file(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The configuration file {path} cannot be read: {error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"The configuration file {path} is not valid TOML: {error}.") from error


def load_settings(**arguments: Any) -> Settings:
    """Read settings from arguments, environment, file and defaults, in this precedence.

    Args:
        arguments: whole or partial groups, for example `kafka={"topic": "t"}`.

    Raises:
        ConfigurationError: a value is out of range or a key is unknown; the sentence names all of them.
    """
    try:
        return Settings(**arguments)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']) or 'settings'}: {problem['msg']}"
            for problem in error.errors(include_url=False, include_input=False)
        )
        raise ConfigurationError(f"The configuration is not usable: {problems}.") from None
    except SettingsError as error:  # a variable that should hold JSON, and does not
        raise ConfigurationError(f"The configuration is not usable: {error}.") from None
