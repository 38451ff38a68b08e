"""The Merkle tree over the log (RFC 6962, section 2.1): heads that need no leaves, and proofs. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

EMPTY = hashlib.sha256().digest()
"""Head of a tree without leaves."""


def leaf_hash(line: bytes) -> bytes:
    """Return the hash of a leaf, 32 bytes; ``line`` without its newline."""
    return hashlib.sha256(b"\x00" + line).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node, 32 bytes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class TreeHead:
    """A tree that grows: keeps the heads of its full subtrees alone, one for each bit of its size.

    Args:
        size: leaves so far.
        subtrees: heads of the full subtrees, the largest first, one for each bit that is set in ``size``.

    Raises:
        ValueError: these are not so many.
    """

    def __init__(self, size: int = 0, subtrees: Iterable[bytes] = ()) -> None:
        self.size = size
        self._subtrees = list(subtrees)
        if len(self._subtrees) != size.bit_count():
            raise ValueError("subtrees do not fit the size")

    @property
    def subtrees(self) -> tuple[bytes, ...]:
        """Heads of the full subtrees, the largest first."""
        return tuple(self._subtrees)

    def append(self, leaf: bytes) -> None:
        """Take the hash of the next leaf."""
        node, size = leaf, self.size
        while size & 1:
            node = node_hash(self._subtrees.pop(), node)
            size >>= 1
        self._subtrees.append(node)
        self.size += 1

    @property
    def root(self) -> bytes:
        """Head of the whole tree, 32 bytes."""
        if not self._subtrees:
            return EMPTY
        *others, node = self._subtrees
        for subtree in reversed(others):
            node = node_hash(subtree, node)
        return node


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Return the head of a tree over these leaf hashes."""
    head = TreeHead()
    for leaf in leaves:
        head.append(leaf)
    return head.root


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the audit path of a leaf (RFC 6962, section 2.1.1), from the leaf upwards.

    Args:
        leaves: hashes of all leaves of the tree.
        index: of the leaf, from 0.

    Raises:
        IndexError: there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(index)
    if len(leaves) == 1:
        return []
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    if index < split:
        return [*inclusion_proof(leaves[:split], index), root_of(leaves[split:])]
    return [*inclusion_proof(leaves[split:], index - split), root_of(leaves[:split])]


def proves_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Tell whether a proof shows that a leaf is in a tree (RFC 9162, section 2.1.3.2).

    Args:
        leaf: hash of the leaf.
        index: of the leaf, from 0.
        size: leaves of the tree.
        proof: from the leaf upwards.
        root: head of the tree.
    """
    if not 0 <= index < size:
        return False
    node, at, last = leaf, index, size - 1
    for sibling in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            node = node_hash(sibling, node)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and node == root
