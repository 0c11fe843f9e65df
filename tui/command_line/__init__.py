"""The `:` line: every command by its name, with completion and aliases."""
