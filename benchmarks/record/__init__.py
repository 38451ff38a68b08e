"""The record: what survives a kill, what writing costs, finding and forgetting."""
