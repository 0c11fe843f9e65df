"""Distinct members of acme: a context that has them, an operator at work on them."""

import pytest
from tests.support.contexts import USERS, with_kinds
from tests.support.desk import Desk

from meterdeck.core.model.context import Context
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService


@pytest.fixture
def context(context: Context) -> Context:
    """The same with a resource of members."""
    return with_kinds(context)


@pytest.fixture
def desk(changes: OperatorChanges, usage: UsageService) -> Desk:
    """An operator at work on acme's active users."""
    return Desk(changes, usage, resource=USERS)
