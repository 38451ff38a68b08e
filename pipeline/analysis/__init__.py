"""Recordings looked at after the call: the same engines as live, without a server."""
