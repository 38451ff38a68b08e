"""What nodes agree on: who has a call, who brings it, and what was told of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from diarization import Role
from pipeline.calls.info import CallInfo, Carrier, InForce
from pipeline.cluster.rows import CallWrite, Claim, NewCall
from pipeline.cluster.store import STRAY_S, ClusterStore
from pipeline.cluster.tables import calls, events
from pipeline.errors import CallTaken, DuplicateCall

INFO = CallInfo(call_id="call", sender="switch", started_at=1.0)
CONTROLS = InForce(language="yue-HK", hotwords=(), roles=(Role.CUSTOMER, Role.AGENT))
FIRST, SECOND = Carrier(id="first"), Carrier(id="second")
BY_ITSELF = Carrier(id="first", again=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[ClusterStore, ClusterStore]]:
    where = str(tmp_path / "cluster.db") if request.param == "sqlite" else None
    url = where or str(request.getfixturevalue("postgresql"))
    one, two = ClusterStore(url, "one"), ClusterStore(url, "two")
    with one.engine.begin() as connection:  # the server of tests is there for several
        for table in (calls, events):
            connection.execute(sa.delete(table))
    yield one, two
    one.close()
    two.close()


def begun(store: ClusterStore, carrier: Carrier | None = FIRST) -> None:
    store.begin(NewCall(uid="uid", info=INFO, session_id="secret", form="MULAW 8000 2", carrier=carrier))


def claim(carrier: Carrier | None) -> Claim:
    return Claim(info=INFO, session_id="secret", form="MULAW 8000 2", carrier=carrier)


def write(epoch: int = 1, *, told: tuple[tuple[int, bytes], ...] = (), ended: bool = False) -> CallWrite:
    return CallWrite(
        uid="uid", epoch=epoch, acked=16_000, seq=7, in_force=CONTROLS, told=told, ended=ended
    )  # fmt: skip


def age(store: ClusterStore, seconds: float) -> None:
    with store.engine.begin() as connection:
        connection.execute(sa.update(calls).values(touched_at=calls.c.touched_at - seconds))


def test_a_gateway_goes_on_by_itself_until_its_client_has_come_back_another_way(
    stores: tuple[ClusterStore, ClusterStore],
) -> None:
    """A gateway that was frozen does not take a call from the stream that its client has opened meanwhile."""
    one, two = stores
    begun(one)
    by_itself = two.take_over(claim(BY_ITSELF))
    assert by_itself is not None
    assert by_itself.epoch == 2
    back = one.take_over(claim(SECOND))
    assert back is not None
    assert back.epoch == 3
    assert two.take_over(claim(BY_ITSELF)) is None
    with pytest.raises(CallTaken):
        one.attach("uid", 3, BY_ITSELF)
    assert one.attach("uid", 3, SECOND)
    assert one.epochs(["uid"]) == {"uid": 3}


def test_a_client_that_comes_back_to_the_same_node_is_known_from_then_on(
    stores: tuple[ClusterStore, ClusterStore],
) -> None:
    one, two = stores
    begun(one)
    assert one.attach("uid", 1, SECOND)
    assert two.take_over(claim(BY_ITSELF)) is None
    assert two.take_over(claim(Carrier(id="second", again=True))) is not None
    assert not one.attach("uid", 1, SECOND)  # another node has it
    assert not one.attach("uid", 1, BY_ITSELF)


def test_writing_twice_is_writing_once(stores: tuple[ClusterStore, ClusterStore]) -> None:
    """A database may commit and die before it says so: the same is written again."""
    one, two = stores
    begun(one)
    last = write(told=((6, b"final"), (7, b"end")), ended=True)
    assert one.commit([last]) == set()
    assert one.commit([last]) == set()
    assert two.told("uid", 0) == [b"final", b"end"]
    assert two.take_over(claim(SECOND)) is None


def test_what_a_node_writes_of_a_call_that_another_has_changes_nothing(
    stores: tuple[ClusterStore, ClusterStore],
) -> None:
    one, two = stores
    begun(one)
    assert two.take_over(claim(SECOND)) is not None
    assert one.commit([write(told=((7, b"late"),))]) == {"uid"}
    assert two.told("uid", 0) == []


def test_a_call_that_its_node_does_not_know_is_let_go(stores: tuple[ClusterStore, ClusterStore]) -> None:
    """The answer to the first write may be lost: the row is there, and no call."""
    one, two = stores
    begun(one)
    one.let_go(())
    assert one.owners("call") == ["one"]  # it may be just beginning
    age(one, STRAY_S + 1)
    one.let_go(("uid",))
    two.let_go(())
    assert one.owners("call") == ["one"]
    one.let_go(())
    assert one.owners("call") == [""]
    assert two.take_over(claim(SECOND)) is not None


def test_a_new_call_that_cannot_begin_leaves_its_id_free(stores: tuple[ClusterStore, ClusterStore]) -> None:
    one, two = stores
    begun(one)
    with pytest.raises(DuplicateCall):
        begun(two)
    one.give_up("uid", 1)
    begun(two)
    assert two.take_over(claim(SECOND)) is not None
    two.give_up("uid", 2)
    assert one.owners("call") == [""]
    assert one.take_over(claim(SECOND)) is not None
