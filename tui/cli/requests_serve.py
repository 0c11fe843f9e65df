"""`meterdeck requests serve`: the worker that makes the changes people ask for."""

from __future__ import annotations

import asyncio
import time
from argparse import Namespace
from typing import TYPE_CHECKING

from meterdeck.core.errors import MeterdeckError, Refused
from meterdeck.core.services.sync.request_duty import LOOK_S, TIDY_S, note_answer
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.ending import until_ended
from meterdeck.tui.cli.json_form import context_form
from meterdeck.tui.cli.output import note
from meterdeck.tui.cli.requests import refuse_direct
from meterdeck.tui.cli.sync import worker_journal

if TYPE_CHECKING:
    from meterdeck.core.services.requests.serving import RequestServer

_TRY_AGAIN_S = 0.5


def run(args: Namespace) -> int:
    """Serve requests until a signal ends it, or with --once those there are now."""
    with worker_journal(as_json=args.as_json, once=args.once):
        return run_call(args, _serve)


async def _serve(call: Call) -> int:
    call.refuse_read_only()
    refuse_direct(call)
    if not call.context.requests.people:
        name = call.context.name
        raise Refused(
            f"nobody's requests are served: contexts.{name}.requests.people is empty"
        )
    server = call.engine.request_server(note_answer)
    if not call.args.once:
        await until_ended(_for_ever(server))
        return 0
    while await server.serve():
        pass
    await server.tidy()
    served = server.served
    if call.out.as_json:
        form = {"answered": served.answered, "waiting": served.waiting}
        call.out.object({**context_form(call.context), **form})
    else:
        said = f"{served.answered:,} requests answered"
        call.out.line(f"{said}, {served.waiting:,} wait for approval")
    return 0


async def _for_ever(server: RequestServer) -> None:
    tidied, complaint = 0.0, ""
    while True:
        try:
            busy = await server.serve()
            if time.monotonic() - tidied >= TIDY_S:
                tidied = time.monotonic()
                await server.tidy()
            complaint = ""
        except MeterdeckError as error:
            if str(error) != complaint:
                complaint = str(error)
                note(f"requests wait: {complaint}")
            await asyncio.sleep(_TRY_AGAIN_S)
            continue
        if not busy:
            await asyncio.sleep(LOOK_S)
