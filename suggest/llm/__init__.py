"""Drafts by a language model behind any OpenAI-compatible endpoint, held to the retrieved articles."""
