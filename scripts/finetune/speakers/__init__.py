"""The speaker embedding: its training, export and figures."""
