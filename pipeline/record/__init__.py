"""Calls on disk: keys, events, sound, search, retention and erasure."""
