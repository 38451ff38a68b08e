"""Cantonese text: one set of rules for serving, evaluation and training.

``characters`` fixes the script (Hong Kong Traditional), ``spoken`` is the verbatim form that models
are trained on and emit, ``reading`` is the form for people (figures, spacing), ``scoring`` is the
form in which error rates are counted.
"""
