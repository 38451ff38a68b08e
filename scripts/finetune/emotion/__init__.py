"""The voice model of :mod:`emotion`: sets, telephone, examples, network, training, evaluation, export."""
