"""Who the console is to Redis, and what an operator is told that is not theirs."""

from dataclasses import replace

from tests.tui.pictures import NOW, context, update
from tests.tui.support import Operator, fleet_update, operating

from meterdeck.core.errors import NoRight
from meterdeck.core.model.acl.own_rights import RedisUser
from meterdeck.core.model.acl.rights import ROLE_RIGHTS, Right
from meterdeck.core.model.context import Context, Mode
from meterdeck.core.model.fleet_update import Health, Reach
from meterdeck.core.model.request_rules import Changes
from meterdeck.tui.actions import ACTIONS
from meterdeck.tui.dialogs.barred import BarredDialog
from meterdeck.tui.own_role import OwnRole

DOWN = Health(Reach.DOWN, message="gone")
LIVE = context(Mode.LIVE, name="production", arm_minutes=15)


def of_role(role: str) -> RedisUser:
    """Return ana, of whom the server says what it may."""
    return RedisUser.who_may("ana", sorted(ROLE_RIGHTS[role]))


async def becomes(operator: Operator, user: RedisUser | None) -> None:
    """Have Redis go and come back, with a user who may something else."""
    operator.engine.health.who = user
    await operator.push(update(redis=DOWN))
    await operator.push(update(at=NOW))
    await operator.pilot.pause()


def test_whatever_writes_into_redis_says_which_right_it_needs() -> None:
    """What only Stripe is asked for is not Redis's to refuse."""
    for action in ACTIONS:
        of_stripe = action.of_stripe or action.simulates
        assert (action.right is None) == (not action.writes or of_stripe), action.id


async def test_an_action_of_another_role_is_explained_before_anything_is_typed() -> (
    None
):
    """Before the console is armed, too: nobody arms for nothing."""
    async with operating(fleet_update(), of=LIVE) as operator:
        for role, allowed, refused in (
            ("viewer", "", "a r"),
            ("support", "a", "R"),
            ("lead", "a", ""),
            ("requester", "", "o"),
        ):
            await becomes(operator, of_role(role))
            assert f"as ana ({role})" in operator.lines()[0]
            for key in refused.split():
                await operator.press(*("D" if key == "R" else ""), key)
                assert isinstance(operator.app.screen, BarredDialog), key
                await operator.sees(f"ana ({role})")
                assert "Roles that may: " in operator.text()
                await operator.press("enter")
                operator.app.to_fleet()
            for key in allowed.split():
                await operator.press(key)
                await operator.notices_say("press ! to allow changes")
        assert operator.engine.adjusted == []


async def test_who_asks_for_changes_needs_no_right_to_make_them() -> None:
    """In a context by request a requester opens the dialog, and support may not."""
    by_request: Context = replace(context(), changes=Changes.REQUEST)
    async with operating(fleet_update(), of=by_request) as operator:
        await becomes(operator, of_role("requester"))
        await operator.press("a")
        await operator.sees("Adjust a counter")
        await operator.press("escape")

        await becomes(operator, of_role("support"))
        await operator.press("a")
        await operator.sees("Roles that may: requester.")


async def test_help_and_arming_say_who_this_is() -> None:
    """Also at 80 columns, where the header has no room for it."""
    async with operating(fleet_update(), of=LIVE, size=(80, 24)) as operator:
        await operator.press("question_mark")
        await operator.sees("Redis has not said who you are to it")
        await operator.press("escape")

        await becomes(operator, of_role("viewer"))
        assert "ana" not in operator.lines()[0]
        await operator.press("question_mark")
        await operator.sees("You are Redis user ana (viewer), who may only look")
        await operator.press("escape", "exclamation_mark")
        await operator.sees("it changes nothing here")


async def test_a_refused_command_teaches_what_the_server_does_not_tell() -> None:
    """Once; a while later it is tried again. The server is not asked each second."""
    async with operating(fleet_update(), of=context(arm_minutes=0)) as operator:
        await becomes(operator, RedisUser("ana"))
        await operator.press("a")
        await operator.sees("Adjust a counter")
        operator.engine.error = NoRight("Redis user ana has no right", "adjust")
        dialog = operator.app.screen
        dialog.query_one("#amount").value = "1"  # type: ignore[attr-defined]
        dialog.query_one("#reason").value = "why"  # type: ignore[attr-defined]
        await operator.pilot.pause()
        await operator.press("ctrl+s")
        await operator.notices_say("Redis user ana has no right")

        await operator.press("a")
        await operator.sees("Roles that may: support, lead")


def test_what_was_learned_from_a_refusal_is_forgotten() -> None:
    """After five minutes, or at once when the server tells."""
    now = [0.0]
    role = OwnRole(lambda: now[0])
    role.learn(Right.CHANGE)
    assert role.lacks(Right.CHANGE)
    now[0] = 301.0
    assert not role.lacks(Right.CHANGE)

    role.learn(Right.CHANGE)
    role.told(of_role("support"))
    assert not role.lacks(Right.CHANGE)
    assert role.lacks(Right.BILL)
