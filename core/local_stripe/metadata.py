"""Metadata: sent keys merge, an empty value deletes its key, an empty map all."""

from __future__ import annotations

from meterdeck.core.local_stripe.parameters import Parameters


def merged(before: dict[str, str], parameters: Parameters) -> dict[str, str]:
    """Give the metadata after a request."""
    if "metadata" not in parameters:
        return before
    sent = parameters.texts("metadata")
    if not sent:
        return {}
    both = {**before, **sent}
    return {key: value for key, value in both.items() if value != ""}
