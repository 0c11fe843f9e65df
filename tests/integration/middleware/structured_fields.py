"""Reads a List of Strings with Integer parameters, as RFC 9651 writes it."""

import re

_STRING = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_PARAMETER = re.compile(r";\x20*([a-z*][a-z0-9_.*-]*)=(-?[0-9]{1,15})(?![0-9])")
_COMMA = re.compile(r"[ \t]*,[ \t]*")


def parse_list(text: str) -> dict[str, dict[str, int]]:
    """Return each String with its parameters; anything else fails."""
    items: dict[str, dict[str, int]] = {}
    at = 0
    while True:
        name = _STRING.match(text, at)
        assert name, f"no String at {at} of {text!r}"
        at = name.end()
        parameters: dict[str, int] = {}
        while found := _PARAMETER.match(text, at):
            parameters[found[1]] = int(found[2])
            at = found.end()
        items[re.sub(r"\\(.)", r"\1", name[1])] = parameters
        if at == len(text):
            return items
        comma = _COMMA.match(text, at)
        assert comma, f"no comma at {at} of {text!r}"
        at = comma.end()
