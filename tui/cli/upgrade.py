"""`meterdeck upgrade`: a database of an older Redis contract, taken to this one's."""

from __future__ import annotations

from argparse import Namespace

from meterdeck.core.model.contract import OURS
from meterdeck.core.services.upgrade import UpgradePlan
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.json_form import context_form
from meterdeck.tui.cli.output import note


def run(args: Namespace) -> int:
    """Show what would be done; do it with --yes. Ends with 1 while it is to be done."""
    return run_call(args, _upgrade, without_stripe=True)


async def _upgrade(call: Call) -> int:
    if call.args.yes:
        call.refuse_read_only()
    upgrade = call.engine.upgrade()
    plan = await upgrade.plan(shut_out_older=call.args.shut_out_older)
    done = call.args.yes and not plan.nothing
    if done:
        await upgrade.apply(plan)
    if call.out.as_json:
        call.out.object({**context_form(call.context), **_form(plan), "done": done})
    else:
        _tell(call, plan, done=done)
    return 0 if done or plan.nothing else 1


def _form(plan: UpgradePlan) -> dict[str, object]:
    return {
        "found": plan.found.version,
        "found_writers": plan.found.writers,
        "version": plan.version,
        "writers": plan.writers,
        "trails": list(plan.trails),
        "older_workers": list(plan.older),
        "nothing_to_do": plan.nothing,
    }


def _tell(call: Call, plan: UpgradePlan, *, done: bool) -> None:
    out = call.out
    if plan.nothing:
        out.line(f"this database is of Redis contract {OURS}; nothing to do")
        return
    out.line(f"Redis contract  {plan.found.version} → {plan.version}")
    out.line(f"who may write   {plan.found.writers} → {plan.writers} and later")
    if plan.trails:
        out.line(f"audit trails    {len(plan.trails):,} to be named in their index")
    if plan.older:
        out.line(
            f"in the way      workers of an older contract: {', '.join(plan.older)}"
        )
    note("done" if done else "nothing was changed; --yes does it, while all goes on")
