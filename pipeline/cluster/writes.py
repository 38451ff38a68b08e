"""What a node writes of its calls, fenced by their epochs. Blocks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from pipeline.cluster.rows import CallWrite
from pipeline.cluster.tables import calls, events

_WRITE = sa.text(
    """
    WITH mine AS (
        UPDATE cluster_calls AS c
        SET acked = v.acked, seq = v.seq, in_force = v.state,
            touched_at = EXTRACT(EPOCH FROM clock_timestamp()),
            ended_at = CASE WHEN v.ended THEN EXTRACT(EPOCH FROM clock_timestamp()) ELSE c.ended_at END
        FROM unnest(CAST(:uids AS text[]), CAST(:epochs AS int[]), CAST(:ackeds AS bigint[]),
                    CAST(:seqs AS bigint[]), CAST(:states AS text[]), CAST(:ends AS boolean[]))
             AS v(uid, epoch, acked, seq, state, ended)
        WHERE c.uid = v.uid AND c.epoch = v.epoch
        RETURNING c.uid
    ), told AS (
        INSERT INTO cluster_events (uid, seq, body)
        SELECT e.uid, e.seq, e.body
        FROM unnest(CAST(:told_uids AS text[]), CAST(:told_seqs AS bigint[]), CAST(:bodies AS bytea[]))
             AS e(uid, seq, body)
        WHERE e.uid IN (SELECT uid FROM mine)
        ON CONFLICT DO NOTHING
    )
    SELECT uid FROM mine
    """
)
"""One statement for all calls of a node: half of what a transaction costs is its round trips."""


def write_at_once(connection: sa.Connection, writes: Sequence[CallWrite]) -> set[str]:
    """Write to PostgreSQL by one statement; return the uids of the calls that are still this node's.

    Args:
        connection: a connection on which each statement is a transaction of its own.
        writes: one for each call.
    """
    told = [(write.uid, seq, body) for write in writes for seq, body in write.told]
    given = {
        "uids": [write.uid for write in writes],
        "epochs": [write.epoch for write in writes],
        "ackeds": [write.acked for write in writes],
        "seqs": [write.seq for write in writes],
        "states": [_state(write) for write in writes],
        "ends": [write.ended for write in writes],
        "told_uids": [uid for uid, _seq, _body in told],
        "told_seqs": [seq for _uid, seq, _body in told],
        "bodies": [body for _uid, _seq, body in told],
    }
    return set(connection.execute(_WRITE, given).scalars())


def write_each(
    connection: sa.Connection, writes: Sequence[CallWrite], now: sa.ColumnElement[float]
) -> set[str]:
    """Write to SQLite, call by call; return the uids of the calls that are still this node's.

    Args:
        connection: a connection with an open transaction.
        writes: one for each call.
        now: the database's time.
    """
    mine = {write.uid for write in writes if _touch(connection, write, now)}
    rows = [
        {"uid": write.uid, "seq": seq, "body": body}
        for write in writes
        if write.uid in mine
        for seq, body in write.told
    ]
    if rows:
        connection.execute(sqlite.insert(events).on_conflict_do_nothing(), rows)
    return mine


def _touch(connection: sa.Connection, write: CallWrite, now: sa.ColumnElement[float]) -> bool:
    """Note how far a call is; tell whether it is still this node's."""
    values: dict[str, Any] = {
        "acked": write.acked, "seq": write.seq, "in_force": _state(write), "touched_at": now,
    }  # fmt: skip
    if write.ended:
        values["ended_at"] = now
    mine = sa.update(calls).where(calls.c.uid == write.uid, calls.c.epoch == write.epoch)
    return connection.execute(mine.values(values)).rowcount > 0


def _state(write: CallWrite) -> str:
    return json.dumps(asdict(write.in_force))
