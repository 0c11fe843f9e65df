"""What an action of the console is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, Flag, auto

from meterdeck.core.model.acl.rights import Right


class Area(Flag):
    """The screens an action belongs to."""

    FLEET = auto()
    TENANT = auto()
    EVENTS = auto()
    EVENT = auto()
    FAULTS = auto()
    CATALOGUE = auto()
    OVERRIDES = auto()
    AUDIT = auto()
    DRIFT = auto()
    HEALTH = auto()
    PULSE = auto()
    ALERTS = auto()
    HANDOFF = auto()
    REQUESTS = auto()
    EVERYWHERE = (
        FLEET | TENANT | EVENTS | EVENT | FAULTS | CATALOGUE
        | OVERRIDES | AUDIT | DRIFT | HEALTH | PULSE | ALERTS | HANDOFF
        | REQUESTS
    )  # fmt: skip


class Confirm(Enum):
    """What stands between the key and the effect."""

    NONE = "nothing"
    DIALOG = "a dialog"
    TYPED = "a dialog, and in a live context its name, where undo cannot take it back"


@dataclass(frozen=True, slots=True)
class Action:
    """Something an operator can ask for.

    Attributes:
        id: Names the action and its binding.
        keys: Keys, separated by commas.
        key_label: How the keys are written on the screen.
        label: At most twelve characters, for the footer.
        does: One line for help and palette: what it shows or changes.
        rank: Place in the footer, lower survives longer on narrow screens; 0 is
            never there.
        writes: Changes Redis or Stripe.
        simulates: Sends something to Stripe that did not happen.
        of_stripe: Means nothing in a context without Stripe.
        sandbox: Only where Stripe is a sandbox's.
        rehearses: Changes what a sandbox's Stripe does wrong on purpose; it asks
            nothing, as nothing real depends on it.
        arms: Allows changes from then on, or ends that.
        right: What of Redis's user it needs that not every role has.
    """

    id: str
    keys: str
    key_label: str
    label: str
    does: str
    area: Area
    rank: int = 0
    confirm: Confirm = Confirm.NONE
    writes: bool = False
    simulates: bool = False
    of_stripe: bool = False
    sandbox: bool = False
    rehearses: bool = False
    arms: bool = False
    right: Right | None = None

    @property
    def changes(self) -> bool:
        """Whether it changes anything at all, so that it needs an armed console."""
        return self.writes or self.rehearses
