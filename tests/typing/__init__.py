"""Programs that users would write, for the type checkers to read."""
