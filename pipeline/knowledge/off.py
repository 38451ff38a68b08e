"""The knowledge base of a server that suggests nothing."""

from __future__ import annotations


class NoKnowledge:
    """Stands where a :class:`pipeline.knowledge.service.KnowledgeService` would; there is nothing in it."""

    name = "knowledge base tables"
    enabled = False
    articles = 0
    writer = None

    async def start(self) -> None:
        """Do nothing."""

    async def run(self) -> None:
        """Return: there is nothing to follow."""

    async def reload(self) -> str:
        """Return that there is nothing to say."""
        return ""

    async def close(self) -> None:
        """Do nothing."""
