"""Files of this machine: may other users read usage, or write settings?"""

from __future__ import annotations

import asyncio

from meterdeck.core.model.diagnosis import Verdict, fault, ok
from meterdeck.core.model.text import visible
from meterdeck.core.model.wording import counted
from meterdeck.core.services.doctor.check import Check, Patient, Places
from meterdeck.core.settings.file_modes import Exposed, exposed


def exposed_at(places: Places) -> tuple[Exposed, ...]:
    """Return what other users may use and should not, of everything there is.

    Raises:
        OSError: A folder cannot be read.
    """
    return exposed(places.config, places.state, spool=places.spool, whole=True)


async def _look(patient: Patient) -> Verdict:
    try:
        found = await asyncio.to_thread(exposed_at, patient.places)
    except OSError as error:
        return fault(
            f"{error.filename} cannot be read: {error.strerror}",
            "run doctor as the applications' user",
        )
    if not found:
        return ok("nobody else may use them")
    more = f", and {counted(len(found) - 1, 'more')}" if found[1:] else ""
    first, fixable = found[0], any(each.ours for each in found)
    return fault(
        f"{visible(str(first.path), 200)} {first.problem}{more}",
        "close them: meterdeck doctor files --fix" if fixable else first.mend,
    )


FILES = Check(
    "files",
    "File modes",
    "whether other users may read the spool and this user's state, or write the"
    " configuration",
    "The spool holds tenants' usage, and applications refuse one that is open; who"
    " writes the configuration sends the key where they like.",
    _look,
    asks=frozenset(),
)
