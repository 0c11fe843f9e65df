"""The scripts that roles run, as the rules of Redis users name them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from meterdeck.core.adapters.script_texts import own_script_texts, script_texts
from meterdeck.core.adapters.server_facts import rights_text
from meterdeck.core.model.acl.user_rules import RIGHTS_SCRIPT


def role_scripts() -> Mapping[str, bytes]:
    """Return the text of every script by its name."""
    texts = {**script_texts(), **own_script_texts()}
    found = {name: script.text for name, script in texts.items()}
    return {**found, RIGHTS_SCRIPT: rights_text().encode()}


def role_digests() -> Mapping[str, str]:
    """Return the SHA-1 of every script by its name."""
    return {
        name: hashlib.sha1(text, usedforsecurity=False).hexdigest()
        for name, text in role_scripts().items()
    }
