"""The grammar of the commands about what a sandbox's Stripe does wrong on purpose."""

from __future__ import annotations

import argparse

from meterdeck.tui.cli.command import Commands, add_command


def add_fault_commands(commands: Commands, common: argparse.ArgumentParser) -> None:
    """Add faults and clock; both are for sandboxes only."""
    _add_faults(commands, common)
    _add_clock(commands, common)


def _add_faults(commands: Commands, common: argparse.ArgumentParser) -> None:
    faults = add_command(
        commands,
        common,
        "faults",
        "show or set what a sandbox's Stripe does wrong on purpose",
    )
    actions = faults.add_subparsers(metavar="ACTION")
    add_command(
        actions, common, "show", "what is set, and what it has done", "faults:run"
    )
    change = add_command(
        actions, common, "set", "set some faults; the others stay", "faults:run_set"
    )
    change.add_argument(
        "settings",
        metavar="NAME=VALUE",
        nargs="+",
        help="429=30%% lost=5%% latency=200ms outage=30s; all names: docs/sandbox.md",
    )
    add_command(actions, common, "clear", "all off", "faults:run_clear")
    preset = add_command(
        actions, common, "preset", "set a ready-made trouble", "faults:run_preset"
    )
    preset.add_argument(
        "preset", metavar="NAME", nargs="?", help="without it: list what there is"
    )
    add_command(
        actions,
        common,
        "settle",
        "show now in summaries and reports what shows later",
        "faults:run_settle",
    )


def _add_clock(commands: Commands, common: argparse.ArgumentParser) -> None:
    clock = add_command(
        commands, common, "clock", "show or move ahead the clock of a sandbox's Stripe"
    )
    actions = clock.add_subparsers(metavar="ACTION")
    add_command(actions, common, "show", "what time it is there", "clock:run")
    advance = add_command(
        actions, common, "advance", "move it ahead: 40d, 12h, 90s", "clock:run_advance"
    )
    advance.add_argument("span", metavar="SPAN", help="40d, 12h, 30m, 90s")
