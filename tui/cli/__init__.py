"""The command line: everything the console can do, for scripts and for people."""
