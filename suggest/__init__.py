"""What could the agent answer? Turns of a call in, sourced replies from the knowledge base out."""

import models  # noqa: F401 (turns onnxruntime's telemetry off before anything imports it)
from suggest.base import Article, ArticleHit, Encoder, KnowledgeError, SearchResult, SuggestError

__all__ = ["Article", "ArticleHit", "Encoder", "KnowledgeError", "SearchResult", "SuggestError"]
