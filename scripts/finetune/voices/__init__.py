"""Recordings of many voices, and telephone lines to send them through: what several tasks learn from."""
