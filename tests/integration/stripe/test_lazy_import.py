"""The SDK costs half a second, and nobody pays it who does not talk to Stripe."""

import subprocess
import sys

IMPORT_EVERYTHING = """
import importlib, pkgutil, sys
import meterdeck.core
import meterdeck.tui
for package in (meterdeck.core, meterdeck.tui):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.model.context import Mode, Secret, StripeOptions
StripeGateway(StripeOptions(Secret("sk_test_1")), Mode.TEST)
print([name for name in ("stripe", "aiohttp") if name in sys.modules])
"""


def test_no_module_imports_the_sdk_before_a_gateway_is_used() -> None:
    """Every module of meterdeck imported, a gateway made: still no SDK."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_EVERYTHING],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stderr == ""
    assert done.stdout == "[]\n"
