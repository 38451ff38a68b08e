"""Calls that people judge: forms, samples, reviews and appeals."""
