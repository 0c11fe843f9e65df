"""The middleware: which requests are looked at, and whether before or after."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Literal, get_args

from meterdeck.core.errors import BadInput, ConfigError, NotFound
from meterdeck.core.middleware.asgi import App, Receive, Scope, Send
from meterdeck.core.middleware.charging import (
    Charging,
    ChecksResources,
    CountsUsage,
    GivesBack,
    Rule,
    Rules,
    check_cost,
    constant,
)
from meterdeck.core.middleware.exchange import Exchange
from meterdeck.core.middleware.faults import Faults
from meterdeck.core.middleware.gate import Gate, GateRules
from meterdeck.core.middleware.recorder import Recorder
from meterdeck.core.middleware.refunds import Refunds
from meterdeck.core.middleware.routes import Routes
from meterdeck.core.middleware.tally import Tally
from meterdeck.core.model.text import visible

Mode = Literal["check", "count"]
OnFault = Literal["allow", "refuse"]
UnknownTenant = Literal["pass", "refuse"]

HEALTH = ("/health", "/healthz", "/livez", "/readyz")
"""Routes that are exempt unless others are named."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class UsageMiddleware:
    """Counts the HTTP requests of an ASGI application against their tenant's limits.

    `check` counts before the application and answers 429 to what does not fit;
    `count` counts after it what was answered below `count_below`. Everything but
    HTTP passes through as it is. No fault of Redis becomes a 500.

    Args:
        usage: What counts: a `MeterClient` or `engine.usage`; or a callable that gives
            it, asked each time, for one that is opened when the application starts.
        tenant: Whose usage it is, by the exchange; None for nobody. Sync or async.
        resource: What is counted: a name, or a callable that gives one or None.
        cost: Units a request: a number, or a callable. One that fails costs 1.
        call_id: Id under which a repeated request counts once; None for no id.
        count_below: First status that is not counted (`count`).
        exempt: Routes that are never looked at; see `Route` for the patterns.
        exempt_methods: Methods that are never looked at.
        unknown_tenant: Whether requests of nobody pass or are answered 401 (`check`).
        challenge: `WWW-Authenticate` of that 401.
        on_fault: Whether requests that cannot be counted are allowed or answered 503
            (`check`). What a `MeterClient` decides by its own rules is followed.
        retry_after_s: `Retry-After` of that 503, in seconds.
        deadline_s: Longest wait for the counter before a request, and for giving back
            after it (`check`), seconds.
        give_back_from: First status of an answer after which what the request took is
            given back, as after an application that raises, and with a 503 of this
            middleware's own if it took any (`check`); None for never.
        tally: Kept current; give your own to read it.
        clock: Current time, for the seconds until a period ends.

    Raises:
        ConfigError: An argument is wrong.
    """

    def __init__(
        self,
        app: App,
        *,
        usage: CountsUsage | Callable[[], CountsUsage],
        tenant: Rule[str | None],
        resource: str | Rule[str | None],
        cost: int | Rule[int] = 1,
        mode: Mode = "check",
        call_id: Rule[str | None] | None = None,
        count_below: int = 400,
        exempt: Iterable[str] = HEALTH,
        exempt_methods: Iterable[str] = ("HEAD", "OPTIONS"),
        unknown_tenant: UnknownTenant = "pass",
        challenge: str = "Bearer",
        on_fault: OnFault = "allow",
        retry_after_s: int = 5,
        deadline_s: float = 2.0,
        give_back_from: int | None = None,
        tally: Tally | None = None,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        _check_choice("mode", mode, Mode)
        _check_choice("on_fault", on_fault, OnFault)
        _check_choice("unknown_tenant", unknown_tenant, UnknownTenant)
        if mode == "count" and "refuse" in (on_fault, unknown_tenant):
            raise _wrong(
                "mode",
                "count cannot refuse: the request is answered already",
                'use mode="check", or leave on_fault and unknown_tenant out',
            )
        if give_back_from is not None:
            _check_give_back(give_back_from, mode, usage)
        _check_whole("count_below", count_below)
        _check_whole("retry_after_s", retry_after_s)
        _check_seconds("deadline_s", deadline_s)
        if isinstance(exempt_methods, str):
            fix = f"write ({visible(exempt_methods)!r},)"
            raise _wrong("exempt_methods", "are one text", fix)
        if not (challenge.isascii() and challenge.isprintable()):
            raise _wrong("challenge", "is no header's value", "write it in ASCII")
        self._app = app
        self._exempt = Routes.parse(exempt)
        self._exempt_methods = frozenset(each.upper() for each in exempt_methods)
        tally = Tally() if tally is None else tally
        faults = Faults(tally, on_fault)
        rules = Rules(
            tenant, _resource(resource, usage), _cost(cost), call_id or constant(None)
        )
        source, returnable = _source(usage), give_back_from is not None
        charging = Charging(source, rules, faults, tally, returnable=returnable)
        gate = GateRules(on_fault, unknown_tenant, challenge, retry_after_s, deadline_s)
        self._side: Gate | Recorder
        if mode == "count":
            self._side = Recorder(charging, tally, faults, below=count_below)
            return
        refunds = None
        if give_back_from is not None:
            refunds = Refunds(
                source, faults, tally, first=give_back_from, deadline_s=deadline_s
            )
        self._side = Gate(charging, gate, tally, clock, refunds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, as ASGI says."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange.begin(scope)
        if self._is_exempt(exchange):
            await self._app(scope, receive, send)
            return
        await self._side.serve(self._app, exchange, receive, send)

    def _is_exempt(self, exchange: Exchange) -> bool:
        if exchange.method in self._exempt_methods:
            return True
        return self._exempt.first(exchange) is not None


def _source(
    given: CountsUsage | Callable[[], CountsUsage],
) -> Callable[[], CountsUsage]:
    return (lambda: given) if isinstance(given, CountsUsage) else given


def _resource(
    given: str | Rule[str | None], usage: CountsUsage | Callable[[], CountsUsage]
) -> Rule[str | None]:
    if callable(given):
        return given
    if not given:
        raise _wrong("resource", "is empty", "name what is counted")
    if isinstance(usage, ChecksResources):
        try:
            usage.check_consumable(given)
        except BadInput as error:
            raise _wrong("resource", "cannot be counted", str(error)) from error
        except NotFound:
            pass  # said with each request, as a fault: it may be configured later
    return constant(given)


def _cost(given: int | Rule[int]) -> Rule[int]:
    if callable(given):
        return given
    try:
        check_cost(given)
    except BadInput as error:
        raise _wrong("cost", "cannot be used", str(error)) from error
    return constant(given)


def _check_give_back(
    first: int, mode: Mode, usage: CountsUsage | Callable[[], CountsUsage]
) -> None:
    if mode == "count":
        raise _wrong(
            "mode",
            "count gives nothing back: it counts only what succeeded",
            'use mode="check", or leave give_back_from out',
        )
    if type(first) is not int or not 400 <= first <= 599:
        raise _wrong(
            "give_back_from",
            f"is {visible(repr(first))}",
            "it is a status from 400 to 599; 500 for faults of the application",
        )
    if isinstance(usage, CountsUsage) and not isinstance(usage, GivesBack):
        raise _wrong(
            "give_back_from",
            "needs a usage that can release",
            "give a MeterClient or an engine's usage",
        )


def _check_whole(name: str, given: object) -> None:
    if not isinstance(given, int) or isinstance(given, bool) or given < 0:
        problem = f"is {visible(repr(given))}"
        raise _wrong(name, problem, "it is a whole number, 0 or more")


def _check_seconds(name: str, given: object) -> None:
    if not isinstance(given, int | float) or isinstance(given, bool) or not given > 0:
        problem = f"is {visible(repr(given))}"
        raise _wrong(name, problem, "it is more than 0 seconds")


def _check_choice(name: str, given: str, choices: object) -> None:
    allowed = get_args(choices)
    if given not in allowed:
        words = " or ".join(f'"{each}"' for each in allowed)
        raise _wrong(name, f"is {visible(str(given))!r}", f"it is {words}")


def _wrong(name: str, problem: str, fix: str) -> ConfigError:
    return ConfigError(f"UsageMiddleware {name}", problem, fix)
