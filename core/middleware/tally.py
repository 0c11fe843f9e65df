"""What a middleware did, in numbers, for the application's own metrics."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Tally:
    """Counts since the start; the one that is given to a middleware is kept current.

    Attributes:
        allowed: Requests that were counted and passed on (`check`).
        refused: Requests answered with 429 (`check`).
        counted: Answers counted (`count`).
        over_limit: Answers not counted as they did not fit into the limit (`count`).
        spooled: Requests or answers that a client keeps on disk, to be counted once.
        no_tenant: Requests without a tenant, or with a name that can be none.
        faults: Requests that were not counted and will not be, by a fault.
        given_back: Requests whose units were given back as their work failed or was
            not begun, or are on a client's disk to be given back (`check`).
        not_given_back: Requests whose units should have been, and a fault prevented it.
        unknown: Those of `faults` that may have been counted, and those of
            `not_given_back` that may have been given back.
        rule_errors: Times that one of the application's callables failed.
    """

    allowed: int = 0
    refused: int = 0
    counted: int = 0
    over_limit: int = 0
    spooled: int = 0
    no_tenant: int = 0
    faults: int = 0
    given_back: int = 0
    not_given_back: int = 0
    unknown: int = 0
    rule_errors: int = 0
