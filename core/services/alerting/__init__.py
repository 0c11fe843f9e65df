"""Alerts: rules are held against usage, what fires is told, operators see to it."""
