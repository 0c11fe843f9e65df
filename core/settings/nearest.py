"""Name what was probably meant."""

from __future__ import annotations

from collections.abc import Iterable


def suggest(wrong: str, valid: Iterable[str]) -> str:
    """Return `did you mean …?`, or the list of what is valid where nothing is near."""
    # Only errors pay for it.
    from difflib import get_close_matches  # noqa: PLC0415

    names = tuple(valid)
    near = get_close_matches(wrong, names, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    return f"valid are: {', '.join(names)}" if names else "there is none to choose from"
