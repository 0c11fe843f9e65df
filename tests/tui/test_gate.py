"""Every key, of every screen and dialog, is shown to be gated, or to write nothing.

All of it is found in the code: what is added is looked at without being named here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from inspect import getsource
from pathlib import Path
from pkgutil import walk_packages
from textwrap import dedent

from textual.binding import Binding
from textual.dom import DOMNode

from meterdeck import tui
from meterdeck.core import services
from meterdeck.tui.actions import BY_ID

ATTR = ast.Attribute
ACT = re.compile(r"screen\.act\('(\w+)'\)")
MOVES = {"app.focus_next", "app.focus_previous"}
REACHES = {"perform", "_send", "open_dialog", "ask", "runtime", "submit", "faults"}
"""Names by which code of the console gets at the engine."""


def bound() -> Iterator[tuple[type[DOMNode], Binding]]:
    """Yield each binding of our own screens, dialogs, widgets and the program."""
    for module in _modules():
        for each in vars(import_module(module)).values():
            if not isinstance(each, type) or each.__module__ != module:
                continue
            if issubclass(each, DOMNode):
                for binding in vars(each).get("BINDINGS", ()):
                    for one in Binding.make_bindings([binding]):
                        yield each, one


def _modules() -> Iterator[str]:
    for found in walk_packages(tui.__path__, f"{tui.__name__}."):
        if ".cli" not in found.name:
            yield found.name


def test_every_bound_key_passes_the_gate_or_reaches_no_engine() -> None:
    """What confirms a dialog only ends it, with a request that `perform` gets."""
    acted, other = set(), []
    for owner, binding in bound():
        act = ACT.fullmatch(binding.action)
        if act:
            acted.add(act[1])
        elif binding.action not in MOVES:
            name = binding.action.partition("(")[0]
            source = dedent(getsource(getattr(owner, f"action_{name}")))
            used = {n.attr for n in ast.walk(ast.parse(source)) if isinstance(n, ATTR)}
            if used & REACHES:
                other.append(f"{owner.__name__}: {binding.key} {binding.action}")

    assert other == []
    assert acted == set(BY_ID)


def test_only_a_request_asks_the_engine_to_write() -> None:
    """And a request is sent from one place, behind the gate's second door.

    A service's method writes where it looks at `read_only`, or calls what does.
    """
    writing = set(_writing())
    assert {"adjust", "set_override", "undo", "fire", "create_price"} <= writing
    outside, inside, sends, panels = [], set(), [], set()
    for path in _sources(tui):
        for function, owner in _functions(ast.parse(path.read_text())):
            for chain in _asked(function):
                if owner == "perform":
                    inside.add(chain[-1])
                elif chain[:2] == ["request", "perform"]:
                    sends.append(path.name)
                elif chain[:2] == ["engine", "faults"]:
                    panels.add(path.name)
                elif chain[-1] in writing:
                    outside.append(f"{path.name}: {'.'.join(chain)}")

    assert outside == []
    assert {"adjust", "set_override", "undo", "fire"} <= inside
    assert sends == ["change_desk.py"]
    assert panels == {"fault_desk.py"}  # which asks `barred` before each change


def _sources(package: object) -> Iterator[Path]:
    (folder,) = package.__path__  # type: ignore[attr-defined]  # of every package
    for path in Path(folder).rglob("*.py"):
        if "cli" not in path.parts:
            yield path


def _functions(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Yield functions and lambdas that are given an engine, by the function's name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            arguments = node.args.args
            if any(each.arg == "engine" for each in arguments):
                yield node, getattr(node, "name", "")


def _asked(function: ast.AST) -> Iterator[list[str]]:
    """Yield what is called on the engine, or gets it, as names."""
    for node in ast.walk(function):
        if not isinstance(node, ast.Call):
            continue
        names = _names(node.func)
        given = any(isinstance(a, ast.Name) and a.id == "engine" for a in node.args)
        if names[:1] == ["engine"] or given:
            yield names


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Attribute):
        return [*_names(node.value), node.attr]
    if isinstance(node, ast.Call):
        return _names(node.func)
    return [node.id] if isinstance(node, ast.Name) else [""]


def _writing() -> Iterator[str]:
    """Yield the names of the services' public methods that look whether they may."""
    for path in _sources(services):
        tree = ast.parse(path.read_text())
        for owner in (each for each in tree.body if isinstance(each, ast.ClassDef)):
            uses = {
                each.name: {*_mentioned(each)}
                for each in owner.body
                if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
                and each.name != "__init__"
            }
            found = {"read_only", "check_writable", "check_change"}
            while more := {n for n, used in uses.items() if used & found} - found:
                found |= more
            yield from (name for name in found & set(uses) if name[0] != "_")


def _mentioned(function: ast.AST) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Name):
            yield node.id
