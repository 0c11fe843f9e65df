"""Key names survive the way to Redis and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterdeck.core.errors import ConfigError
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.usage import CounterId, ResourceName, TenantId

names = st.binary(min_size=1, max_size=64).map(
    lambda raw: raw.decode("utf-8", "surrogateescape")
)
labels = st.sampled_from(["2026-11", "2026-11-30", "now"])


@given(names, labels, st.booleans())
def test_any_tenant_name_reads_back(tenant: str, label: str, tagged: bool) -> None:
    """Colons, braces, escapes and bytes that are no UTF-8 all survive."""
    layout = KeyLayout(tagged=tagged)

    key = layout.counter(tenant, "api_calls", label)

    assert layout.parse_counter(key) == CounterId(
        TenantId(tenant), ResourceName("api_calls"), label
    )


@given(names, st.booleans(), st.sampled_from(["meterdeck:", "a*[b]:", ""]))
def test_an_audit_trails_key_reads_back(tenant: str, tagged: bool, prefix: str) -> None:
    """To the same tenant; another key is none."""
    layout = KeyLayout(tagged=tagged, prefix=prefix)

    assert layout.parse_audit(layout.audit(tenant)) == tenant
    assert layout.parse_audit(layout.undone(tenant)) is None


def test_an_audit_trail_without_a_tag_is_none_where_keys_are_tagged() -> None:
    """It would be looked for under another key."""
    assert KeyLayout(tagged=True).parse_audit(b"meterdeck:audit:acme") is None
    assert KeyLayout().parse_audit(b"meterdeck:audit:") is None


def test_the_default_layout_is_the_legacy_key() -> None:
    """An application that writes usage:{tenant}:{resource}:{month} is understood."""
    assert KeyLayout().counter("acme", "api_calls", "2026-11") == (
        b"usage:acme:api_calls:2026-11"
    )


def test_the_tagged_layout_keeps_the_braces() -> None:
    """On Cluster all keys of a tenant carry the same hash tag."""
    layout = KeyLayout(tagged=True)

    assert layout.counter("acme", "images", "2026-11") == b"usage:{acme}:images:2026-11"
    assert b"{acme}" in layout.override("acme", "images")
    assert b"{acme}" in layout.audit("acme")


@pytest.mark.parametrize(
    "key", [b"usage:acme:api_calls", b"usage:acme:api_calls:2026", b"other:a:b:2026-11"]
)
def test_keys_of_others_are_not_counters(key: bytes) -> None:
    """A key that does not fit the template is left alone."""
    assert KeyLayout().parse_counter(key) is None


def test_a_template_without_a_field_is_refused() -> None:
    """The sentence names the setting, the missing field and the usual template."""
    with pytest.raises(ConfigError, match=r"key_template.*\{period\} exactly once"):
        KeyLayout(template="usage:{tenant}:{resource}")


def test_a_tenant_named_like_a_field_is_only_a_name() -> None:
    """A tenant called {resource} is not replaced by the resource."""
    assert KeyLayout().counter("{resource}", "images", "2026-11") == (
        b"usage:{resource}:images:2026-11"
    )
