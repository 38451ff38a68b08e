"""What redaction finds, what it leaves alone, when, and what it costs."""
