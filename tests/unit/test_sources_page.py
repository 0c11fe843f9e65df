"""The page that says where the local Stripe's behaviour comes from."""

import re
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_TESTS = _ROOT / "tests" / "integration" / "local_stripe"
_PAGE = _ROOT / "docs" / "local-stripe-sources.md"
_NAMED = re.compile(r"`([a-z0-9_]+): ([a-z0-9_]+)`")
_ROW = re.compile(
    r"^\| (?!Behaviour|Short|---)[^|]*\| ([^|]*) \| ([^|]*)\|$", re.MULTILINE
)
_KINDS = ("recorded", "documented", "reported", "believed", "ours")


def test_every_test_that_the_sources_page_names_exists() -> None:
    """A renamed test would leave a behaviour without its proof."""
    named = set(_NAMED.findall(_PAGE.read_text())) - {("file", "test")}

    missing = {
        (file, test)
        for file, test in named
        if f"def test_{test}(" not in (_TESTS / f"test_{file}.py").read_text()
    }

    assert len(named) > 50
    assert missing == set()


def test_every_behaviour_has_a_source_of_a_kind_that_is_explained() -> None:
    """Recorded, documented, reported, believed, or ours."""
    sources = [source for source, _ in _ROW.findall(_PAGE.read_text())]

    assert len(sources) > 80
    assert [each for each in sources if not each.startswith(_KINDS)] == []
