"""Runbooks whose trouble is made in a sandbox that they share; see test_runbooks."""

import pytest
from tests.docs.conftest import Follow
from tests.docs.pages import Page
from tests.docs.test_pages import is_runbook, to_follow


@pytest.mark.parametrize(
    "page",
    [page for page in to_follow() if is_runbook(page) and page.needs],
    ids=lambda page: page.path,
)
def test_a_runbook_of_one_sandbox_leads_to_a_mended_state(
    page: Page, follow: Follow
) -> None:
    """It leaves no fault behind, and the next one finds the sandbox well."""
    follow(page)
