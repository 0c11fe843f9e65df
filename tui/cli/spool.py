"""`meterdeck spool`: usage on this machine's disk that Redis was not told yet."""

from __future__ import annotations

from argparse import Namespace
from datetime import datetime
from pathlib import Path

from meterdeck.core.adapters.spool_root import found_spools, found_unsettled
from meterdeck.core.errors import BadInput
from meterdeck.core.model.degraded import FoundSpool, Unsettled
from meterdeck.core.settings import load_context, spool_directory
from meterdeck.tui.cli.arguments import config_of, flags_of, output_of
from meterdeck.tui.cli.json_form import moment
from meterdeck.tui.cli.output import Cell, Output, Tone, note


def run(args: Namespace) -> int:
    """List the spools of a directory; no server is asked and nothing is changed."""
    root = _directory(args)
    try:
        spools, unsettled = found_spools(root), found_unsettled(root)
    except OSError as error:
        raise BadInput(f"{root} cannot be read: {error.strerror}") from error
    out = output_of(args)
    if out.as_json:
        out.object(
            {
                "directory": str(root),
                "spools": [_form(each) for each in spools],
                "unsettled": [_unsettled_form(each) for each in unsettled],
            }
        )
    else:
        _tell(out, root, spools, unsettled)
    return 0


def _directory(args: Namespace) -> Path:
    if args.directory is not None:
        named = Path(args.directory)
        if not named.is_dir():
            raise BadInput(f"{named} is no directory; leave it out for the context's")
        return named
    context = load_context(
        config=config_of(args),
        context=getattr(args, "context", None),
        flags=flags_of(args),
        with_stripe=False,
    )
    return spool_directory(context)


def _tell(
    out: Output,
    root: Path,
    spools: tuple[FoundSpool, ...],
    unsettled: tuple[Unsettled, ...],
) -> None:
    out.table([_row(each) for each in spools])
    if unsettled:
        out.line(Cell("not counted, for you to settle:", Tone.HIGH))
        out.table([_unsettled_row(each) for each in unsettled], indent=2)
    if not any(each.calls for each in spools) and not unsettled:
        note(f"nothing waits in {root}")


def _form(spool: FoundSpool) -> dict[str, object]:
    return {
        "name": spool.name,
        "pid": spool.pid,
        "live": spool.live,
        "calls": spool.calls,
        "bytes": spool.bytes,
        "oldest_at": moment(spool.oldest_at),
        "damaged_bytes": spool.damaged_bytes,
    }


def _unsettled_form(unsettled: Unsettled) -> dict[str, object]:
    call = unsettled.call
    return {
        "at": moment(call.at),
        "tenant": call.tenant,
        "call_id": call.call_id,
        "kind": call.kind.value,
        "amounts": dict(call.amounts),
        "why": unsettled.why,
    }


def _row(spool: FoundSpool) -> tuple[Cell | str, ...]:
    owner = Cell("running") if spool.live else Cell("ended", Tone.NEAR)
    damaged = f"{spool.damaged_bytes:,} bytes damaged" if spool.damaged_bytes else ""
    return (
        f"process {spool.pid}",
        owner,
        Cell(f"{spool.calls:,} calls", right=True),
        Cell(f"{spool.bytes:,} bytes", right=True),
        f"since {_when(spool.oldest_at)}" if spool.oldest_at else "",
        Cell(damaged, Tone.HIGH),
    )


def _unsettled_row(unsettled: Unsettled) -> tuple[Cell | str, ...]:
    call = unsettled.call
    amounts = " ".join(f"{name}={units}" for name, units in call.amounts)
    return (_when(call.at), call.tenant, amounts, unsettled.why)


def _when(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
