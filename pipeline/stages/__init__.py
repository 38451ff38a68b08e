"""The stages of a call: what each finds, as a pure core, and what drives it."""
