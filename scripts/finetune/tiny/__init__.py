"""The recipe of the small model: text, synthetic speech, training, export."""
