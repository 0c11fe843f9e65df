"""Acme's disk: a context that has a gauge, an operator at work on it."""

import pytest
from tests.support.contexts import DISK, with_kinds
from tests.support.desk import Desk

from meterdeck.core.model.context import Context
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService


@pytest.fixture
def context(context: Context) -> Context:
    """The same with a gauge."""
    return with_kinds(context)


@pytest.fixture
def desk(changes: OperatorChanges, usage: UsageService) -> Desk:
    """An operator at work on acme's disk."""
    return Desk(changes, usage, resource=DISK)
