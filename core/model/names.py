"""Names given by callers: how they become bytes, and which are refused."""

from __future__ import annotations

import re

from meterdeck.core.errors import BadInput
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import TenantId

_LONGEST_TENANT = 512
_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


def name_bytes(name: str) -> bytes:
    """Return the bytes of a name in Redis; surrogate escapes become bytes again.

    Raises:
        BadInput: It holds a surrogate that stands for no byte.
    """
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise BadInput(f"{visible(name)} is not text that can be stored") from error


def name_text(raw: bytes) -> str:
    """Return the name that `name_bytes` made `raw` from."""
    return raw.decode("utf-8", "surrogateescape")


def check_tenant(tenant: str, *, tagged: bool = False) -> TenantId:
    """Return `tenant` as an id.

    Raises:
        BadInput: Empty, longer than 512 bytes, not storable, or, where keys are
            tagged for a cluster, beginning with `}`.
    """
    tenant_bytes(tenant, tagged=tagged)
    return TenantId(tenant)


def tenant_bytes(tenant: str, *, tagged: bool = False) -> bytes:
    """Return the bytes of a tenant's name in Redis.

    Raises:
        BadInput: As `check_tenant`.
    """
    name = name_bytes(tenant)
    size = len(name)
    if not 1 <= size <= _LONGEST_TENANT:
        raise BadInput(
            f"a tenant's name has 1 to {_LONGEST_TENANT} bytes, this one has {size}"
        )
    if tagged and name.startswith(b"}"):
        raise BadInput("a tenant's name cannot begin with } where keys are tagged")
    return name


def check_id(what: str, given: str) -> str:
    """Return `given`, an operation's or a call's id.

    Raises:
        BadInput: Not 1 to 128 of letters, digits, `.`, `_` and `-`.
    """
    if _ID.fullmatch(given) is None:
        raise BadInput(
            f"{visible(given)} is no {what}; use up to 128 letters, digits, . _ and -"
        )
    return given
