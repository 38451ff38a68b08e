"""Any Whisper at the speech's own length, taught by itself from recordings that nobody transcribed.

A frozen copy (the teacher) hears each utterance padded to 30 s, as Whisper was trained; the student hears it
at its own length and learns to have the same decoder states (audio-context fine-tuning, FUTO 2024,
github.com/futo-org/whisper-acft; self-distillation).
"""
