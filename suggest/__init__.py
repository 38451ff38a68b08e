"""What could the agent answer? Turns of a call in, sourced replies from the knowledge base out."""

import models  # noqa: F401 (turns onnxruntime's telemetry off before anything imports it)
from suggest.base import Article, Encoder, Hit, KnowledgeError, SearchResult, SuggestError

__all__ = ["Article", "Encoder", "Hit", "KnowledgeError", "SearchResult", "SuggestError"]
