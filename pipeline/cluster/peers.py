"""The nodes of a cluster as the record of calls sees them. Blocks; any thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pipeline.calls.codec import decode
from pipeline.calls.events import Envelope
from pipeline.cluster.store import ClusterStore

JUST_ENDED_S = 10.0
"""For so long a call that has ended is left to the node that had it, s: it keeps what was said last."""


class ClusterPeers:
    """A :class:`pipeline.record.peers.Peers`.

    Args:
        store: of the cluster.
        silent_s: a node that said nothing for so long is gone.
        term: tells since which gain this node does what one of all must do; None while it does not.
    """

    def __init__(self, store: ClusterStore, silent_s: float, term: Callable[[], int | None]) -> None:
        self._store, self._silent_s, self._term = store, silent_s, term

    @property
    def node(self) -> str:
        """Name of this node."""
        return self._store.node

    @property
    def term(self) -> int | None:
        """Since which gain, counted, this node does what one of all must do; None while it does not."""
        return self._term()

    def told(self, record_id: str) -> Sequence[Envelope]:
        """Return what was told of a call and must not be lost, redacted, in order."""
        return [decode(body) for body in self._store.told(record_id, 0)]

    def unfinished(self, record_ids: Iterable[str]) -> set[str]:
        """Return those calls that a node has, may take over, or had until a moment ago."""
        return self._store.unfinished(list(record_ids), JUST_ENDED_S)

    def alive(self) -> set[str]:
        """Return the names of the nodes that are alive."""
        return {node.name for node in self._store.nodes() if node.silent_s < self._silent_s}
