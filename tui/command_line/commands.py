"""What the `:` line knows, and how a line is read and completed; knows no widgets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from meterdeck.core.errors import BadInput
from meterdeck.core.model.text import visible

Choices = Callable[[], Iterable[str]]
_MOST = 50
_SHOWN = 30


def _none() -> Iterable[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes:
        does: One line, for the hint and the help.
        argument: What follows the name, like "TENANT"; empty where nothing does.
        optional: Whether the argument may be left out.
        choices: What the argument is completed from; asked at each key.
    """

    name: str
    does: str
    run: Callable[[str], None]
    aliases: tuple[str, ...] = ()
    argument: str = ""
    optional: bool = False
    choices: Choices = _none


@dataclass(frozen=True, slots=True)
class Commands:
    """All commands, and short forms that the user has configured for whole lines."""

    commands: Sequence[Command]
    short: Mapping[str, str]

    def execute(self, line: str) -> None:
        """Run a line; an empty one does nothing.

        Raises:
            BadInput: There is no such command, or its argument is missing.
        """
        name, _, argument = self.expanded(line).strip().partition(" ")
        if not name:
            return
        command = self.find(name)
        argument = argument.strip()
        if argument and not command.argument:
            raise BadInput(f":{command.name} takes nothing after it")
        if command.argument and not command.optional and not argument:
            raise BadInput(f":{command.name} needs a {command.argument.lower()}")
        command.run(argument)

    def expanded(self, line: str) -> str:
        """Return a line with the user's own short form written out."""
        name, gap, rest = line.strip().partition(" ")
        full = self.short.get(name)
        return f"{full}{gap}{rest}" if full else line

    def find(self, name: str) -> Command:
        """Return the command of that name or alias, or the only one that begins so.

        Raises:
            BadInput: There is none, or there are several.
        """
        wanted = name.lower()
        for command in self.commands:
            if wanted in (command.name, *command.aliases):
                return command
        begun = [each for each in self.commands if each.name.startswith(wanted)]
        if len(begun) == 1:
            return begun[0]
        if begun:
            raise BadInput(f":{visible(name, _SHOWN)} may be {_listed(begun)}")
        near = get_close_matches(wanted, self._names(), n=1)
        hint = f"did you mean :{near[0]}?" if near else "? and ^p show what there is"
        raise BadInput(f"there is no command :{visible(name, _SHOWN)}; {hint}")

    def complete(self, line: str) -> list[str]:
        """Return whole lines that `line` may become, the likeliest first."""
        name, gap, begun = line.partition(" ")
        if not gap:
            return self._names_from(name.lower())
        try:
            command = self.find(self.expanded(name).partition(" ")[0])
        except BadInput:
            return []
        wanted = begun.lower()
        found: list[str] = []
        for choice in command.choices():
            if choice.lower().startswith(wanted) and visible(choice) == choice:
                found.append(f"{name} {choice}")
                if len(found) == _MOST:
                    break
        return found

    def hint(self, line: str) -> str:
        """Return what the command of a line does, or which ones it may become."""
        name, gap, _ = line.partition(" ")
        if not name:
            return "a command; Tab completes, ↑ the one before"
        names = self._names_from(name.lower())
        if not gap and len(names) > 1 and names[0] != name:
            return "  ".join(names)
        try:
            command = self.find(self.expanded(name).partition(" ")[0])
        except BadInput as error:
            return str(error)
        return f"{command.argument}  {command.does}".strip()

    def _names(self) -> list[str]:
        return [command.name for command in self.commands] + list(self.short)

    def _names_from(self, begun: str) -> list[str]:
        names = sorted(name for name in self._names() if name.startswith(begun))
        aliased = [each.name for each in self.commands if begun in each.aliases]
        return list(dict.fromkeys([*aliased, *names]))


def _listed(commands: Sequence[Command]) -> str:
    return " or ".join(f":{command.name}" for command in commands[:6])
