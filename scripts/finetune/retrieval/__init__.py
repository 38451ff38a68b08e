"""What the search of the knowledge base learns from data: how common words are, and how signals count."""
