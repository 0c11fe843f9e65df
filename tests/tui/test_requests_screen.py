"""Changes by request in the console: asked, answered later, approved by another."""

from dataclasses import replace

from tests.tui.pictures import believable, context, first_picture
from tests.tui.request_pictures import DONE, have_requests
from tests.tui.support import Operator, operating

from meterdeck.core.errors import Asked
from meterdeck.core.model.change_requests import Verdict
from meterdeck.core.model.context import Context
from meterdeck.core.model.request_rules import Changes, Rank, RequestOptions
from meterdeck.tui.dialogs.decision import ApproveDialog

TENANTS = believable()


def by_request() -> Context:
    """Return a context in which ana, who is a lead, asks for changes."""
    found = context()
    rules = RequestOptions(people=(("ana", Rank.LEAD), ("cora", Rank.SUPPORT)))
    redis = replace(found.redis, username="ana")
    return replace(found, changes=Changes.REQUEST, requests=rules, redis=redis)


async def ask_for_a_reset(operator: Operator) -> None:
    """Reset the first tenant's calls as the dialog has it."""
    await operator.press("r")
    await operator.type("counted twice")
    await operator.press("ctrl+s")


async def test_a_change_is_asked_for_and_its_answer_comes_later() -> None:
    """First what it waits for, then, whenever it comes, what came of it."""
    async with operating(first_picture(TENANTS), of=by_request()) as operator:
        operator.engine.error = Asked("d-1", "another person's approval, because")
        await ask_for_a_reset(operator)
        await operator.notices_say("asked; waiting for another person's approval")

        operator.app.asking.look()
        operator.engine.requests.answers += [replace(DONE, id="other"), DONE]
        operator.app.asking.look()
        await operator.notices_say("done: 120 → 20 (ben)")


async def test_a_dialog_says_what_becomes_of_the_change_before_it_is_asked_for() -> (
    None
):
    """That a second person has to approve it, and why; that no worker serves requests,
    from the moment on at which none does; and where changes are direct nothing."""
    async with operating(first_picture(TENANTS), of=by_request()) as operator:
        await operator.press("a")
        await operator.type("5")
        await operator.press("tab", "tab")
        await operator.type("a test")
        await operator.sees("This is asked for: a worker makes it at once.")
        operator.engine.requests.is_served = False
        operator.app.asking.look()
        operator.app.screen.look()  # type: ignore[attr-defined]  # as it does by itself
        await operator.sees("This is asked for: no worker serves requests now, so it")

        await operator.press("escape", "o")
        await operator.type("unlimited")
        await operator.press("tab", "tab")
        await operator.type("launch")
        await operator.sees("This is asked for: a second person has to approve it, as")
        assert "no worker serves" in operator.text()
    async with operating(first_picture(TENANTS)) as operator:
        await operator.press("a")
        assert not operator.app.screen.query("#asked")


async def test_a_lead_approves_what_another_asks_for() -> None:
    """Told when it comes; before → after is of the counter as it is now; nobody
    decides their own, and Enter never does."""
    async with operating(first_picture(TENANTS), of=by_request()) as operator:
        have_requests(operator.engine.requests)
        operator.app.asking.look()
        await operator.notices_say("1 request waits for approval; Q shows")

        await operator.press("Q")
        text = await operator.sees("2 waiting of 3")
        assert text.index("cora") < text.index("storage_gb") < text.index("done")
        assert "counted twice␛[2J" in text
        await operator.press("a")
        assert isinstance(operator.app.screen, ApproveDialog)
        assert "→" in operator.text()
        await operator.press("enter", "enter")
        assert not operator.engine.requests.decided
        await operator.press("a")
        await operator.press("ctrl+s")
        await operator.notices_say("done: 95,000 → 0")
        await operator.sees("1 waiting of 2")

        await operator.press("a", "ctrl+s")
        assert "it is your own" in operator.text()
        await operator.press("escape", "w", "ctrl+s")
        await operator.notices_say("withdrawn by ana")

    said = [(name, verdict) for name, verdict, _ in operator.engine.requests.decided]
    assert said == [("cora:4f3c2a", Verdict.APPROVE), ("ana:77aa01", Verdict.WITHDRAW)]
