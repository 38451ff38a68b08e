"""The recipe of the bundled model: text, synthetic speech, training, export."""
