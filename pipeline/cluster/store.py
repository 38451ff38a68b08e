"""What nodes agree on, in one database: who has which call, and what was told of it. Blocks; any thread.

Whoever brings the session's secret and audio takes a call over: its epoch rises, and every write of the node
before changes nothing any more (fencing by epoch: M. Kleppmann, "How to do distributed locking", 2016). There
is no lease, no failure detector and no leader on this path.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from diarization import Role
from pipeline.calls.info import CallInfo, Carrier, InForce, RecordTerms
from pipeline.cluster.rows import CallWrite, Claim, LostCall, NewCall, NodeRow, TakenCall
from pipeline.cluster.tables import calls, events, nodes
from pipeline.cluster.writes import write_at_once, write_each
from pipeline.errors import CallTaken, DuplicateCall, SettingsError
from pipeline.storage.patience import impatient
from suggest.store.database import Schema, address, insert_of, open_database, writing

CLUSTER = Schema(
    migrations=Path(__file__).with_name("migrations"),
    version_table="cluster_migrations",
    purpose="a cluster's database",
    error=SettingsError,
    forgets=True,
)
SEQ_STEP = 1_000_000
"""Numbers of events that a part of a call has for itself. Numbers seal what is recorded: no two parts share
one, also where one of them goes on counting and cannot say so."""
MOST_PARTS = 2_000
"""Parts of a call; numbers of events then still have 32 bits."""
_INFO = ("queue", "team", "agent_id", "profile")
NOBODY = ""
"""Node of a call that no node has."""
STRAY_S = 30.0
"""Age of a row, s, from which a call that its node does not know is not one that just begins."""
TOLD_AFTER_S = 30.0
"""Events of a call that has ended stay so long for those who still read them, s."""


class ClusterStore:
    """The store.

    Args:
        url: of SQLAlchemy, or the path of a SQLite file.
        node: whose view this is.

    Raises:
        SettingsError: it cannot be opened.
    """

    def __init__(self, url: str, node: str) -> None:
        self.node = node
        try:
            self.engine = open_database(impatient(address(url), statement_timeout="5000"), CLUSTER)
        except Exception as error:  # a driver may raise anything; all of it is about the setting
            raise SettingsError(f"cluster.url: {error}") from error
        self._alone = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._postgresql = self.engine.dialect.name == "postgresql"

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def _writing(self) -> AbstractContextManager[sa.Connection]:
        return writing(self.engine)

    @property
    def _now(self) -> sa.ColumnElement[float]:
        """The database's time, s since 1970 UTC: nodes' clocks may differ."""
        if self._postgresql:
            return sa.cast(sa.func.extract("epoch", sa.func.clock_timestamp()), sa.Float)
        return (sa.func.julianday("now") - 2440587.5) * 86_400.0

    def put(self, table: sa.Table, **values: object) -> None:
        """Write a row in the place of the one that has its key, if there is one.

        Args:
            table: a table of the cluster.
            values: a value for each column; the key is one column.
        """
        (key,) = table.primary_key.columns
        row = insert_of(self.engine.dialect, table).values(**values)
        changed = {name: row.excluded[name] for name in values if name != key.name}
        with self._writing() as connection:
            connection.execute(row.on_conflict_do_update(index_elements=[key], set_=changed))

    # ---------------------------------------------------------------- nodes

    def beat(self, where: str, live: int, room: int | None, *, draining: bool) -> None:
        """Say that this node is alive."""
        values = {"address": where, "live": live, "room": room, "draining": draining, "beat_at": self._now}
        self.put(nodes, name=self.node, **values)

    def leave(self) -> None:
        """Say that this node is no more."""
        with self._writing() as connection:
            connection.execute(sa.delete(nodes).where(nodes.c.name == self.node))

    def nodes(self) -> list[NodeRow]:
        """Return all nodes, those too that have been silent for long."""
        query = sa.select(nodes, (self._now - nodes.c.beat_at).label("silent")).order_by(nodes.c.name)
        with self.engine.connect() as connection:
            return [
                NodeRow(
                    name=row.name,
                    address=row.address,
                    silent_s=float(row.silent),
                    live=row.live,
                    room=row.room,
                    draining=bool(row.draining),
                )
                for row in connection.execute(query)
            ]

    # ---------------------------------------------------------------- calls

    def begin(self, call: NewCall) -> None:
        """Take down a call that begins on this node.

        Raises:
            DuplicateCall: a live call of the company has this id, on whichever node.
        """
        info = call.info
        told = {name: getattr(info, name) for name in _INFO}
        row = {
            "uid": call.uid, "tenant": info.tenant or "", "call_id": info.call_id,
            "session": _hash(call.session_id), "sender": info.sender, "form": call.form,
            "info": json.dumps(told, ensure_ascii=False), "started_at": info.started_at, "node": self.node,
            "epoch": 1, "carrier": _id_of(call.carrier), "acked": 0, "seq": 0, "touched_at": self._now,
            "kept": json.dumps(asdict(call.record_terms)),
        }  # fmt: skip
        try:
            with self._writing() as connection:
                connection.execute(sa.insert(calls).values(row))
        except sa.exc.IntegrityError:
            raise DuplicateCall(
                "a live call has this call_id; use another, or resume with its session_id"
            ) from None

    def take_over(self, claim: Claim) -> TakenCall | None:
        """Make a call this node's, whoever had it; None where nobody may resume it so.

        A gateway that goes on by itself (``Carrier.again``) may do so only as long as no other stream of the
        client's has taken the call up: one that was frozen or cut off does not know that its client has gone.
        """
        info, carrier = claim.info, claim.carrier
        its = [
            calls.c.tenant == (info.tenant or ""), calls.c.call_id == info.call_id,
            calls.c.sender == info.sender, calls.c.session == _hash(claim.session_id),
            calls.c.form == claim.form, calls.c.ended_at.is_(None), calls.c.epoch < MOST_PARTS,
            *_still_carried(carrier),
        ]  # fmt: skip
        change = (
            sa.update(calls)
            .where(*its)
            .values(node=self.node, epoch=calls.c.epoch + 1, carrier=_id_of(carrier), touched_at=self._now)
            .returning(calls)
        )
        with self._writing() as connection:
            row = connection.execute(change).one_or_none()
        if row is None:
            return None
        return TakenCall(
            uid=row.uid,
            epoch=row.epoch,
            acked=row.acked,
            seq=row.seq,
            in_force=_in_force(row.in_force),
            info=_info(row),
            record_terms=RecordTerms(**json.loads(row.kept)) if row.kept else RecordTerms(),
        )

    def attach(self, uid: str, epoch: int, carrier: Carrier | None) -> bool:
        """Note which stream brings a call of this node from now on; return whether it still is this node's.

        Raises:
            CallTaken: a gateway goes on by itself, and its client has come back another way meanwhile.
        """
        mine = (calls.c.uid == uid, calls.c.epoch == epoch)
        change = sa.update(calls).where(*mine, *_still_carried(carrier)).values(carrier=_id_of(carrier))
        with self._writing() as connection:
            if connection.execute(change).rowcount:
                return True
            if connection.execute(sa.select(calls.c.uid).where(*mine)).first() is None:
                return False
        raise CallTaken("another stream has taken this call over")

    def epochs(self, uids: Sequence[str]) -> dict[str, int]:
        """Return the epochs of calls by uid, whoever has them; those that are not there are left out."""
        query = sa.select(calls.c.uid, calls.c.epoch).where(calls.c.uid.in_(uids))
        with self.engine.connect() as connection:
            return {row.uid: row.epoch for row in connection.execute(query)}

    def unfinished(self, uids: Sequence[str], ended_s: float) -> set[str]:
        """Return those calls, by uid, that have not ended, or did so less than ``ended_s`` ago."""
        going = sa.or_(calls.c.ended_at.is_(None), calls.c.ended_at > self._now - ended_s)
        query = sa.select(calls.c.uid).where(calls.c.uid.in_(uids), going)
        with self.engine.connect() as connection:
            return set(connection.scalars(query))

    def owners(self, call_id: str) -> list[str]:
        """Return the nodes of live calls with an id: of each company that uses it, one."""
        query = sa.select(calls.c.node).where(calls.c.call_id == call_id, calls.c.ended_at.is_(None))
        with self.engine.connect() as connection:
            return list(dict.fromkeys(connection.scalars(query)))

    def give_up(self, uid: str, epoch: int) -> None:
        """Let go of a call that could not begin, or go on, here: a new one is forgotten."""
        mine = (calls.c.uid == uid, calls.c.epoch == epoch)
        change = sa.delete(calls) if epoch == 1 else sa.update(calls).values(node=NOBODY)
        with self._writing() as connection:
            connection.execute(change.where(*mine))

    def let_go(self, here: Sequence[str]) -> None:
        """Let go of calls that are this node's in the database alone, since the answer to a write was lost.

        Args:
            here: uids of the calls of this node.
        """
        strays = (
            calls.c.node == self.node,
            calls.c.ended_at.is_(None),
            calls.c.touched_at < self._now - STRAY_S,
            calls.c.uid.not_in(here),
        )
        with self._writing() as connection:
            connection.execute(sa.update(calls).where(*strays).values(node=NOBODY))

    # ---------------------------------------------------------------- what was told

    def commit(self, writes: Sequence[CallWrite]) -> set[str]:
        """Write what was told of calls, in one transaction; twice is as good as once, for answers get lost.

        Args:
            writes: one for each call.

        Returns:
            uids of calls that another node has by now: nothing of theirs was written.
        """
        if self._postgresql:
            with self._alone.connect() as connection:
                mine = write_at_once(connection, writes)
        else:
            with self._writing() as connection:
                mine = write_each(connection, writes, self._now)
        return {write.uid for write in writes} - mine

    def told(self, uid: str, after: int) -> list[bytes]:
        """Return the events of a call behind a number, in order."""
        query = sa.select(events.c.body).where(events.c.uid == uid, events.c.seq > after)
        with self.engine.connect() as connection:
            return list(connection.scalars(query.order_by(events.c.seq)))

    def past(self, call_id: str) -> list[tuple[CallInfo, list[bytes]]]:
        """Return the calls of an id that have ended a moment ago, and what was told of each."""
        query = sa.select(calls).where(calls.c.call_id == call_id, calls.c.ended_at.is_not(None))
        with self.engine.connect() as connection:
            rows = list(connection.execute(query.order_by(calls.c.ended_at.desc())))
        return [(_info(row), self.told(row.uid, 0)) for row in rows]

    # ---------------------------------------------------------------- the end

    def sweep(
        self, silent_s: float, window_s: float, last_word: Callable[[LostCall], bytes]
    ) -> list[LostCall]:
        """End calls whose node is gone and whose client never came back; delete what nobody needs any more.

        Args:
            silent_s: a node that said nothing for so long is gone.
            window_s: clients may resume for so long.
            last_word: makes the event by which such a call ends.

        Returns:
            the calls that were ended so.
        """
        gone = self._now - silent_s
        alive = sa.select(nodes.c.name).where(nodes.c.beat_at > gone)
        lost = (
            sa.update(calls)
            .where(
                calls.c.ended_at.is_(None),
                calls.c.node.not_in(alive),
                calls.c.touched_at < self._now - (silent_s + window_s),
            )
            .values(ended_at=self._now, epoch=calls.c.epoch + 1)
            .returning(calls.c.uid, calls.c.call_id, calls.c.acked, calls.c.seq, calls.c.epoch)
        )
        old = sa.select(calls.c.uid).where(calls.c.ended_at < self._now - TOLD_AFTER_S)
        with self._writing() as connection:
            found = [
                LostCall(
                    uid=row.uid, call_id=row.call_id, acked=row.acked, seq=next_part(row.seq, row.epoch) + 1
                )
                for row in connection.execute(lost)
            ]
            words = [{"uid": call.uid, "seq": call.seq, "body": last_word(call)} for call in found]
            if words:
                connection.execute(sa.insert(events), words)
            connection.execute(sa.delete(events).where(events.c.uid.in_(old)))
            connection.execute(sa.delete(calls).where(calls.c.ended_at < self._now - TOLD_AFTER_S))
            connection.execute(sa.delete(nodes).where(nodes.c.beat_at < self._now - 3600.0))
        return found


def _id_of(carrier: Carrier | None) -> str | None:
    return None if carrier is None else carrier.id


def _still_carried(carrier: Carrier | None) -> list[sa.ColumnElement[bool]]:
    """Return what must hold where a gateway goes on by itself."""
    return [calls.c.carrier == carrier.id] if carrier is not None and carrier.again else []


def _hash(session_id: str) -> str:
    """Return what is kept of a session's secret, which has 128 random bits."""
    return hashlib.sha256(session_id.encode("utf-8", "replace")).hexdigest()


def _in_force(text: str | None) -> InForce | None:
    if text is None:
        return None
    found: dict[str, Any] = json.loads(text)
    return InForce(
        language=found["language"],
        hotwords=tuple(found["hotwords"]),
        roles=tuple(map(Role, found["roles"])),
        paused=found["paused"],
        sensitive=found["sensitive"],
    )


def _info(row: Any) -> CallInfo:
    return CallInfo(
        call_id=row.call_id, tenant=row.tenant or None, started_at=row.started_at, sender=row.sender,
        **json.loads(row.info),
    )  # fmt: skip


def next_part(seq: int, epoch: int) -> int:
    """Return the number behind which a part counts.

    Args:
        seq: last one that the parts before have written; further ones may have been told.
        epoch: of the part.
    """
    return max((epoch - 1) * SEQ_STEP, (seq // SEQ_STEP + 1) * SEQ_STEP)


def form_of(codec: str, rate: int, channels: int) -> str:
    """Return what a resumed call must keep of its audio."""
    return f"{codec} {rate} {channels}"
