"""Changes by request: asking, serving, deciding."""
