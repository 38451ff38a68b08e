"""From a question to articles: full-text candidates, and a reranker that knows how sure it is."""
