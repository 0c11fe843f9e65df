"""Who this console is to Redis: asked when it connects, and after a refusal."""

from __future__ import annotations

from collections.abc import Awaitable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from textual.message import Message

from meterdeck.core.errors import MeterdeckError, NoRight
from meterdeck.core.model.acl.rights import Right, right_to
from meterdeck.core.model.fleet_update import Reach
from meterdeck.tui.runtime import tell

if TYPE_CHECKING:
    from meterdeck.core.model.acl.own_rights import RedisUser
    from meterdeck.core.services.engine import Engine
    from meterdeck.tui.actions import Action
    from meterdeck.tui.console import ConsoleApp
    from meterdeck.tui.picture import Picture


class RoleTold(Message):
    """The server has said who this is, or did not."""

    def __init__(self, future: Future[RedisUser | None]) -> None:
        self.future = future
        super().__init__()


class RoleDesk:
    """Keeps the picture's role up to date, without asking again and again."""

    def __init__(self, app: ConsoleApp) -> None:
        self._app = app
        self._asked = False
        self._barred: Right | None = None

    def notice(self, picture: Picture) -> None:
        """Ask once for each time that Redis answers again; it may be another one."""
        if picture.redis.reach is not Reach.OK:
            self._asked = False
        elif not self._asked:
            self.look()

    def look(self) -> None:
        """Ask now."""
        self._asked = True

        def job(engine: Engine) -> Awaitable[RedisUser | None]:
            return engine.health.user()

        tell(self._app, self._app.runtime.submit(job, drained=False), RoleTold)

    def told(self, message: RoleTold) -> bool:
        """Take an answer in; tell whether the picture has another one now."""
        picture, error = self._app.picture, message.future.exception()
        if error is not None and not isinstance(error, MeterdeckError):
            raise error
        if error is not None or picture is None:
            self._asked = False  # with the next update
            return False
        before, user = picture.role.user, message.future.result()
        picture.role.told(user)
        barred, self._barred = self._barred, None
        if barred and user and user.may is not None and not user.lacks(barred):
            self._app.say(f"Redis user {user.words}: now it may", title=barred)
        return user != before

    def explain(self, action: Action, right: Right) -> None:
        """Say why an action is not for this role; and ask whether that still holds."""
        from meterdeck.tui.dialogs.barred import BarredDialog  # noqa: PLC0415  # rare

        picture = self._app.picture
        assert picture is not None
        self._app.push_screen(BarredDialog(action, right, picture.role.user))
        self._barred = right
        self.look()

    def refused(self, error: NoRight) -> None:
        """Learn from a change that the server has refused."""
        right, picture = right_to(error.refused), self._app.picture
        if right is not None and picture is not None:
            picture.role.learn(right)
        self.look()
