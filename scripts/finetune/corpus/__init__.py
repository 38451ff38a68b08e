"""From recordings and rough transcripts to utterances that a model can learn from."""
