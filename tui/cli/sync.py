"""`meterdeck sync`: the worker that brings usage to Stripe."""

from __future__ import annotations

import asyncio
import logging
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from meterdeck.core.errors import BadInput
from meterdeck.core.model.context import Context
from meterdeck.core.settings import find_config
from meterdeck.tui import phrases
from meterdeck.tui.cli.arguments import config_of, output_of
from meterdeck.tui.cli.call import context_of
from meterdeck.tui.cli.exposure import tell_exposed
from meterdeck.tui.cli.json_form import Form, context_form
from meterdeck.tui.cli.output import Cell, Output, Tone, note

if TYPE_CHECKING:
    from meterdeck.core.services.sync.metrics import Facts, Metrics
    from meterdeck.core.services.sync.worker import Worker

# After "7 counters: ", and after "1 counter: ".
_LEFT = {
    "no_customer": "the tenant is no customer in Stripe",
    "meter_unknown": "Stripe does not have the meter",
    "meter_inactive": "the meter is deactivated",
    "formula": "the meter does not add up (or, of a gauge, does)",
    "window": "the meter counts only the last event of each hour or day",
    "period": "the period is none of the tenant's",
    "negative": "more was taken back than was unsent",
    "held": "the last event was refused; it is tried again later",
    "too_old": "the period ended too long ago for Stripe",
    "gone": "it is gone, though not all that was billed was taken back",
    "large": "the level has more digits than Stripe takes",
    "broken": "it holds something else than a number",
}
_PORT = 65_535


def run(args: Namespace) -> int:
    """Deliver until a signal ends it, or with --once what is unsent now."""
    context = context_of(args)
    tell_exposed(find_config(config_of(args)))
    port = context.delivery.metrics_port
    if args.metrics_port is not None:
        port = args.metrics_port
        if not 0 <= port <= _PORT:
            raise BadInput(f"--metrics-port {port} is no port; write 0 to {_PORT}")
    with worker_journal(as_json=args.as_json, once=args.once):
        if args.once:
            return asyncio.run(_once(args, context))
        return asyncio.run(_for_ever(context, port))


async def _once(args: Namespace, context: Context) -> int:
    from meterdeck.core.services.sync.worker import Worker  # noqa: PLC0415 - the SDK

    async with Worker(context, hasty=True) as worker:
        await worker.run_once(_progress(as_json=args.as_json))
        return _report(output_of(args), context, worker)


def _progress(*, as_json: bool) -> Callable[[str], None]:
    if as_json or not sys.stderr.isatty():
        return lambda text: None
    return note


async def _for_ever(context: Context, port: int) -> int:
    from meterdeck.core.services.sync.metrics import (  # noqa: PLC0415
        Metrics,
        gathered_in_loop,
    )
    from meterdeck.core.services.sync.worker import Worker  # noqa: PLC0415
    from meterdeck.tui.cli.ending import until_ended  # noqa: PLC0415

    metrics = Metrics()
    async with Worker(context, observer=metrics) as worker:
        with ExitStack() as stack:
            if port:
                _ask(metrics, gathered_in_loop(worker.facts))
                host = context.delivery.metrics_host
                stack.callback(metrics.serve(host, port))
            await until_ended(_watched(worker))
    return 0


async def _watched(worker: Worker) -> None:
    """Run the worker; systemd, where it started this, is told that it is alive."""
    from meterdeck.core.adapters.service_manager import (  # noqa: PLC0415
        service_manager,
    )

    manager = service_manager()
    work = asyncio.create_task(worker.run())
    # A server that is away is waited for: the service is ready all the same.
    alive = asyncio.create_task(manager.ready_and_alive())
    try:
        await asyncio.wait((work,))
    finally:
        if not work.done():
            manager.stopping()
            work.cancel()
        # Still alive while what is on its way is waited for.
        await asyncio.gather(work, return_exceptions=True)
        alive.cancel()
    await work


def _ask(metrics: Metrics, facts: Facts) -> None:
    from meterdeck.core.services.sync.metrics import Asked  # noqa: PLC0415

    gauges = (
        ("due_counters", "due", "Counters that may have unsent units."),
        ("unbilled_counters", "unbilled", "Counters that cannot be billed as it is."),
        ("on_the_way", "on_the_way", "Events that were claimed and are not settled."),
        ("oldest_unsent_seconds", "oldest_unsent_s", "Age of the oldest unsent use."),
        ("queue_length", "queue_length", "Events of track() that are not settled."),
        ("letters", "letters", "Events that need somebody."),
        ("closing_counters", "closing", "Counters unsent of periods that end soon."),
        ("stopped", "stopped", "1 while Stripe does not accept the key."),
    )
    metrics.ask(
        (Asked(f"meterdeck_{name}", fact, text) for name, fact, text in gauges), facts
    )


def _report(out: Output, context: Context, worker: Worker) -> int:
    counters, queued = worker.counters.tally, worker.queued.tally
    unfinished = worker.unfinished
    left = dict(counters.left + queued.left)
    sent = counters.delivered + queued.delivered
    form: Form = {
        **context_form(context),
        "delivered": sent,
        "dead": counters.dead + queued.dead,
        "ambiguous": counters.ambiguous + queued.ambiguous,
        "unfinished": unfinished,
        "left": left,
    }
    bad = bool(form["dead"] or form["ambiguous"] or unfinished or left)
    if out.as_json:
        out.object(form)
    else:
        nothing = "nothing was delivered" if bad else "nothing was unsent"
        out.line(f"{phrases.counted(sent, 'event')} delivered" if sent else nothing)
        _tell(out, form)
        _tell_left(out, "counter", counters.left)
        _tell_left(out, "queued event", queued.left)
    return 1 if bad else 0


def _tell(out: Output, form: Form) -> None:
    for name, words in (
        ("dead", "refused: see meterdeck letters"),
        ("ambiguous", "ambiguous: see meterdeck letters"),
        ("unfinished", "not finished: run it again, or look at the reasons above"),
    ):
        if form[name]:
            out.line(Cell(f"{form[name]:,} {words}", Tone.HIGH))


def _tell_left(out: Output, what: str, left: Mapping[str, int]) -> None:
    for why, count in sorted(left.items()):
        counted = phrases.counted(count, what)
        out.line(Cell(f"{counted}: {_LEFT.get(why, why)}", Tone.NEAR))


@contextmanager
def worker_journal(*, as_json: bool, once: bool) -> Iterator[None]:
    """Let the worker's journal go to standard error, or as JSON to standard output.

    With --once standard output has the one object of the result, and no journal.
    """
    from meterdeck.core.services.sync import journal  # noqa: PLC0415

    stream = sys.stdout if as_json and not once else sys.stderr
    handler = logging.StreamHandler(stream)
    handler.setFormatter(journal.JsonLines() if as_json else journal.TextLines())
    # The root's: also what the libraries say then has no secret and no control byte.
    every, log = logging.getLogger(), logging.getLogger("meterdeck")
    every.addHandler(handler)
    log.setLevel(logging.WARNING if once else logging.INFO)
    try:
        yield
    finally:
        every.removeHandler(handler)
        log.setLevel(logging.NOTSET)
