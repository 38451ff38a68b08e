"""The guard between what the stages of a call say and everybody who reads or keeps it."""
