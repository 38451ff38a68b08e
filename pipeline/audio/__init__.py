"""Telephony bytes into float32 samples, mono per channel, 16 kHz, [-1, 1]."""
