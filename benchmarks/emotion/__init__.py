"""What the voice model hears, what alerts make of calls, and what both cost."""
