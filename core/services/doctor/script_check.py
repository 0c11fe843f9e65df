"""The contract's scripts: does the server have them?"""

from __future__ import annotations

from meterdeck.core.adapters.script_loading import missing_scripts
from meterdeck.core.adapters.script_texts import script_texts
from meterdeck.core.model.diagnosis import Verdict, ok, warning
from meterdeck.core.services.doctor.check import Check, Patient, examples


async def _look(patient: Patient) -> Verdict:
    missing, every = await missing_scripts(patient.redis), len(script_texts())
    if not missing:
        return ok(f"all {every} are loaded")
    return warning(
        f"{len(missing)} of {every} are not loaded: {examples(missing)}",
        "load them: meterdeck doctor scripts --fix",
    )


SCRIPTS = Check(
    "scripts",
    "Scripts",
    "whether every master has the scripts of the Redis contract",
    "After a restart they are gone: a program in another language that sends the digest"
    " alone is refused until somebody loads them. Ours send the text by themselves.",
    _look,
)
