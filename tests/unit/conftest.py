"""What tests of lint share."""

from pathlib import Path

import pytest
from tests.support.linting import Warned

from meterdeck.core.model.catalogue import Account
from meterdeck.core.model.catalogue_lint import Subject, lint
from meterdeck.core.model.catalogue_warnings import CatalogueWarning
from meterdeck.core.settings.declaration import load_declaration
from meterdeck.core.settings.toml_comments import comments_of

HEAD = """
[contexts.here]
mode = "test"
[contexts.here.redis]
url = "redis://localhost/0"
[products.api]
[meters.calls]
"""


@pytest.fixture
def warned(tmp_path: Path) -> Warned:
    """Return what lints a configuration that has `HEAD` in front."""

    def of(toml: str, account: Account | None = None) -> list[CatalogueWarning]:
        file = tmp_path / "m.toml"
        file.write_text(HEAD + toml)
        found = load_declaration(config=file, environ={})
        comments = comments_of(found.text, "m.toml")
        return list(lint(Subject(found.declared, "m.toml", account, comments)))

    return of
