"""What nodes that write one record know of each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from pipeline.calls.events import Envelope


class Peers(Protocol):
    """The nodes that share a record, as one of them sees them; all methods may be called from any thread."""

    @property
    def node(self) -> str:
        """Name of this node."""
        ...

    @property
    def term(self) -> int | None:
        """Since which gain, counted, this node does what one of all must do; None while it does not."""
        ...

    def told(self, record_id: str) -> Sequence[Envelope]:
        """Return what was told of a call and must not be lost, redacted, in order. Blocks.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: it cannot be read now.
        """
        ...

    def unfinished(self, record_ids: Iterable[str]) -> set[str]:
        """Return those calls that a node has, may take over, or had until a moment ago. Blocks.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: it cannot be read now.
        """
        ...

    def alive(self) -> set[str]:
        """Return the names of the nodes that are alive. Blocks.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: it cannot be read now.
        """
        ...
