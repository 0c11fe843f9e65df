"""The version, written down: reading the installed package's takes 15 ms."""

VERSION = "0.1.0"
