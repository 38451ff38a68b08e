"""What was said: words of complaint, anger and thanks, in Cantonese and English."""

from emotion.words.lexicon import Lexicon, LexiconError, load_lexicon
from emotion.words.reading import Hit, WordsReading, read_words

__all__ = ["Hit", "Lexicon", "LexiconError", "WordsReading", "load_lexicon", "read_words"]
