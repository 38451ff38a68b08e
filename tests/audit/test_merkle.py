"""The tree over the log, held against RFC 6962."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.audit.merkle import (
    EMPTY,
    TreeHead,
    inclusion_proof,
    leaf_hash,
    node_hash,
    proves_inclusion,
    root_of,
)


def test_the_tree_is_that_of_rfc_6962() -> None:
    """Written out for seven leaves, as in section 2.1.3."""
    d = [leaf_hash(bytes([number])) for number in range(7)]
    g, h, i = node_hash(d[0], d[1]), node_hash(d[2], d[3]), node_hash(d[4], d[5])
    k, m = node_hash(g, h), node_hash(i, d[6])
    assert root_of(d) == node_hash(k, m)
    assert inclusion_proof(d, 0) == [d[1], h, m]
    assert inclusion_proof(d, 3) == [d[2], g, m]
    assert inclusion_proof(d, 4) == [d[5], d[6], k]
    assert inclusion_proof(d, 6) == [i, k]
    assert root_of([]) == EMPTY
    assert EMPTY.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"


@given(st.integers(1, 70), st.data())
def test_every_leaf_can_be_proved_and_no_other(size: int, data: st.DataObject) -> None:
    leaves = [leaf_hash(str(number).encode()) for number in range(size)]
    index = data.draw(st.integers(0, size - 1))
    proof, root = inclusion_proof(leaves, index), root_of(leaves)
    assert proves_inclusion(leaves[index], index, size, proof, root)
    assert not proves_inclusion(leaf_hash(b"another"), index, size, proof, root)
    assert not proves_inclusion(leaves[index], index, size, [*proof, root], root)
    assert not proves_inclusion(leaves[index], size, size, proof, root)
    if size > 1:
        assert not proves_inclusion(leaves[index], (index + 1) % size, size, proof, root)
        assert not proves_inclusion(leaves[index], index, size, proof[:-1], root)


@given(st.lists(st.binary(max_size=3), max_size=40), st.integers(0, 40))
def test_a_tree_goes_on_from_its_subtrees(lines: list[bytes], cut: int) -> None:
    whole = TreeHead()
    for line in lines:
        whole.append(leaf_hash(line))
    first = TreeHead()
    for line in lines[:cut]:
        first.append(leaf_hash(line))
    second = TreeHead(first.size, first.subtrees)
    for line in lines[cut:]:
        second.append(leaf_hash(line))
    assert second.root == whole.root == root_of([leaf_hash(line) for line in lines])
