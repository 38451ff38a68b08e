"""What a user would pick instead, driven over its own protocol with the same model and audio."""
