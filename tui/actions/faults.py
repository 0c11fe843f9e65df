"""Actions on what a sandbox's Stripe does wrong on purpose."""

from meterdeck.tui.actions.action import Action, Area

FAULTS: tuple[Action, ...] = (
    Action("fault_more", "right,l", "→", "more", "More of the chosen fault",
           Area.FAULTS, 4, sandbox=True, rehearses=True),
    Action("fault_less", "left,h", "←", "less", "Less of the chosen fault",
           Area.FAULTS, 3, sandbox=True, rehearses=True),
    Action("fault_switch", "space", "space", "on/off",
           "Turn the chosen fault off, or on again",
           Area.FAULTS, 5, sandbox=True, rehearses=True),
    Action("fault_value", "enter", "↵", "value", "Write a value for the chosen fault",
           Area.FAULTS, 6, sandbox=True, rehearses=True),
    Action("presets", "p", "p", "presets", "Choose a ready-made trouble",
           Area.FAULTS, 2, sandbox=True, rehearses=True),
    Action("faults_off", "x", "x", "all off", "Turn every fault off",
           Area.FAULTS, 2, sandbox=True, rehearses=True),
    Action("settle", "s", "s", "settle",
           "Show what waits for the lag now",
           Area.FAULTS, 7, sandbox=True, rehearses=True),
)  # fmt: skip
