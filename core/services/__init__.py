"""What meterdeck does: counting, operator changes, directory, events, watching."""
