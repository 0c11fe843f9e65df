"""Links between the pages lead somewhere, and every page can be reached."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs.pages import ROOT, all_pages, text_of

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^( *)```.*?^\1```", re.M | re.S)
_OUTSIDE = ("http://", "https://", "mailto:")


def prose_of(path: str) -> str:
    """Return a page without its blocks."""
    return _FENCED.sub("", text_of(path))


def links_of(path: str) -> list[str]:
    """Return where a page's links lead within the repository, from its root."""
    found = [each for each in _LINK.findall(prose_of(path)) if _is_ours(each)]
    folder = (ROOT / path).parent
    resolved = []
    for link in found:
        name, _, anchor = link.partition("#")
        target = (folder / name).resolve() if name else ROOT / path
        resolved.append(f"{target.relative_to(ROOT.resolve())}#{anchor}")
    return resolved


def anchors_of(path: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#{1,6} +(.*?) *$", prose_of(path), re.M)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", each) for each in headings)
    kept = (re.sub(r"[^\w\- ]", "", each.lower()) for each in plain)
    return {each.replace(" ", "-") for each in kept}


def _is_ours(link: str) -> bool:
    return not link.startswith(_OUTSIDE)


def test_every_link_leads_to_a_file_and_to_a_heading() -> None:
    """Also pictures and examples; the anchor is that of a heading of the page."""
    broken = []
    for page in all_pages():
        for link in links_of(page.path):
            name, _, anchor = link.partition("#")
            there = (ROOT / name).exists()
            if there and anchor:
                there = name.endswith(".md") and anchor in anchors_of(name)
            if not there:
                broken.append(f"{page.path}: {link}")

    assert broken == []


def test_every_page_is_found_from_the_readme() -> None:
    """By one link after the other."""
    reached, next_ones = set[str](), ["README.md"]
    while next_ones:
        name = next_ones.pop()
        if name in reached or not name.endswith(".md") or not Path(ROOT, name).exists():
            continue
        reached.add(name)
        next_ones += [link.partition("#")[0] for link in links_of(name)]

    assert {page.path for page in all_pages()} - reached == set()
