"""The schema of the configuration: every setting, its type, its default, its bounds.

Unknown keys are refused everywhere. `config.example.toml` says what each is for.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from meterdeck.core.model.context import STRIPE_API, Mode, SinkKind
from meterdeck.core.model.keys import DEFAULT_TEMPLATE
from meterdeck.core.model.limit_rules import Enforcement
from meterdeck.core.model.request_rules import Changes
from meterdeck.core.model.usage import BilledBy, OnFault, ResourceKind
from meterdeck.core.settings.alert_schema import AlertSettings
from meterdeck.core.settings.catalogue_schema import (
    MeterSettings,
    PriceSettings,
    ProductSettings,
)
from meterdeck.core.settings.layers import Layer
from meterdeck.core.settings.request_schema import RequestSettings

_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
Name = Annotated[str, Field(pattern=_NAME)]


def _wrap_plain(value: object) -> object:
    return {"value": value} if isinstance(value, str) else value


def _as_text(value: object) -> object:
    """Keep a limit's digits: 50.5 and "50.5" are the same limit."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(value)
    return value


def _wrap_limit(value: object) -> object:
    return value if isinstance(value, dict) else {"limit": value}


class Strict(BaseModel):
    """A table of the file: unknown keys are refused, errors never quote values."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)


class SecretFrom(Strict):
    """Where a secret is kept; exactly one of the four."""

    env: Annotated[str, Field(min_length=1)] | None = None
    file: Annotated[str, Field(min_length=1)] | None = None
    command: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    value: SecretStr | None = None

    @model_validator(mode="after")
    def _one_of_four(self) -> Self:
        given = [self.env, self.file, self.command, self.value]
        if sum(source is not None for source in given) != 1:
            raise ValueError('give one of env = "…", file = "…", command = ["…"]')
        return self


SecretSetting = Annotated[SecretFrom, BeforeValidator(_wrap_plain)]
LimitSetting = Annotated[str, BeforeValidator(_as_text)]


class RuleSettings(Strict):
    """How a limit is enforced."""

    enforcement: Enforcement | None = None
    grace_percent: Annotated[int, Field(ge=0, le=1000)] = 0
    grace_hours: Annotated[int, Field(ge=0, le=8784)] = 0

    @property
    def given(self) -> bool:
        """Whether anything is said here."""
        return bool(self.enforcement or self.grace_percent or self.grace_hours)

    @model_validator(mode="after")
    def _grace_of_hard(self) -> Self:
        hard = self.enforcement in (None, Enforcement.HARD)
        if not hard and (self.grace_percent or self.grace_hours):
            raise ValueError('grace is for enforcement = "hard"; leave it out')
        return self


class PlanLimitSettings(RuleSettings):
    """[plans.NAME.limits] RESOURCE: a number, or a table with its own rule."""

    limit: LimitSetting


class ResourceSettings(RuleSettings):
    """[resources.NAME]"""

    label: str = ""
    unit: str = ""
    meter: str = ""
    kind: ResourceKind = ResourceKind.COUNTER
    scale: Annotated[int, Field(ge=0, le=9)] = 0
    period: Literal["calendar_month", "billing_cycle"] = "calendar_month"
    on_fault: OnFault = OnFault.FAIL_CLOSED
    billed_by: BilledBy = BilledBy.COUNTER
    flush_seconds: Annotated[int, Field(ge=1, le=86_400)] = 60
    negative_events: bool = True

    @model_validator(mode="after")
    def _fits_the_kind(self) -> Self:
        if self.kind is ResourceKind.GAUGE and "period" in self.model_fields_set:
            raise ValueError("a gauge has no period: it does not reset; leave it out")
        if self.kind is ResourceKind.UNIQUE and self.scale:
            raise ValueError("members are whole: leave out scale")
        return self

    @model_validator(mode="after")
    def _can_be_billed_by_events(self) -> Self:
        if self.billed_by is BilledBy.COUNTER:
            return self
        if self.kind is not ResourceKind.COUNTER:
            raise ValueError('what is billed by events is of kind "counter"')
        if not self.meter:
            raise ValueError("what is billed by events needs a meter")
        return self


PlanLimit = Annotated[PlanLimitSettings, BeforeValidator(_wrap_limit)]


class PlanSettings(Strict):
    """[plans.NAME]"""

    label: str = ""
    lookup_keys: tuple[str, ...] = ()
    prices: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    limits: dict[str, PlanLimit] = {}


class RedisSettings(Strict):
    """[contexts.NAME.redis]"""

    url: str
    username: str = ""
    password: SecretSetting | None = None
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 2.0
    key_template: str = DEFAULT_TEMPLATE
    prefix: Annotated[str, Field(min_length=1)] = "meterdeck:"
    tagged: bool = False
    cluster: bool = False
    cluster_nodes: tuple[str, ...] = ()
    sentinels: tuple[str, ...] = ()
    master_name: str = ""
    sentinel_username: str = ""
    sentinel_password: SecretSetting | None = None
    tls_verify: bool = True
    tls_key_password: SecretSetting | None = None
    retention_days: Annotated[int, Field(ge=1, le=3660)] = 35


class StripeSettings(Strict):
    """[contexts.NAME.stripe]"""

    api_key: SecretSetting
    api_base: str = STRIPE_API
    meter_events_base: str = ""
    poll_seconds: Annotated[float, Field(ge=0.2, le=3600)] = 5.0
    timeout_seconds: Annotated[float, Field(gt=0, le=300)] = 20.0
    tenant_metadata_key: Annotated[str, Field(min_length=1, max_length=40)] = "tenant"


class LibrarySettings(Strict):
    """[contexts.NAME.library]"""

    call_timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 0.5
    circuit_failures: Annotated[int, Field(ge=1, le=1000)] = 5
    circuit_pause_seconds: Annotated[float, Field(ge=0.05, le=60)] = 1.0
    give_back_seconds: Annotated[float, Field(ge=0, le=3600)] = 30.0
    spool_directory: str = ""
    spool_megabytes: Annotated[int, Field(ge=1, le=65_536)] = 64


class DeliverySettings(Strict):
    """[contexts.NAME.delivery]"""

    sink: SinkKind = SinkKind.V1
    events_per_second: Annotated[int, Field(ge=0, le=200_000)] = 0
    at_once: Annotated[int, Field(ge=1, le=100)] = 10
    takeover_seconds: Annotated[float, Field(ge=1, le=3600)] = 30.0
    replica_wait_seconds: Annotated[float, Field(ge=0, le=60)] = 1.0
    allow_volatile_redis: bool = False
    log_lines: Annotated[int, Field(ge=100, le=10_000_000)] = 10_000
    close_guard_hours: Annotated[int, Field(ge=1, le=744)] = 24
    reconcile_minutes: Annotated[int, Field(ge=0, le=44_640)] = 60
    metrics_host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    metrics_port: Annotated[int, Field(ge=0, le=65_535)] = 0
    webhook_host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    webhook_port: Annotated[int, Field(ge=0, le=65_535)] = 0
    webhook_secret: SecretSetting | None = None

    @model_validator(mode="after")
    def _webhook_is_signed(self) -> Self:
        if self.webhook_port and self.webhook_secret is None:
            raise ValueError(
                "a webhook_port needs a webhook_secret: what is not signed is not read"
            )
        return self


class ConsoleSettings(Strict):
    """[console]"""

    keys: dict[Name, Annotated[str, Field(min_length=1)]] = {}
    aliases: dict[Name, Annotated[str, Field(min_length=1)]] = {}
    theme: Literal["auto", "dark", "light", "ansi", "colour-blind"] = "auto"
    mouse: Literal["auto", "on", "off"] = "auto"


class AlertsSettings(Strict):
    """[contexts.NAME.alerts]"""

    webhook_url: str = ""
    webhook_secret: SecretSetting | None = None
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10.0
    give_up_hours: Annotated[int, Field(ge=1, le=720)] = 24

    @model_validator(mode="after")
    def _webhook_is_signed(self) -> Self:
        if self.webhook_url and self.webhook_secret is None:
            raise ValueError(
                "a webhook_url needs a webhook_secret, by which its receiver knows"
                " that an alert is yours"
            )
        return self


class ContextSettings(Strict):
    """[contexts.NAME]"""

    mode: Mode
    read_only: bool = False
    arm_minutes: Annotated[int, Field(ge=0, le=480)] = 15
    default_plan: str = ""
    poll_seconds: Annotated[float, Field(ge=0.1, le=3600)] = 1.0
    sweep_share: Annotated[float, Field(gt=0, le=1)] = 0.10
    override_needs_expiry: bool = True
    changes: Changes = Changes.DIRECT
    redis: RedisSettings
    stripe: StripeSettings | None = None
    library: LibrarySettings = LibrarySettings()
    delivery: DeliverySettings = DeliverySettings()
    alerts: AlertsSettings = AlertsSettings()
    requests: RequestSettings = RequestSettings()


class Settings(BaseSettings):
    """The whole configuration, layered: file, then environment, then flags."""

    model_config = SettingsConfigDict(
        extra="forbid", hide_input_in_errors=True, frozen=True
    )

    default_context: str = ""
    resources: dict[Name, ResourceSettings] = {}
    plans: dict[Name, PlanSettings] = {}
    meters: dict[Name, MeterSettings] = {}
    products: dict[Name, ProductSettings] = {}
    prices: dict[Name, PriceSettings] = {}
    console: ConsoleSettings = ConsoleSettings()
    alerts: dict[Name, AlertSettings] = {}
    contexts: dict[Name, ContextSettings] = {}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take the layers handed to `of`, strongest first, and nothing else."""
        given: dict[str, Any] = init_settings()
        layers: list[Layer] = given["layers"]
        return tuple(_LayerSource(settings_cls, layer) for layer in reversed(layers))

    @classmethod
    def of(cls, layers: list[Layer]) -> Settings:
        """Merge `layers`, weakest first, and validate the result.

        Raises:
            pydantic.ValidationError: See `problems`, which makes a sentence of it.
        """
        arguments: dict[str, Any] = {"layers": layers}
        return cls(**arguments)


class _LayerSource(PydanticBaseSettingsSource):
    def __init__(self, settings_cls: type[BaseSettings], layer: Layer) -> None:
        super().__init__(settings_cls)
        self._layer = layer

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return self._layer.tree.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return self._layer.tree
