"""What a Stripe key of each role lacks is found by reading, and named."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.support.stripe_faults import Asked, FaultServer, Reply, page, refusal

from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.errors import StripeRefused
from meterdeck.core.model.acl.roles import Role
from meterdeck.core.model.acl.stripe_permissions import Permission, stripe_permissions
from meterdeck.core.model.context import Mode, Secret, StripeOptions
from meterdeck.core.services.acl.stripe_rights import missing_permissions

SAID = (
    "The provided key 'rk_test_***' does not have the required permissions for this"
    " endpoint. Having the '{}_read' permission would allow this request to continue."
)


@asynccontextmanager
async def asking(
    server: FaultServer,
) -> AsyncIterator[tuple[StripeGateway, FaultServer]]:
    """Run a server, and a gateway to it with a restricted key."""
    async with server:
        options = StripeOptions(Secret("rk_test_" + "1"), server.base_url)
        gateway = StripeGateway(options, Mode.TEST)
        yield gateway, server
    # After the server, whose ends of the connections are closed meanwhile.
    await gateway.close()


@pytest.mark.parametrize("role", Role)
async def test_one_permission_too_few_is_found_and_named(role: Role) -> None:
    """Each that the role reads, taken away by itself; with all of them none is missing.

    One object of each kind is asked for, and nothing is written.
    """
    probed = [each for each in stripe_permissions(role) if each.probe]
    assert bool(probed) is (role is not Role.APPLICATION)
    lacking: list[Permission] = []

    def choose(asked: Asked) -> Reply:
        for each in lacking:
            if asked.path == each.probe:
                return refusal(403, SAID.format(each.code))
        return page()

    async with asking(FaultServer(choose=choose)) as (gateway, server):
        assert await missing_permissions(gateway, role) == ()
        for each in probed:
            lacking[:] = [each]
            (missing,) = await missing_permissions(gateway, role)
            assert missing.permission == f"{each.resource}: Read"
            assert f"lacks the permission {each.resource}: Read" in str(missing)
        found = {(one.method, one.form.get("limit", "")) for one in server.asked}
        assert found <= {("GET", "1")}


async def test_a_refusal_for_another_reason_is_no_missing_permission() -> None:
    """A key that is not accepted at all is said as that."""
    refusing = FaultServer(refusal(401, "Invalid API Key provided"))
    async with asking(refusing) as (gateway, _):
        with pytest.raises(StripeRefused, match="Invalid API Key"):
            await missing_permissions(gateway, Role.VIEWER)
