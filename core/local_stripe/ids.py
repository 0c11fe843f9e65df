"""Object ids in the shapes the real ones have."""

from __future__ import annotations

import random
import string
from datetime import datetime

from meterdeck.core.local_stripe.wire import seconds

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_UNIQUE_LENGTH = 15
METER_PREFIX = "mtr_test_61"


class Ids:
    """Make ids; the same seed makes the same objects' ids in the same order."""

    def __init__(self, seed: int | None) -> None:
        self._seed = seed
        # Ids of a sandbox need no cryptography, and a seed must repeat them.
        self._objects = random.Random(seed)  # noqa: S311
        self._requests = random.Random(seed)  # noqa: S311
        self._account = self._unique(10)
        self.account = f"acct_1{self._unique(5)}{self._account}"

    @property
    def owner(self) -> str:
        """Give the characters by which every object's id names the account."""
        return self._account

    def resume(self, account: str, owner: str, run: int) -> None:
        """Go on as an account that made ids before, in the run of this number.

        No id of an earlier run is made again.
        """
        self.account, self._account = account, owner
        another = None if self._seed is None else f"{self._seed} {run}"
        self._objects = random.Random(another)  # noqa: S311
        self._requests = random.Random(another)  # noqa: S311

    def short(self, prefix: str) -> str:
        """Make `cus_`, `prod_`, `si_`: the prefix and 14 characters."""
        return f"{prefix}_{self._unique(14)}"

    def dated(self, prefix: str, at: datetime) -> str:
        """Make `sub_1…`, `price_1…`, `evt_1…`: time, account, 8 characters."""
        return f"{prefix}_{_base62(seconds(at))}{self._account}{self._unique(8)}"

    def meter(self) -> str:
        """Make `mtr_test_61…`."""
        unique = self._unique(_UNIQUE_LENGTH)
        return f"{METER_PREFIX}{unique}41{self._account}{self._unique(3)}"

    def v2_event(self) -> str:
        """Make `evt_test_65…`."""
        return f"evt_test_65{self._unique(42)}"

    def v2(self, prefix: str) -> str:
        """Make a v2 object's `…_test_61…`."""
        return f"{prefix}_test_61{self._unique(30)}"

    def token(self) -> str:
        """Make the secret of a meter event session."""
        return f"mesess_test_{self._unique(40)}"

    def secret(self) -> str:
        """Make the signing secret of a webhook."""
        return f"whsec_{self._unique(32)}"

    def identifier(self) -> str:
        """Make the UUID-like identifier of an event that came without one."""
        digits = f"{self._objects.getrandbits(128):032x}"
        parts = digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]
        return "-".join(parts)

    def request(self) -> str:
        """Make `req_` and 14 characters."""
        return "req_" + "".join(self._requests.choices(_BASE62, k=14))

    def prefix_of_invoices(self) -> str:
        """Make a customer's eight-letter invoice prefix."""
        return self._unique(8).upper()

    def _unique(self, length: int) -> str:
        return "".join(self._objects.choices(_BASE62, k=length))


def unique_part(meter_id: str) -> str:
    """Give the characters by which a meter's derived ids name it."""
    start = len(METER_PREFIX)
    return meter_id[start : start + _UNIQUE_LENGTH]


def _base62(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 62)
        digits = _BASE62[rest] + digits
    return digits
