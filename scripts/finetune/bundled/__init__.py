"""How the bundled recogniser is made: Whisper base, taught Cantonese with voices made of syllables."""
