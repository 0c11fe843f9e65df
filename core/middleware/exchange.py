"""An HTTP request and, once there is one, the beginning of its answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from meterdeck.core.middleware.asgi import Headers, Message, Scope


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a callable is told about a request.

    Attributes:
        method: In capitals.
        path: As the request came in, decoded, without the mount's `root_path`.
        scope: The ASGI scope itself. When an answered request is counted, it holds
            what the application has put into it: `user`, `state`, `path_params`.
        status: The answer's status; None before there is an answer.
        answer_headers: The answer's headers; empty before there is an answer.
    """

    method: str
    path: str
    scope: Scope
    status: int | None = None
    answer_headers: Headers = ()

    @classmethod
    def begin(cls, scope: Scope) -> Self:
        """Return the exchange of a request that has just come in."""
        # Routers write their mount into the same scope later on, so the path has
        # to be taken now.
        return cls(scope["method"], _own_path(scope), scope)

    def answered(self, start: Message) -> Self:
        """Return the exchange with the answer that `http.response.start` begins."""
        headers = tuple((bytes(k), bytes(v)) for k, v in start.get("headers", ()))
        return replace(self, status=start["status"], answer_headers=headers)

    def header(self, name: str) -> str | None:
        """Return a header of the request, several joined by `, `; None without it."""
        return _joined(self.scope["headers"], name)

    def answer_header(self, name: str) -> str | None:
        """Return a header of the answer, several joined by `, `; None without it."""
        return _joined(self.answer_headers, name)


def _joined(headers: Headers, name: str) -> str | None:
    wanted = name.lower().encode("latin-1")
    found = [value for each, value in headers if each.lower() == wanted]
    return b", ".join(found).decode("latin-1") if found else None


def _own_path(scope: Scope) -> str:
    path, root = str(scope["path"]), str(scope.get("root_path") or "")
    rest = path.removeprefix(root)
    return rest if rest.startswith("/") else ("/" if not rest else path)
