"""Looking for what is wrong with a context before it hurts."""
