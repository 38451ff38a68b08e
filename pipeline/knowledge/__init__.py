"""One knowledge base for all calls: followed, searched and recorded, in threads of its own."""
