"""The tutorial and the runbooks are followed, too: apart, as they wait the longest.

Those that share a sandbox are in `test_runbooks_of_one_sandbox.py`. How a page says
what it needs is in `test_pages.py`.
"""

import pytest
from tests.docs.conftest import Follow
from tests.docs.pages import Page
from tests.docs.test_pages import is_runbook, to_follow

PAGES = [page for page in to_follow() if is_runbook(page)]


@pytest.mark.parametrize(
    "page", [page for page in PAGES if not page.needs], ids=lambda page: page.path
)
def test_a_runbook_leads_from_its_trouble_to_a_mended_state(
    page: Page, follow: Follow
) -> None:
    """It makes its own trouble, shows it, mends it, and checks that it is mended."""
    follow(page)


def test_every_runbook_has_the_parts_that_are_looked_for() -> None:
    """How it is noticed, what to look at, to decide and to do; and what not to do."""
    for page in PAGES:
        if page.path.startswith("docs/runbooks/"):
            assert {"You notice", "Look", "Decide", "Act", "Check", "Do not"} <= set(
                page.headings
            ), page.path
