"""`/_sandbox`: the fault panel over HTTP, for programs of this machine.

It asks for no key: who reaches the sandbox has its key anyway. A page in a browser
could reach it, too, and is kept out: it sends an Origin, a foreign Host, or a body
that is no JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from meterdeck.core.errors import BadInput
from meterdeck.core.local_stripe.faults.settling import settle
from meterdeck.core.local_stripe.faults.sight import sight_of
from meterdeck.core.local_stripe.running import bring_up_to_date
from meterdeck.core.local_stripe.wire import Json
from meterdeck.core.local_stripe.world import World
from meterdeck.core.model.fault_presets import preset
from meterdeck.core.model.fault_values import AHEAD
from meterdeck.core.model.faults import OFF

_MOST_BYTES = 65_536
_HERE = ("127.0.0.1", "localhost", "[::1]")
_HELP = {
    "GET /_sandbox": "this",
    "GET /_sandbox/faults": "what goes wrong, and what was injected",
    "POST /_sandbox/faults": 'changes it: {"429": 0.3}, {"preset": "bad-day"}',
    "DELETE /_sandbox/faults": "all off",
    "GET /_sandbox/pushes": "what goes wrong with pushes to webhooks",
    "POST /_sandbox/pushes": 'changes it: {"out_of_order": true, "drop_next": 2}',
    "POST /_sandbox/settle": "shows in summaries and reports now what shows later",
    "POST /_sandbox/clock": 'moves Stripe\'s clock ahead: {"advance": "40d"}',
}
_Handler = Callable[[Mapping[str, object]], Json]


class _Rejected(Exception):
    """A request that the panel does not answer, and why."""

    def __init__(self, status: int, sentence: str) -> None:
        self.status = status
        super().__init__(sentence)


class Control:
    """Answer what is asked of the panel."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._handlers: dict[tuple[str, str], _Handler] = {
            ("GET", "/_sandbox"): self._overview,
            ("GET", "/_sandbox/faults"): self._sight,
            ("POST", "/_sandbox/faults"): self._change,
            ("DELETE", "/_sandbox/faults"): self._clear,
            ("GET", "/_sandbox/pushes"): self._pushes,
            ("POST", "/_sandbox/pushes"): self._pushes,
            ("POST", "/_sandbox/settle"): self._settle,
            ("POST", "/_sandbox/clock"): self._advance,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            answer, status = await self._answer(request), 200
        except BadInput as problem:
            answer, status = _error(str(problem)), 400
        except _Rejected as rejected:
            answer, status = _error(str(rejected)), rejected.status
        await JSONResponse(answer, status)(scope, receive, send)

    async def _answer(self, request: Request) -> Json:
        _keep_browsers_out(request)
        path = request.url.path.rstrip("/")
        handler = self._handlers.get((request.method, path))
        if handler is None:
            raise _Rejected(404, f"there is {', '.join(_HELP)}")
        body = await _body_of(request) if request.method == "POST" else {}
        answer = handler(body)
        self._world.save()
        return answer

    def _overview(self, body: Mapping[str, object]) -> Json:
        return {"help": _HELP, **sight_of(self._world)}

    def _sight(self, body: Mapping[str, object]) -> Json:
        return sight_of(self._world)

    def _change(self, body: Mapping[str, object]) -> Json:
        """Change some settings; a preset first turns everything else off."""
        changes = dict(body)
        named = changes.pop("preset", None)
        if named is None:
            self._world.panel.change(changes)
        else:
            self._world.panel.set(preset(str(named)).faults.changed(changes))
        return sight_of(self._world)

    def _clear(self, body: Mapping[str, object]) -> Json:
        panel = self._world.panel
        panel.set(OFF.changed({"seed": panel.faults.seed}))
        return sight_of(self._world)

    def _pushes(self, body: Mapping[str, object]) -> Json:
        self._world.pushes.change(body)
        return self._world.pushes.shown()

    def _settle(self, body: Mapping[str, object]) -> Json:
        return {"settled": settle(self._world), **sight_of(self._world)}

    def _advance(self, body: Mapping[str, object]) -> Json:
        """Move the account's clock, and let happen what comes due by it."""
        if list(body) != ["advance"]:
            raise BadInput('write {"advance": seconds}, or {"advance": "40d"}')
        seconds = AHEAD.read("advance", body["advance"])
        self._world.advance_by(timedelta(seconds=seconds))
        bring_up_to_date(self._world)
        self._world.save()
        return sight_of(self._world)


def _keep_browsers_out(request: Request) -> None:
    host = request.headers.get("host", "").rpartition(":")
    name = host[0] if host[2].isdecimal() else "".join(host)
    if "origin" in request.headers or name not in _HERE:
        raise _Rejected(403, "the panel answers programs of this machine, no web page")


async def _body_of(request: Request) -> dict[str, object]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise _Rejected(415, "the body must be JSON: Content-Type: application/json")
    body = await request.body()
    if len(body) > _MOST_BYTES:
        raise _Rejected(413, f"the body is longer than {_MOST_BYTES} bytes")
    try:
        found = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise BadInput('the body is no JSON object; write {"429": 0.3}')
    return found


def _error(sentence: str) -> Json:
    return {"error": {"message": sentence}}
