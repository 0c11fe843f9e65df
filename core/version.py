"""The version, written down once: reading the installed package's takes 15 ms."""

VERSION = "0.9.0"
"""Read by the build, the command line and the worker; see RELEASING in CONTRIBUTING."""

RELEASED = "2026-11-26"
"""The day of that version's heading in CHANGELOG.md."""
