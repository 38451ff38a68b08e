"""Alerts: rules over a call's events, what is open, where it is kept, and who is told."""
