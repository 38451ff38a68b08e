"""The Python client library: calls in, events out, over the public API."""
