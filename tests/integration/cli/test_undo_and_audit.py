"""`meterdeck undo` and the audit view: taking back, paging, choosing, verifying."""

from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from tests.integration.cli.conftest import CommandLine

REASON = ("--reason", "was wrong")


@pytest.fixture
def counter(store: redis.Redis, acme: str) -> str:
    """Acme's counter of this month, at 500."""
    seconds, _ = store.time()
    key = f"usage:acme:api_calls:{datetime.fromtimestamp(seconds, UTC):%Y-%m}"
    store.set(key, 500)
    return key


def adjust(cli: CommandLine, change: str, tenant: str = "acme") -> str:
    """Adjust a counter and return the entry's id."""
    words = ("adjust", tenant, "api_calls", change, "--reason", "x", "--json")
    audit_id: str = cli(*words).json["audit_id"]
    return audit_id


def test_undo_takes_the_newest_change_back(
    cli: CommandLine, store: redis.Redis, counter: str
) -> None:
    """Then the one before; what was counted since stays; at last there is none."""
    first, second = adjust(cli, "+1,000"), adjust(cli, "=7")
    store.incrby(counter, 3)

    done = cli("undo", "acme", *REASON, "--json")

    assert done.code == 0
    assert (done.json["undoes"], done.json["action"]) == (second, "adjust:add")
    assert (done.json["before"], done.json["after"]) == ("10", "1503")
    assert (done.json["bill"], done.json["dry_run"]) == ("quota_only", False)
    (entry,) = cli("audit", "acme", "-n", "1", "--json").json["entries"]
    assert (entry["id"], entry["undoes"]) == (done.json["audit_id"], second)
    assert f"undoes {second}: was wrong" in cli("audit", "acme").out
    told = cli("undo", "cus_acme", *REASON)
    assert "acme · API calls · " in told.out
    assert f": 1,503 → 503  undoes {first}, adjust:add by" in told.out
    assert store.get(counter) == b"503"
    none = cli("undo", "acme", *REASON)
    assert (none.code, none.out) == (1, "")
    assert "acme has no change that can be undone" in none.err


def test_undo_takes_the_change_that_is_named(
    cli: CommandLine, store: redis.Redis, counter: str
) -> None:
    """By its id in the audit trail; once; an undo by its own id."""
    first, _ = adjust(cli, "+1,000"), adjust(cli, "+1")

    done = cli("undo", "acme", first, *REASON, "--json").json
    again = cli("undo", "acme", first, *REASON, "--json")
    redone = cli("undo", "acme", done["audit_id"], *REASON, "--json")

    assert (again.code, again.json["error"]["type"]) == (1, "Refused")
    assert done["audit_id"] in again.json["error"]["message"]
    assert redone.code == 0
    assert store.get(counter) == b"1501"
    assert cli("audit", "acme", "--verify").code == 0


def test_undo_of_an_override_gives_the_one_before_back(
    cli: CommandLine, store: redis.Redis, counter: str
) -> None:
    """Quantities are told as the resource's scale has them."""
    words = ("override", "set", "acme", "storage_gb")
    cli(*words, "60.25", "--until", "3d", "--reason", "trial")
    cli(*words, "unlimited", "--until", "5d", "--reason", "typing error")

    foreseen = cli("undo", "acme", *REASON, "--dry-run")
    done = cli("undo", "acme", *REASON, "--json")

    assert "acme · limit of Storage: unlimited until " in foreseen.out
    assert " → 60.25 until " in foreseen.out
    assert foreseen.err == "dry run: nothing was changed\n"
    assert (done.json["action"], done.json["period"]) == ("override:set", None)
    (listed,) = cli("override", "list", "--json").json["overrides"]
    assert listed["limit"] == 60_250
    assert "→ no override" in cli("undo", "acme", *REASON).out
    assert cli("override", "list", "--json").json["overrides"] == []


def test_a_dry_run_of_undo_changes_nothing(
    cli: CommandLine, store: redis.Redis, counter: str
) -> None:
    """It ends as the undo would: refused where the counter would fall below 0."""
    entry = adjust(cli, "+10")
    keys = sorted(store.keys())

    done = cli("undo", "acme", *REASON, "--dry-run", "--json").json
    store.set(counter, 9)
    refused = cli("undo", "acme", entry, *REASON, "--dry-run")

    assert (done["undoes"], done["before"], done["after"]) == (entry, "510", "500")
    assert (done["audit_id"], done["dry_run"]) == (None, True)
    assert refused.code == 1
    assert "it cannot fall below 0, so nothing was changed" in refused.err
    assert sorted(store.keys()) == keys
    assert store.get(counter) == b"9"


def test_a_repeated_undo_without_an_id_undoes_nothing_more(
    cli: CommandLine, store: redis.Redis, counter: str
) -> None:
    """As one does whose answer was lost."""
    adjust(cli, "+1")
    adjust(cli, "+10")
    words = ("undo", "acme", *REASON, "--operation-id", "op-1", "--json")

    first, second = cli(*words).json, cli(*words).json

    assert (first["replayed"], second["replayed"]) == (False, True)
    assert first["audit_id"] == second["audit_id"]
    assert store.get(counter) == b"501"


def test_undo_in_a_live_context_needs_a_person_or_yes(
    cli: CommandLine, store: redis.Redis, counter: str
) -> None:
    """As every change does."""
    adjust(cli, "+1")
    live = ("undo", "acme", *REASON, "--context", "production")

    assert cli.finished(*live).code == 1
    assert store.get(counter) == b"501"
    assert cli(*live, "--yes").code == 0
    assert store.get(counter) == b"500"


def test_audit_goes_back_page_by_page(
    cli: CommandLine, store: redis.Redis, counter: str
) -> None:
    """All tenants in the order of time; `next` is where to go on."""
    store.hset("meterdeck:tenant:globex", mapping={"name": "Globex"})
    ids = [
        adjust(cli, "+1", tenant)
        for tenant in ("acme", "globex", "acme", "globex", "acme")
    ]
    found, words = [], ["audit", "-n", "2", "--json"]

    while True:
        page = cli(*words).json
        found += [entry["id"] for entry in page["entries"]]
        if page["next"] is None:
            break
        words = ["audit", "-n", "2", "--json", "--before", page["next"]]

    assert found == ids[::-1]
    assert page["unreadable"] == []
    shown = cli("audit", "-n", "2")
    assert shown.err.startswith(f"older entries: --before '{ids[3]}/globex'")
    before = cli("audit", "--before", ids[1], "--json").json["entries"]
    assert [entry["id"] for entry in before] == ids[:1]


def test_audit_is_chosen_from(
    cli: CommandLine, counter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By moment, person and action."""
    adjust(cli, "+1")
    cli("reset", "acme", "api_calls", "--reason", "x")
    cli("undo", "acme", *REASON)
    actor = cli("audit", "-n", "1", "--json").json["entries"][0]["actor"]

    def actions(*words: str) -> list[Any]:
        entries = cli("audit", *words, "--json").json["entries"]
        return [entry["action"] for entry in entries]

    everything = ["adjust:add", "adjust:reset", "adjust:add"]
    assert actions("--since", "1h") == actions("--since", "yesterday") == everything
    assert actions("--before", "1h") == actions("--before", "2026-01-01") == []
    assert actions("--actor", actor) == everything
    assert actions("--actor", f"not-{actor}") == []
    assert actions("--action", "adjust:reset") == ["adjust:reset"]
    assert actions("--action", "undo", "--since", "1h") == ["adjust:add"]
    assert "nothing in it was asked for" in cli("audit", "--action", "override").err


def test_every_trail_is_verified(
    cli: CommandLine, store: redis.Redis, counter: str
) -> None:
    """Without a tenant: sound is 0; else which entry of which tenant, and 1."""
    store.hset("meterdeck:tenant:globex", mapping={"name": "Globex"})
    for tenant in ("acme", "globex"):
        adjust(cli, "+1", tenant)
        adjust(cli, "+2", tenant)

    sound = cli("audit", "--verify", "--json")
    told = cli("audit", "--verify")
    entries: Any = store.xrange("meterdeck:audit:globex")
    store.xdel("meterdeck:audit:globex", entries[0][0])
    broken = cli("audit", "--verify", "--json")

    assert (sound.code, sound.json["sound"], sound.json["broken"]) == (0, True, [])
    assert (sound.json["trails"], sound.json["entries"]) == (2, 4)
    assert told.out == "2 of 2 trails are as they were written (4 entries read)\n"
    assert (broken.code, broken.json["sound"]) == (1, False)
    (wrong,) = broken.json["broken"]
    assert (wrong["tenant"], wrong["entry_id"]) == ("globex", entries[1][0].decode())
    assert f"globex: entry {wrong['entry_id']}: it does" in cli("audit", "--verify").out


def test_the_trail_of_a_name_that_nobody_has_is_not_called_sound(
    cli: CommandLine, store: redis.Redis, counter: str
) -> None:
    """A slip of the pen proves nothing; a trail outlives its tenant."""
    adjust(cli, "+1")
    store.hset("meterdeck:tenant:globex", mapping={"name": "Globex"})
    slip = cli("audit", "acmee", "--verify")
    unchanged = cli("audit", "globex", "--verify")
    store.delete("meterdeck:tenant:acme", counter)
    outlived = cli("audit", "acme", "--verify")

    assert (slip.code, slip.out) == (1, "")
    assert "context staging has no tenant acmee" in slip.err
    assert (unchanged.code, outlived.code) == (0, 0)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ("audit", "--before", "soon"),
            "'soon' is not a moment; write it like 2026-11-27, 2026-11-27T18:00Z, 3d,"
            " 12h or today (UTC), or an entry's id",
        ),
        (
            ("audit", "--since", "friday"),
            "'friday' is not a moment; write it like 2026-11-27, 2026-11-27T18:00Z,"
            " 3d, 12h or today (UTC)",
        ),
        (
            ("audit", "--verify", "--since", "3d"),
            "--verify checks whole trails; leave out --before, --since, --actor,"
            " --action and --filter",
        ),
        (
            ("undo", "acme", "12", "--reason", "x"),
            "12 is no place in the audit trail; write an entry's id, such as"
            " 1793491200000-0",
        ),
        (
            ("undo", "acme"),
            "the following arguments are required: --reason; see: meterdeck undo"
            " --help",
        ),
    ],
)
def test_wrong_use_is_exit_code_2(
    cli: CommandLine, acme: str, words: tuple[str, ...], sentence: str
) -> None:
    """One sentence says what is wrong and what would be right."""
    done = cli(*words)

    assert (done.code, done.out, done.err) == (2, "", f"meterdeck: {sentence}\n")
