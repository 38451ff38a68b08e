"""From telephony bytes to the house's audio: float32, mono per channel, 16 kHz, [-1, 1]."""
