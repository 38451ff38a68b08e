"""Nodes that share their calls."""
