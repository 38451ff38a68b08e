"""The language itself: script, spelling, numerals, spoken and reading form, sounds, personal data.

Everything that knows Cantonese as a language is here once, for serving, search, alerts and training alike.
Nothing here knows models, calls or files of the service.

========================  ==============================================================
characters                what is Han, script conversion, spelling variants
numerals                  spoken numerals to their value, and back
figures, read_out         spoken numbers into figures, figures into spoken numbers
spoken, reading, scoring  forms of a text: as recognisers write, as people read, as errors are counted
keys                      the form in which texts are searched
completeness              whether a sentence may be over
jyutping                  pronunciation
personal                  personal data in a text
========================  ==============================================================
"""
