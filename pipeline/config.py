"""All settings, in one typed tree: defaults, then a TOML file, then environment, then flags.

Environment: ``YUETONE_SERVER__PORT=6000`` sets ``server.port``. Unknown keys are errors everywhere.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from emotion import AgitationSettings
from pipeline.errors import SettingsError
from pipeline.sections.access import AccessSettings
from pipeline.sections.asr import AsrSettings, PartialSettings
from pipeline.sections.audit import AuditSettings
from pipeline.sections.base import Section
from pipeline.sections.cluster import ClusterSettings, host_and_port
from pipeline.sections.diarization import DiarizationSettings, ProfileDiarizationSettings
from pipeline.sections.quality import QualitySettings
from pipeline.sections.record import Kept, ProfileRecordSettings, RecordSettings
from pipeline.sections.redaction import RedactionSettings
from pipeline.sections.suggest import ProfileSuggestSettings, SuggestSettings
from pipeline.sections.tenants import TenantSettings
from pipeline.sections.tracing import TracingSettings
from vad.endpointer import EndpointerSettings

ENVIRONMENT_PREFIX = "YUETONE_"


class ServerSettings(Section):
    """Where and how to listen."""

    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 for all")
    gateways: int = Field(
        0, ge=0, le=64, description="processes that carry the wire; 0 lets the one server process do it"
    )
    nodes: int = Field(
        0, ge=0, le=256,
        description="processes that have the calls, one a core or a GPU; 0 lets the one server process do it",
    )  # fmt: skip
    pin: bool = Field(
        True, description="each of several nodes stays on a core; False in containers that share a machine"
    )
    port: int = Field(50051, ge=0, le=65535, description="TCP port; 0 picks a free one")
    tls_certificate: Path | None = Field(None, description="PEM certificate chain; turns TLS on")
    tls_key: Path | None = Field(None, description="PEM private key of the certificate")
    tls_client_ca: Path | None = Field(
        None, description="PEM authorities; clients must then present a certificate"
    )
    machine_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="second port, on which clients must present a certificate of tls_client_ca; on the "
        "first, nobody is asked for one then",
    )
    reflection: bool = Field(False, description="True tells everybody what this API looks like")
    metrics_host: str = Field("127.0.0.1", description="address of the Prometheus endpoint")
    metrics_port: int | None = Field(9464, ge=0, le=65535, description="its port; none turns it off")
    shutdown_grace_s: float = Field(30.0, ge=0, description="s that live calls may go on after SIGTERM")

    def metrics_port_of(self, number: int) -> int | None:
        """Return the port for the metrics of a process of this machine, counted from 0; None without."""
        return self.metrics_port + number if self.metrics_port else self.metrics_port

    @field_validator("metrics_port", mode="before")
    @classmethod
    def _no_port(cls, port: object) -> object:
        return None if port in ("", "null", "none") else port  # TOML and environment have no null

    @model_validator(mode="after")
    def _certificate_and_key(self) -> ServerSettings:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("server.tls_certificate and server.tls_key belong together; set both or neither")
        if self.tls_client_ca and not self.tls_certificate:
            raise ValueError("server.tls_client_ca needs server.tls_certificate and server.tls_key")
        if self.machine_port is not None and not self.tls_client_ca:
            raise ValueError("server.machine_port needs server.tls_client_ca")
        return self

    @field_validator("tls_certificate", "tls_key", "tls_client_ca")
    @classmethod
    def _readable(cls, path: Path | None) -> Path | None:
        if path is not None and not path.is_file():
            raise ValueError(f"no file at {path}")
        return path


class LimitSettings(Section):
    """What one server takes."""

    max_calls: int | None = Field(
        None, ge=1, description="calls at once; when not set, as many as the processor carries"
    )
    max_calls_per_host: int | None = Field(
        None, ge=1, description="calls at once from one machine; a telephony gateway is one"
    )
    max_connections: int = Field(
        2000, ge=1, description="network connections at once, with or without a call"
    )
    max_watchers: int = Field(200, ge=0, description="streams of each kind that watch at once")
    max_watchers_per_host: int = Field(100, ge=0, description="the same, from one machine")
    max_chunk_bytes: int = Field(1_048_576, ge=1024, le=8_388_608, description="bytes in one Audio message")
    max_call_s: float = Field(4 * 3600, gt=0, description="s of audio in one call")
    idle_timeout_s: float = Field(30.0, gt=0, description="s without a message before a call is ended")
    hold_timeout_s: float = Field(1800.0, gt=0, description="the same while the call is paused")
    resume_window_s: float = Field(30.0, ge=0, description="s for which a broken call can be resumed")
    write_timeout_s: float = Field(20.0, gt=0, description="s for which a client may refuse to read")
    health_interval_s: float = Field(5.0, gt=0, description="s of audio between Health messages")
    max_final_wait_ms: float = Field(
        400.0,
        ge=0,
        description="ms that finals wait, predicted, from which new calls are refused; 0 never",
    )
    overload_lag_s: float = Field(3.0, gt=0, description="s of lag from which Health says overloaded")


class EmotionSettings(Section):
    """How something was said."""

    enabled: bool = Field(True, description="False leaves out emotion, agitation and the alerts about them")
    model: str = Field("auto", description="bundled, promoted, a directory (docs/emotion.md), or auto")
    device: Literal["cpu", "cuda"] = Field("cpu", description="where to run")


class WebhookSettings(Section):
    """Where alerts are sent."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$", description="unique; shown in logs and metrics")
    url: SecretStr = Field(description="http or https address; never shown")
    format: Literal["yuetone", "dingtalk", "slack", "teams"] = Field(
        "yuetone", description="what it understands"
    )
    secret: SecretStr | None = Field(None, description="signs what is sent (yuetone and dingtalk)")
    min_severity: Literal["info", "warning", "critical"] = Field("warning", description="and above")
    states: tuple[Literal["raised", "escalated", "calmed", "expired"], ...] = Field(
        ("raised", "escalated", "calmed", "expired"), description="which changes are sent"
    )
    tenants: tuple[str, ...] = Field((), description="only these companies; all when empty")
    timeout_s: float = Field(10.0, gt=0, le=120, description="s without an answer before it is tried again")
    give_up_h: float = Field(72.0, gt=0, description="h after which an alert is no longer sent")

    @field_validator("url")
    @classmethod
    def _address(cls, url: SecretStr) -> SecretStr:
        try:
            parts = urlsplit(url.get_secret_value())
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            usable = False
        if not usable:
            raise ValueError("not an http or https address") from None
        return url

    @model_validator(mode="after")
    def _usable_secret(self) -> WebhookSettings:
        text = self.secret.get_secret_value() if self.secret else ""
        if text.startswith("whsec_"):
            try:
                base64.b64decode(text.removeprefix("whsec_"), validate=True)
            except ValueError:
                raise ValueError("secret: what follows whsec_ must be base64") from None
        return self


class AlertSettings(Section):
    """Alerts for supervisors."""

    enabled: bool = Field(True, description="False raises none")
    store: str | None = Field(
        "~/.local/share/yuetone/alerts.db",
        description="SQLite file, or a URL such as postgresql://host/name; none keeps alerts in memory only",
    )
    keep_days: float = Field(30.0, gt=0, description="days after which closed alerts are deleted")
    max_pending: int = Field(10_000, ge=1, description="undelivered webhook calls kept for each webhook")
    webhooks: tuple[WebhookSettings, ...] = Field((), max_length=20, description="where alerts are sent")

    @field_validator("store", mode="before")
    @classmethod
    def _nowhere(cls, store: object) -> object:
        store = None if store in ("", "null", "none") else store  # TOML and environment have no null
        return str(store) if isinstance(store, Path) else store

    @field_validator("webhooks")
    @classmethod
    def _one_name_each(cls, webhooks: tuple[WebhookSettings, ...]) -> tuple[WebhookSettings, ...]:
        if len({webhook.name for webhook in webhooks}) < len(webhooks):
            raise ValueError("two webhooks have the same name")
        return webhooks


class ProfileSettings(Section):
    """What a call may choose by name."""

    language: str = Field("yue", description="BCP 47, used when StartCall names none")
    hotwords: tuple[str, ...] = Field((), max_length=100, description="added to those of StartCall")
    vad: EndpointerSettings = Field(EndpointerSettings(), description="how utterances are cut")
    partials: PartialSettings = Field(PartialSettings(), description="when partials are made")
    agitation: AgitationSettings = Field(AgitationSettings(), description="how evidence becomes agitation")
    diarization: ProfileDiarizationSettings = Field(
        ProfileDiarizationSettings(), description="what to make of channels and voices"
    )
    redaction: RedactionSettings = Field(RedactionSettings(), description="what is hidden of a call")
    record: ProfileRecordSettings = Field(ProfileRecordSettings(), description="what is kept of a call")
    suggestions: ProfileSuggestSettings = Field(
        ProfileSuggestSettings(), description="what is suggested to agents"
    )
    lexicon: tuple[Path, ...] = Field((), description="TOML files with further words of complaint")
    alert_rules: Path | None = Field(
        None, description="TOML file of alert rules instead of the built-in ones"
    )
    agents_see_alerts: bool = Field(False, description="True tells agents of alerts about their own calls")


class LogSettings(Section):
    """What the server writes to standard error; never speech, names or numbers of a call."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level written")
    format: Literal["auto", "json", "console"] = Field("auto", description="auto is console on a terminal")


def _is_path(store: str) -> bool:
    """Tell whether a store is a SQLite file, which other machines do not have."""
    return "://" not in store or store.startswith("sqlite")


class Settings(BaseSettings):
    """The whole tree."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter="__"
    )

    server: ServerSettings = ServerSettings()
    access: AccessSettings = AccessSettings()
    audit: AuditSettings = AuditSettings()
    tenants: dict[str, TenantSettings] = Field(default_factory=dict, description="companies, by name")
    limits: LimitSettings = LimitSettings()
    asr: AsrSettings = AsrSettings()
    vad_aggressiveness: int = Field(1, ge=0, le=3, description="of webrtcvad; 3 lets least through")
    profiles: dict[str, ProfileSettings] = Field(default_factory=lambda: {"default": ProfileSettings()})
    diarization: DiarizationSettings = DiarizationSettings()
    emotion: EmotionSettings = EmotionSettings()
    alerts: AlertSettings = AlertSettings()
    suggest: SuggestSettings = SuggestSettings()
    record: RecordSettings = RecordSettings()
    quality: QualitySettings = QualitySettings()
    cluster: ClusterSettings = ClusterSettings()
    tracing: TracingSettings = TracingSettings()
    log: LogSettings = LogSettings()

    @field_validator("profiles")
    @classmethod
    def _has_default(cls, profiles: dict[str, ProfileSettings]) -> dict[str, ProfileSettings]:
        return {"default": ProfileSettings(), **profiles}

    @model_validator(mode="after")
    def _profiles_exist(self) -> Settings:
        for name, tenant in self.tenants.items():
            if unknown := [profile for profile in tenant.profiles if profile not in self.profiles]:
                raise ValueError(f"tenants.{name}.profiles: there is no profile {unknown[0]!r}")
        return self

    @model_validator(mode="after")
    def _nodes_share_a_record(self) -> Settings:
        """Nodes of several machines share no disk: what one keeps, another must be able to go on with."""
        if not self.record.enabled or self.cluster.url is None:
            return self
        if not _is_path(self.cluster.url.get_secret_value()):
            if self.record.store is None:
                raise ValueError(
                    "record.store: nodes that share a database (cluster.url) need one for the record too, "
                    "such as postgresql://host/record"
                )
            if _is_path(self.record.keys):
                raise ValueError(
                    "record.keys: nodes that share a database (cluster.url) need one for the record's keys "
                    "too, such as postgresql://otherhost/keys"
                )
        return self

    @model_validator(mode="after")
    def _ports_for_nodes(self) -> Settings:
        address = self.cluster.address
        if address is not None and not address.startswith("unix:"):
            last = host_and_port(address)[1] + max(0, self.server.nodes - 1)
            if last > 65_535:
                raise ValueError(f"cluster.address: the last node would have port {last}; begin lower")
        return self

    @model_validator(mode="after")
    def _model_for_summaries(self) -> Settings:
        if self.record.llm_summaries and self.suggest.llm.base_url is None:
            raise ValueError("record.llm_summaries needs suggest.llm.base_url")
        return self

    @model_validator(mode="after")
    def _classes_exist(self) -> Settings:
        classes = self.record.classes
        for name, profile in self.profiles.items():
            wanted = profile.record.retention
            if self.record.enabled and profile.record.keep is not Kept.NOTHING:
                if wanted is None and len(classes) > 1:
                    raise ValueError(f"profiles.{name}.record.retention: name one of {', '.join(classes)}")
                if wanted is not None and wanted not in classes:
                    raise ValueError(f"profiles.{name}.record.retention: there is no class {wanted!r}")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags beat environment, environment beats the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def _unknown_environment() -> list[str]:
    known = {f"{ENVIRONMENT_PREFIX}{name.upper()}" for name in Settings.model_fields}
    return [
        name
        for name in os.environ
        if name.startswith(ENVIRONMENT_PREFIX)
        and name not in (f"{ENVIRONMENT_PREFIX}CONFIG", f"{ENVIRONMENT_PREFIX}TOKEN")
        and name.split("__")[0] not in known
    ]


def _settings_from(file: Path | None) -> type[Settings]:
    class FileSettings(Settings):
        model_config = SettingsConfigDict(toml_file=file)

    return FileSettings


def load_settings(file: Path | None = None, flags: dict[str, Any] | None = None) -> Settings:
    """Read the settings.

    Args:
        file: TOML file; ``YUETONE_CONFIG`` names one when this is None.
        flags: nested values that beat everything else.

    Raises:
        SettingsError: a key is unknown or a value is out of range; the message names both.
    """
    if file is None and (named := os.environ.get(f"{ENVIRONMENT_PREFIX}CONFIG")):
        file = Path(named)
    if file is not None and not file.is_file():
        raise SettingsError(f"no configuration file at {file}")
    if unknown := _unknown_environment():
        raise SettingsError(f"environment: unknown setting {', '.join(sorted(unknown))}")
    try:
        return _settings_from(file)(**(flags or {}))
    except ValidationError as error:
        raise SettingsError(_readable_problems(error)) from error
    except ValueError as error:  # not TOML, or an environment value that is not JSON
        raise SettingsError(f"cannot read settings: {error}") from error


def _readable_problems(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"]) or "settings"
        text = "unknown key" if problem["type"] == "extra_forbidden" else problem["msg"]
        lines.append(f"{key}: {text.removeprefix('Value error, ')}")
    return "; ".join(lines)
