"""What is taken along: the clipboard's sequence, sheets, files, addresses."""

import csv
import json
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from stat import S_IMODE

import pytest
from tests.tui.pictures import context

from meterdeck.core.errors import Refused
from meterdeck.core.model.context import Mode, Secret, StripeOptions
from meterdeck.core.model.dashboard import dashboard_address
from meterdeck.tui import clipboard
from meterdeck.tui.clipboard import harmless
from meterdeck.tui.taking.files import stem_of, write_new
from meterdeck.tui.taking.sheets import Sheet, as_csv, as_json

AT = datetime(2026, 11, 26, 3, 4, 5, tzinfo=UTC)


def test_text_goes_to_the_terminals_clipboard_whole() -> None:
    """OSC 52, base64: no byte of a name can end the sequence or begin another."""
    text = "acme\x1b]0;\x07 ü\udcff"
    plain = clipboard.sequence(text, {"TERM": "xterm-256color"})

    assert plain.startswith("\x1b]52;c;")
    assert plain.endswith("\x07")
    kept = b64decode(plain[7:-1])
    assert kept == text.encode("utf-8", "surrogateescape")


def test_multiplexers_get_a_form_they_let_through() -> None:
    """tmux lets through the plain one or the wrapped one; screen takes short pieces."""
    plain = clipboard.sequence("acme", {})
    in_tmux = clipboard.sequence("acme", {"TMUX": "default,1,0"})
    in_screen = clipboard.sequence("acme" * 500, {"TERM": "screen.xterm-256color"})

    escaped = plain.replace("\x1b", "\x1b\x1b")
    assert in_tmux == f"{plain}\x1bPtmux;{escaped}\x1b\\"
    pieces = in_screen.split("\x1b\\")[:-1]
    assert all(p.startswith("\x1bP") and len(p) <= 242 for p in pieces)
    assert "".join(p[2:] for p in pieces) == clipboard.sequence("acme" * 500, {})


def test_terminals_take_only_so_much() -> None:
    """The limit counts bytes, not letters."""
    assert clipboard.fits("é" * (clipboard.LARGEST // 2))
    assert not clipboard.fits("é" * (clipboard.LARGEST // 2 + 1))


def test_no_name_is_a_formula_in_a_spreadsheet() -> None:
    """Whatever a cell begins with; numbers stay numbers, control characters show."""
    names = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", 'a"b,c\nd', "\x1b[2J"]
    sheet = Sheet("tenants", ["name", "used"], [[name, -5] for name in names])

    read = list(csv.DictReader(as_csv(sheet).splitlines(), strict=True))

    assert [row["used"] for row in read] == ["-5"] * len(names)
    assert all(row["name"][0] not in "=+-@\t\r" for row in read)
    assert read[5]["name"].startswith('a"b,c')
    assert "\x1b" not in as_csv(sheet)


def test_json_says_where_and_when() -> None:
    """One object, its rows under the sheet's name with the values as they are."""
    sheet = Sheet("tenants", ["name", "used", "limit"], [["=1", 3, None]])

    read = json.loads(as_json(sheet, context="eu", at=AT))

    assert read == {
        "context": "eu",
        "at": "2026-11-26T03:04:05Z",
        "tenants": [{"name": "=1", "used": 3, "limit": None}],
    }


def test_an_export_overwrites_nothing_and_is_private(tmp_path: Path) -> None:
    """A second one in the same second gets a number."""
    stem = stem_of("eu/../x", "tenants", AT)
    first = write_new(tmp_path / "new", stem, ".csv", "a")
    second = write_new(tmp_path / "new", stem, ".csv", "b")

    assert first.name == "meterdeck-eu-..-x-tenants-20261126T030405Z.csv"
    assert (first.read_text(), second.read_text()) == ("a", "b")
    assert S_IMODE(first.stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """With the reason the system gives."""
    (tmp_path / "file").write_text("")

    with pytest.raises(Refused, match=r"file.* cannot be written: "):
        write_new(tmp_path / "file", "x", ".csv", "a")


def test_the_dashboard_has_addresses_for_what_stripe_knows() -> None:
    """In live and in test mode; for nothing that is not an id, nor in a sandbox."""
    stripe = StripeOptions(Secret("sk_test_x"))
    test = replace(context(Mode.TEST), stripe=stripe)
    live = replace(context(Mode.LIVE), stripe=stripe)
    there = "https://dashboard.stripe.com"

    assert dashboard_address(live, "cus_9") == f"{there}/customers/cus_9"
    assert dashboard_address(test, "sub_9") == f"{there}/test/subscriptions/sub_9"
    assert dashboard_address(test, "price_9") == f"{there}/test/prices/price_9"
    elsewhere = replace(stripe, api_base="http://127.0.0.1:9")
    for where, what in (
        (live, "cus_9/../../x"),
        (live, "acme"),
        (context(Mode.SANDBOX), "cus_9"),
        (replace(test, stripe=elsewhere), "cus_9"),
        (replace(test, stripe=None), "cus_9"),
    ):
        assert dashboard_address(where, what) == ""


def test_what_is_copied_does_nothing_where_it_is_pasted() -> None:
    """A line break would end a shell's command; bytes that are no UTF-8 stay."""
    name = "a\nrm -rf x\x1b]52;c;AAAA\x07 \u202eb \udcff é"

    assert harmless(name) == "a␊rm -rf x␛]52;c;AAAA␇ ⟨202E⟩b \udcff é"
