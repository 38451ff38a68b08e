"""What could the agent answer? The room of the knowledge base; its engine is not part of this release."""
