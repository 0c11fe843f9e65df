"""What the `:` line understands, and which keys may be chosen."""

import pytest

from meterdeck.core.errors import BadInput
from meterdeck.tui.actions import ACTIONS, BY_ID
from meterdeck.tui.actions.keys import keys_of
from meterdeck.tui.command_line.commands import Command, Commands


class Ran(list[tuple[str, str]]):
    """What was run, with what."""

    def commands(self, **short: str) -> Commands:
        """Return commands that note here that they were run."""

        def noting(name: str, *aliases: str, argument: str = "") -> Command:
            return Command(
                name,
                f"does {name}",
                lambda said: self.append((name, said)),
                aliases,
                argument,
                choices=lambda: ("pro", "plus", "p\x1bq"),
            )

        return Commands(
            [
                noting("events", "ev"),
                noting("export", argument="FORM"),
                noting("quit", "q"),
                noting("tenants", argument="FILTER"),
            ],
            short,
        )


@pytest.mark.parametrize(
    ("line", "ran"),
    [
        ("events", ("events", "")),
        (" EV ", ("events", "")),
        ("ev", ("events", "")),
        ("exp csv", ("export", "csv")),
        ("tenants  a:b  c ", ("tenants", "a:b  c")),
        ("late", ("tenants", "status:past_due")),
        ("late !x", ("tenants", "status:past_due !x")),
    ],
)
def test_a_line_runs_its_command(line: str, ran: tuple[str, str]) -> None:
    """By name, alias, beginning, or the user's own short form."""
    seen = Ran()
    seen.commands(late="tenants status:past_due").execute(line)

    assert seen == [ran]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("e", ":e may be :events or :export"),
        ("evnets", "no command :evnets; did you mean :events"),
        ("\x1b[2J", "? and ^p show what there is"),
        ("tenants", ":tenants needs a filter"),
        ("quit now", ":quit takes nothing after it"),
    ],
)
def test_a_wrong_line_runs_nothing_and_is_explained(line: str, complaint: str) -> None:
    """One sentence, without control characters of what was typed."""
    seen = Ran()
    with pytest.raises(BadInput) as refused:
        seen.commands().execute(line)

    assert complaint in str(refused.value)
    assert "\x1b" not in str(refused.value)
    assert seen == []


def test_a_line_is_completed_by_names_and_then_by_choices() -> None:
    """Aliases lead to their command; nothing unprintable is offered."""
    commands = Ran().commands(late="tenants x")

    assert commands.complete("e") == ["events", "export"]
    assert commands.complete("q") == ["quit"]
    assert commands.complete("l") == ["late"]
    assert commands.complete("tenants p") == ["tenants pro", "tenants plus"]
    assert commands.complete("late p") == ["late pro", "late plus"]
    assert commands.complete("nothing p") == []
    assert "does export" in commands.hint("export ")


def test_chosen_keys_hold_where_they_are_free() -> None:
    """Several for one action; the label is the first of them."""
    keys = keys_of((("adjust", "ctrl+a, ;"), ("events", "f5")))

    assert keys.problems == ()
    assert keys.chosen == {"adjust": "ctrl+a,semicolon", "events": "f5"}
    assert keys.label(BY_ID["adjust"]) == "^a"
    assert keys.label(BY_ID["events"]) == "F5"
    assert keys.label(BY_ID["undo"]) == "u"


@pytest.mark.parametrize(
    ("name", "key", "complaint"),
    [
        ("adjsut", "x", "console.keys.adjsut: no such action"),
        ("adjust", "ctrl+", "ctrl+ is no key"),
        ("adjust", "\x1b[A", "is no key"),
        ("adjust", "r", "r is the key of reset on the same screen"),
        ("events", "?", "? is the key of help on the same screen"),
    ],
)
def test_keys_that_cannot_be_are_left_out_and_explained(
    name: str, key: str, complaint: str
) -> None:
    """The others hold all the same."""
    keys = keys_of(((name, key), ("undo", "ctrl+u")))

    assert complaint in keys.problems[0]
    assert keys.chosen == {"undo": "ctrl+u"}


def test_steps_in_lists_have_keys_to_choose_as_well() -> None:
    """And no action takes the keys that they have."""
    keys = keys_of((("list_down", "ctrl+n,down"), ("undo", "j"), ("events", "k")))

    assert keys.chosen == {"list_down": "ctrl+n,down", "undo": "j"}
    assert "k is the key of list_up" in keys.problems[0]


def test_two_actions_may_change_keys() -> None:
    """What the other no longer has is free, in the order of the configuration."""
    keys = keys_of((("reset", "ctrl+r"), ("adjust", "r")))

    assert keys.problems == ()
    assert all(action.id for action in ACTIONS)
