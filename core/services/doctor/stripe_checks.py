"""Stripe itself: the key, the answer, the API's version, its clock."""

from __future__ import annotations

from contextlib import suppress

from meterdeck.core.errors import StripeRefused
from meterdeck.core.model.context import Mode
from meterdeck.core.model.diagnosis import Verdict, fault, ok, warning
from meterdeck.core.model.text import visible
from meterdeck.core.services.acl.stripe_rights import missing_permissions
from meterdeck.core.services.doctor.check import STRIPE, Check, Patient

TESTED_VERSION = "2026-10-28.endive"
"""The API's version that meterdeck's tests talk to."""

_RESTRICTED = "rk_"
_SKEWED_S, _FUTURE_S = 5.0, 300.0


async def _key(patient: Patient) -> Verdict:
    if patient.key_problem:
        return fault(patient.key_problem, "correct stripe.api_key, or mode")
    options, mode = patient.context.stripe, patient.context.mode
    if options is None:
        return ok("this context has no Stripe")
    restricted = options.api_key.reveal().startswith(_RESTRICTED)
    if mode is Mode.LIVE and not restricted:
        return warning(
            "a live secret key: whoever has it may do everything with the account",
            "make a restricted key (rk_live_…) with the permissions of docs/roles.md",
        )
    kind = "restricted" if restricted else "secret"
    return ok(f"a {kind} key of {'live' if mode is Mode.LIVE else 'test'} mode")


async def _answers(patient: Patient) -> Verdict:
    took = await patient.stripe.ping()
    return ok(f"takes the key, answers in {took:.0f} ms")


async def _version(patient: Patient) -> Verdict:
    asked, answered = await patient.stripe.versions()
    if not answered:
        await patient.stripe.ping()
        asked, answered = await patient.stripe.versions()
    if answered != asked:
        shown = visible(answered, 40) or "no version"
        return fault(
            f"asked for {asked}, and answered in {shown}",
            "see what stands between here and Stripe: stripe.api_base, a proxy",
        )
    if asked.partition(".")[2] != TESTED_VERSION.partition(".")[2]:
        return warning(
            f"{asked}, and this meterdeck was tested with {TESTED_VERSION}",
            "install the SDK that constraints.txt names, or a newer meterdeck",
        )
    return ok(asked)


async def _clock(patient: Patient) -> Verdict:
    with suppress(StripeRefused):  # a refusal has its Date, too
        await patient.stripe.ping()
    ahead_s = patient.stripe.ahead_s
    if ahead_s is None:
        return ok("its answers do not say what time it is")
    if patient.context.mode is Mode.SANDBOX:
        return ok(f"a sandbox's own, {max(0, round(ahead_s)):,} s ahead of this host")
    if abs(ahead_s) <= _SKEWED_S:
        return ok(f"within {_SKEWED_S:.0f} s of this host")
    side = "behind" if ahead_s > 0 else "ahead of"
    found = f"this host is {abs(ahead_s):,.0f} s {side} Stripe"
    bad = fault if abs(ahead_s) >= _FUTURE_S else warning
    return bad(found, "have this host keep its time by NTP")


async def _permissions(patient: Patient) -> Verdict:
    options, role = patient.context.stripe, patient.role
    if options is not None and not options.api_key.reveal().startswith(_RESTRICTED):
        return ok("a secret key may do everything")
    missing = await missing_permissions(patient.stripe, role)
    if not missing:
        return ok(f"reads what the role {role} reads; what it may write is not tried")
    lacking = ", ".join(each.permission for each in missing)
    return fault(
        f"the role {role} needs {visible(lacking, 300)}",
        "edit the restricted key in Stripe's dashboard, Developers, API keys; what each"
        " role needs: docs/roles.md",
    )


KEY = Check(
    "key",
    "Stripe key",
    "whether the key can be read and is of the context's mode; in live mode whether it"
    " is a restricted one",
    "A live key in a test context bills real customers for tests.",
    _key,
    asks=frozenset(),
    of_billing=True,
)
ANSWERS = Check(
    "stripe",
    "Stripe",
    "whether it answers and takes the key, with data of the context's mode",
    "Usage waits until Stripe takes it.",
    _answers,
    asks=STRIPE,
    of_billing=True,
)
STRIPE_CHECKS = (
    Check(
        "permissions",
        "Permissions",
        "whether a restricted key may read what the role needs: `--role`, else worker,"
        " or viewer in a read-only context; what it may write cannot be asked",
        "What the key may not do is refused in the middle of the work.",
        _permissions,
        asks=STRIPE,
        of_billing=True,
    ),
    Check(
        "stripe_version",
        "Stripe version",
        "the API's version that is asked for, answered in, and tested with",
        "In another version objects look different: periods move, fields go.",
        _version,
        asks=STRIPE,
        of_billing=True,
    ),
    Check(
        "stripe_clock",
        "Stripe's clock",
        "this host against the Date of Stripe's answers: 5 seconds are a warning, 5"
        " minutes a fault",
        "Stripe refuses usage that is more than 5 minutes ahead of its clock.",
        _clock,
        asks=STRIPE,
        keyless=True,
        of_billing=True,
    ),
)
