"""How good and how fast reply suggestions are."""
