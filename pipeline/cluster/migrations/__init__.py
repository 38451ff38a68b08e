"""Migrations of the cluster's tables."""
