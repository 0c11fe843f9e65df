"""The settings of the fault panel: what they take, and how they are written."""

from pathlib import Path

import pytest

from meterdeck.core.errors import BadInput
from meterdeck.core.model.fault_knobs import KNOBS, knob_of
from meterdeck.core.model.fault_presets import PRESETS
from meterdeck.core.model.faults import OFF, Faults

DOCUMENT = Path(__file__).parents[2] / "docs" / "sandbox.md"


def test_every_setting_and_preset_is_documented() -> None:
    """By both of its names, in docs/sandbox.md."""
    text = DOCUMENT.read_text()

    for knob in KNOBS:
        assert f"`{knob.word}`" in text
        assert f"`{knob.name}`" in text or knob.word == knob.name
    for each in PRESETS:
        assert f"| `{each.name}` |" in text


def test_what_is_shown_and_told_over_http_can_be_set_again() -> None:
    """Every preset, by its JSON."""
    for each in PRESETS:
        assert Faults().changed(each.faults.as_json()) == each.faults
        assert each.faults.active


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("429", "30%", 0.3),
        ("lost", "0.05", 0.05),
        ("latency", "1.5s", 1_500),
        ("latency_ms", "250", 250),
        ("summary_lag", "2m", 120),
        ("limit", "25/s", 25),
        ("outage", "on", None),
        ("outage", "off", 0),
        ("strict", "on", True),
        ("paths", "stream", "stream"),
        ("409_code", "too_many_concurrent_requests", "too_many_concurrent_requests"),
    ],
)
def test_values_are_read_as_people_write_them(
    name: str, text: str, value: object
) -> None:
    """With units; a number alone is in the unit of the name."""
    assert knob_of(name).read(text) == value


@pytest.mark.parametrize(
    "wrong",
    [
        {"429": "30"}, {"429": -0.1}, {"429": True}, {"latency": "2 hours"},
        {"latency": float("nan")}, {"retry_after": "0.5s"}, {"paths": "some"},
        {"strict": "maybe"}, {"outage": "2d"}, {"seed": 1.5}, {"limit": 1e9},
    ],
)  # fmt: skip
def test_what_is_no_value_is_refused_with_what_would_be(
    wrong: dict[str, object],
) -> None:
    """The sentence names the setting."""
    with pytest.raises(BadInput, match=f"{next(iter(wrong))}.* cannot be .*; write "):
        OFF.changed(wrong)
