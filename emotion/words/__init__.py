"""What was said: words of complaint, anger and thanks, in Cantonese and English."""

from emotion.words.lexicon import EmotionLexicon, LexiconError, load_lexicon
from emotion.words.reading import LexiconHit, WordsReading, read_words

__all__ = ["EmotionLexicon", "LexiconError", "LexiconHit", "WordsReading", "load_lexicon", "read_words"]
