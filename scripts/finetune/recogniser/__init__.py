"""Training, measuring and exporting the recogniser."""
