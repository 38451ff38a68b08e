"""The command line: one file for each step, thin."""
