"""Which requests a route's pattern is about."""

import pytest

from meterdeck.core.errors import ConfigError
from meterdeck.core.middleware import Exchange, by_route
from meterdeck.core.middleware.asgi import Scope
from meterdeck.core.middleware.routes import Route


def exchange(method: str, path: str, root: str = "") -> Exchange:
    """Return a request."""
    scope: Scope = {
        "type": "http",
        "method": method,
        "path": path,
        "root_path": root,
        "headers": [(b"a", b"1"), (b"A", b"2")],
    }
    return Exchange.begin(scope)


@pytest.mark.parametrize(
    ("pattern", "method", "path", "fits"),
    [
        ("/health", "GET", "/health", True),
        ("/health", "POST", "/health", True),
        ("/health", "GET", "/health/", False),
        ("/health", "GET", "/healthy", False),
        ("/health", "GET", "/health\n", False),
        ("/health", "GET", "//health", False),
        ("/static/*", "GET", "/static/a/b.css", True),
        ("/static/*", "GET", "/static", False),
        ("/static/*", "GET", "/static/\n", True),
        ("/static/*", "GET", "/statics/a", False),
        ("/a.b", "GET", "/axb", False),
        ("POST /images", "POST", "/images", True),
        ("post /images", "POST", "/images", True),
        ("POST /images", "GET", "/images", False),
        ("GET /images", "HEAD", "/images", True),
        ("HEAD /images", "GET", "/images", False),
        ("HEAD /images", "HEAD", "/images", True),
        ("/images/{id}", "GET", "/images/7", True),
        ("/images/{id}", "GET", "/images/", False),
        ("/images/{id}", "GET", "/images/7/8", False),
        ("/images/{id:int}/x", "GET", "/images/7/x", True),
        ("/files/{rest:path}", "GET", "/files/7/8", True),
        ("*", "GET", "/anything", True),
    ],
)
def test_a_pattern_fits_what_it_says(
    pattern: str, method: str, path: str, fits: bool
) -> None:
    """Exact paths, prefixes, parameters and methods; nothing beside them."""
    assert Route.parse(pattern).matches(exchange(method, path)) is fits


@pytest.mark.parametrize("pattern", ["", "health", "GET", "GET health", "**"])
def test_a_pattern_without_a_path_is_refused(pattern: str) -> None:
    """The sentence says how one is written."""
    with pytest.raises(ConfigError, match="write /exact"):
        Route.parse(pattern)


@pytest.mark.parametrize(
    ("path", "root", "own"),
    [
        ("/api/x", "/api", "/x"),
        ("/api", "/api", "/"),
        ("/apis/x", "/api", "/apis/x"),
        ("/x", "/api", "/x"),
        ("/x", "", "/x"),
    ],
)
def test_the_path_is_the_applications_own(path: str, root: str, own: str) -> None:
    """A mount's root is taken away where the path really begins with it."""
    assert exchange("GET", path, root).path == own


def test_the_first_route_that_fits_decides() -> None:
    """The order is the mapping's."""
    cost = by_route({"/v1/images": 5, "/v1/*": 2, "*": 0}, default=9)
    given = [cost(exchange("GET", path)) for path in ("/v1/images", "/v1/x", "/x")]

    assert given == [5, 2, 0]


def test_headers_given_twice_are_one_list() -> None:
    """As HTTP reads them; a name's case does not matter."""
    assert exchange("GET", "/").header("A") == "1, 2"
    assert exchange("GET", "/").header("b") is None
