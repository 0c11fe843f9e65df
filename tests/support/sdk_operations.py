"""The SDK's methods by what they request, read from its service modules' source."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.support.sdk_types import evaluated


@dataclass(frozen=True)
class SdkMethod:
    """One method of a service: what it takes and what it answers."""

    http_method: str
    path: str
    module: str
    name: str
    params: str
    answer: str

    def params_type(self) -> Any:
        """Give the TypedDict of its parameters, None when it takes none."""
        return evaluated(self.params, self.module) if self.params else None

    def answer_type(self) -> Any:
        """Give the class of its answer."""
        return evaluated(self.answer, self.module)


@cache
def sdk_methods() -> dict[tuple[str, str], SdkMethod]:
    """Give the methods by HTTP method and path, in which `{}` stands for an id."""
    spec = find_spec("stripe")
    assert spec is not None
    assert spec.origin is not None
    root = Path(spec.origin).parent
    methods: dict[tuple[str, str], SdkMethod] = {}
    for file in sorted(root.rglob("_*_service.py")):
        module = ".".join(("stripe", *file.relative_to(root).with_suffix("").parts))
        for each in _methods_of(file.read_text(), module):
            methods.setdefault((each.http_method, each.path), each)
    return methods


def _methods_of(source: str, module: str) -> Iterator[SdkMethod]:
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef):
            continue
        for call in ast.walk(node):
            if isinstance(call, ast.Call) and _requests(call):
                yield SdkMethod(
                    http_method=_text(call.args[0]).upper(),
                    path=_path(call.args[1]),
                    module=module,
                    name=node.name,
                    params=_params(node),
                    answer=_text(node.returns),
                )


def _requests(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr == "_request"


def _path(node: ast.expr) -> str:
    """Give `"/v1/x/{id}".format(…)` with its names of ids taken out."""
    text = node.func.value if _is_format(node) else node  # type: ignore[attr-defined]
    parts = _text(text).split("/")
    return "/".join("{}" if part.startswith("{") else part for part in parts)


def _is_format(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)


def _params(function: ast.FunctionDef) -> str:
    for argument in (*function.args.posonlyargs, *function.args.args):
        if argument.arg == "params" and argument.annotation is not None:
            text = ast.unparse(argument.annotation)
            return text.removeprefix("Optional[").removesuffix("]").strip("'")
    return ""


def _text(node: ast.expr | None) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    return "" if node is None else ast.unparse(node)
