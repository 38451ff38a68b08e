"""Live rows for browsers."""
