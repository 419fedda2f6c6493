"""The package's own command line: one command a file."""
