"""What the console remembers from one start to the next."""

from pathlib import Path
from stat import S_IMODE

import pytest

from meterdeck.tui.memory import Memory


def test_what_was_put_is_there_at_the_next_start(tmp_path: Path) -> None:
    """Each section by itself, in a file that its owner alone can read."""
    path = tmp_path / "state" / "console.json"
    Memory(path).put("columns", {"shown": ["name", "plan"]})
    Memory(path).put("views", {"late": "status:past_due"})

    remembered = Memory(path)
    assert remembered.get("columns") == {"shown": ["name", "plan"]}
    assert remembered.get("views") == {"late": "status:past_due"}
    assert S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"views": 3}', "\x00\xff"])
def test_a_file_that_says_nothing_is_begun_anew(tmp_path: Path, text: str) -> None:
    """A convenience never keeps the console from starting."""
    path = tmp_path / "console.json"
    path.write_text(text, encoding="latin-1")

    memory = Memory(path)
    assert memory.get("views") == {}
    memory.put("views", {"late": "!"})
    assert Memory(path).get("views") == {"late": "!"}


def test_nothing_is_kept_without_a_place() -> None:
    """Tests and one-off consoles remember as long as they run."""
    memory = Memory(None)
    memory.put("views", {"late": "!"})

    assert memory.get("views") == {"late": "!"}
    assert Memory(None).get("views") == {}


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    """The state folder may be a file, or on a full disk."""
    (tmp_path / "file").write_text("")
    memory = Memory(tmp_path / "file" / "console.json")

    memory.put("views", {"late": "!"})

    assert memory.get("views") == {}
