"""Dialogs: each returns one request, or nothing."""
