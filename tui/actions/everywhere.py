"""Actions of every screen."""

from meterdeck.core.model.acl.rights import Right
from meterdeck.tui.actions.action import Action, Area, Confirm

EVERYWHERE: tuple[Action, ...] = (
    Action("copy", "y", "y", "copy", "Copy an id, a name, a key; works over SSH",
           Area.EVERYWHERE),
    Action("export", "E", "E", "export",
           "Write what is shown to a file: CSV, JSON, SVG", Area.EVERYWHERE),
    Action("browse", "B", "B", "dashboard", "Open it in Stripe's dashboard",
           Area.EVERYWHERE, of_stripe=True),
    Action("handoff", "M", "M", "handoff",
           "Write the shift's handoff in Markdown, and show it", Area.EVERYWHERE),
    Action("back", "escape", "esc", "back",
           "Go back; on the first screen: no filter, no marks", Area.EVERYWHERE, 11),
    Action("help", "question_mark,f1", "?", "help", "Explain this screen and its keys",
           Area.EVERYWHERE, 1),
    Action("command", "colon", ":", "command",
           "Type a command by its name; Tab completes it", Area.EVERYWHERE, 13),
    Action("palette", "ctrl+p", "^p", "commands", "Find any command by its name",
           Area.EVERYWHERE, 12),
    Action("undo_last", "U", "U", "undo last",
           "Take back what this console changed last",
           Area.EVERYWHERE, confirm=Confirm.TYPED, writes=True,
           right=Right.CHANGE),
    Action("arm", "exclamation_mark", "!", "arm",
           "Allow changes for some minutes, or end that", Area.EVERYWHERE, arms=True),
    Action("theme", "f2", "F2", "theme", "Dark, light, 16 colours, colour-blind",
           Area.EVERYWHERE),
    Action("redraw", "ctrl+l", "^l", "redraw",
           "Paint all of it again, where others wrote into it", Area.EVERYWHERE),
    Action("suspend", "ctrl+z", "^z", "suspend",
           "Go to the shell; fg comes back", Area.EVERYWHERE),
    Action("quit", "q", "q", "quit", "Leave the console", Area.EVERYWHERE, 1),
)  # fmt: skip
