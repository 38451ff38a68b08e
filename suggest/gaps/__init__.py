"""What the knowledge base should know next: questions without a good answer, grouped, for people."""
