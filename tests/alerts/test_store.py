from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.alerts.jumps import Jump
from pipeline.alerts.store import AlertStore
from pipeline.calls.codec import event_from_json, event_to_json
from pipeline.calls.events import AlertEvent, AlertState
from pipeline.errors import SettingsError
from pipeline.storage.database import MEMORY
from tests.alerts.helpers import alert, record


def test_an_event_survives_json() -> None:
    assert event_from_json(AlertEvent, event_to_json(alert())) == alert()


def test_records_and_deliveries_survive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "alerts.db"
    first = AlertStore(path)
    stored, _ = first.add(record(1), ["desk", "boss"])
    first.add(record(2), ["desk"])
    first.close()
    second = AlertStore(path)
    assert second.id == first.id
    assert [found.event.alert_id for found in second.after(0)] == ["alert-1", "alert-2"]
    delivery = second.due("boss", time.time() + 1)
    assert delivery is not None
    assert delivery.record == stored
    second.delivered(delivery)
    assert second.due("boss", time.time() + 1) is None
    assert second.pending() == 2
    assert path.stat().st_mode & 0o077 == 0
    second.close()


def test_records_and_deliveries_survive_in_postgresql(postgresql: str) -> None:
    first = AlertStore(postgresql)
    stored, _ = first.add(record(1), ["desk"])
    first.close()
    second = AlertStore(postgresql)
    assert second.id == first.id
    assert second.after(0) == [stored]
    delivery = second.due("desk", time.time() + 1)
    assert delivery is not None
    second.failed(delivery, time.time() + 60)
    second.add(record(1, AlertState.ACKNOWLEDGED), [])
    assert second.pending() == 0
    second.close()


def test_failed_deliveries_wait_and_acknowledged_ones_are_gone() -> None:
    store = AlertStore(MEMORY)
    store.add(record(1), ["desk"])
    now = time.time()
    delivery = store.due("desk", now + 1)
    assert delivery is not None
    store.failed(delivery, now + 60)
    assert store.due("desk", now + 59) is None
    assert store.next_due("desk") == pytest.approx(now + 60)
    store.add(record(1, AlertState.ACKNOWLEDGED), [])
    assert store.pending() == 0
    store.failed(delivery, now)  # an attempt that was on its way
    assert store.pending() == 0
    store.close()


def test_a_full_outbox_gives_up_the_oldest_of_its_webhook_only() -> None:
    store = AlertStore(MEMORY, max_pending=3)
    store.add(record(0), ["other"])
    dropped = [store.add(record(number), ["desk"])[1] for number in range(1, 6)]
    assert dropped == [0, 0, 0, 1, 1]
    left = []
    while delivery := store.due("desk", time.time() + 1):
        left.append(delivery.record.event.alert_id)
        store.delivered(delivery)
    assert left == ["alert-3", "alert-4", "alert-5"]
    assert store.pending() == 1
    assert len(store.after(0)) == 6  # supervisors still see every one
    store.close()


def test_overdue_counts_from_the_raising_and_closed_ones_are_not() -> None:
    store = AlertStore(MEMORY)
    store.add(record(1, at=100, expire_s=10), [])
    store.add(record(1, AlertState.ESCALATED, at=108, expire_s=10), [])
    store.add(record(2, at=100, expire_s=10), [])
    store.add(record(2, AlertState.CALMED, at=101, expire_s=10), [])
    assert store.overdue(109) == []
    assert [found.event.alert_id for found in store.overdue(111)] == ["alert-1"]
    store.close()


def test_a_clock_that_jumps_makes_no_alert_overdue() -> None:
    store, days_40 = AlertStore(MEMORY), 40 * 86_400.0
    store.add(record(1, at=100, expire_s=600), [])
    store.add(record(1, AlertState.ESCALATED, at=400, expire_s=600), [])
    jump = Jump(at=500 + days_40, by=days_40)
    store.add(record(2, at=jump.at + 5, expire_s=600), [])
    assert [found.event.alert_id for found in store.overdue(jump.at + 60)] == ["alert-1"], (
        "without knowing of it"
    )
    assert store.overdue(jump.at + 60, jump) == [], "it has waited for 460 s"
    late = [found.event.alert_id for found in store.overdue(jump.at + 201, jump)]
    assert late == ["alert-1"], "from its raising on, as always"
    assert len(store.overdue(jump.at + 606, jump)) == 2
    store.close()


def test_old_records_are_forgotten_unless_open_or_undelivered() -> None:
    store = AlertStore(MEMORY)
    store.add(record(1, at=100), [])
    store.add(record(2, AlertState.CALMED, at=100), [])
    store.add(record(3, AlertState.CALMED, at=100), ["desk"])
    assert store.forget(200) == 1
    assert [found.event.alert_id for found in store.after(0)] == ["alert-1", "alert-3"]
    store.close()


def test_deliveries_of_webhooks_that_are_gone_are_given_up() -> None:
    store = AlertStore(MEMORY)
    store.add(record(1), ["desk", "old"])
    assert store.drop_unknown(["desk"]) == 1
    assert store.drop_unknown([]) == 1
    store.close()


@pytest.mark.parametrize("kind", ["folder", "text", "newer"])
def test_an_unusable_file_is_one_clear_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "alerts.db"
    if kind == "folder":
        path.mkdir()
    elif kind == "text":
        path.write_text("not a database" * 100)
    else:
        AlertStore(path).close()
        with sqlite3.connect(path) as database:
            database.execute("UPDATE yuetone_migrations SET version_num = '9999'")
        database.close()
    with pytest.raises(SettingsError, match=r"alerts\.store"):
        AlertStore(path)


def test_what_comes_after_an_acknowledgement_is_left_out() -> None:
    store = AlertStore(MEMORY)
    store.add(record(1), ["desk"])
    assert store.add(record(1, AlertState.ACKNOWLEDGED), [])[0] is not None
    for late in (AlertState.ESCALATED, AlertState.ACKNOWLEDGED, AlertState.EXPIRED):
        assert store.add(record(1, late), ["desk"]) == (None, 0)
    assert [found.event.state for found in store.after(0)] == [AlertState.RAISED, AlertState.ACKNOWLEDGED]
    assert store.pending() == 0
    store.close()


def test_what_is_calm_cannot_expire_but_can_be_taken() -> None:
    store = AlertStore(MEMORY)
    store.add(record(1), [])
    store.add(record(1, AlertState.CALMED), [])
    assert store.add(record(1, AlertState.EXPIRED), [])[0] is None
    assert store.add(record(1, AlertState.ACKNOWLEDGED), [])[0] is not None
    store.close()


def test_an_alert_that_expired_is_still_sent() -> None:
    store = AlertStore(MEMORY)
    store.add(record(1), ["desk"])
    store.add(record(1, AlertState.EXPIRED), [])
    assert store.pending() == 1
    store.close()


def test_an_earlier_state_is_not_sent_behind_a_later_one() -> None:
    store, now = AlertStore(MEMORY), time.time()
    store.add(record(1), ["desk"])
    first = store.due("desk", now + 1)
    assert first is not None
    store.failed(first, now + 60)
    store.add(record(1, AlertState.ESCALATED), ["desk"])
    second = store.due("desk", now + 1)
    assert second is not None
    store.delivered(second)
    assert store.due("desk", now + 100) is None
    store.close()


def test_the_raising_of_an_open_alert_is_never_forgotten() -> None:
    store = AlertStore(MEMORY)
    store.add(record(1, at=100), [])
    store.add(record(1, AlertState.ESCALATED, at=300), [])
    assert store.forget(200) == 0
    store.close()


LEGACY = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE alerts (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, alert_id TEXT NOT NULL, call_id TEXT NOT NULL,
  tenant TEXT, queue TEXT, agent_id TEXT, event TEXT NOT NULL, expire_s REAL NOT NULL,
  is_open INTEGER NOT NULL, verdict TEXT, note TEXT);
CREATE INDEX alerts_by_id ON alerts (alert_id);
CREATE TABLE deliveries (
  webhook TEXT NOT NULL, seq INTEGER NOT NULL, attempts INTEGER NOT NULL, next_at REAL NOT NULL,
  PRIMARY KEY (webhook, seq));
INSERT INTO meta VALUES ('version', '1'), ('id', 'abcd1234');
INSERT INTO deliveries VALUES ('desk', 7, 2, 100.0);
"""
"""What release 0.1 wrote, before there were migrations."""
LEGACY_EVENT = (
    '{"alert_id": "old", "rule": "anger", "severity": 3, "state": "raised", "channel": 0, "start": 16000,'
    ' "end": 32000, "evidence": "用詞：投訴", "agitation": 0.8, "curve": [[0, 0.1], [16000, 0.8]]}'
)


def legacy(path: Path, version: str = "1") -> Path:
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(LEGACY)
        database.execute("UPDATE meta SET value = ? WHERE key = 'version'", (version,))
        database.execute(
            "INSERT INTO alerts VALUES (7, 99.5, 'old', 'call-1', 'bank', NULL, 'amy', ?, 60, 1, NULL, NULL)",
            (LEGACY_EVENT,),
        )
    return path


def test_a_file_of_the_release_before_is_taken_over_with_cursors_and_outbox(tmp_path: Path) -> None:
    store = AlertStore(legacy(tmp_path / "alerts.db"))
    assert store.id == "abcd1234", "cursors of supervisors go on"
    (found,) = store.after(0)
    assert (found.seq, found.at, found.call.tenant, found.call.agent_id) == (7, 99.5, "bank", "amy")
    assert found.event.curve == ((0, 0.1), (16_000, 0.8))
    delivery = store.due("desk", 101.0)
    assert delivery is not None
    assert (delivery.attempts, delivery.record) == (2, found)
    assert [late.event.alert_id for late in store.overdue(1000.0)] == ["old"]
    stored, _dropped = store.add(record(1), ["desk"])
    assert stored is not None
    assert stored.seq == 8
    store.close()
    again = AlertStore(tmp_path / "alerts.db")
    assert [kept.seq for kept in again.after(0)] == [7, 8]
    again.close()


def test_a_number_is_never_given_twice() -> None:
    """A cursor that stands behind a deleted row must not pass over the next one."""
    store = AlertStore(MEMORY)
    store.add(record(1, AlertState.CALMED, at=100), [])
    assert store.forget(200) == 1
    stored, _dropped = store.add(record(2), [])
    assert stored is not None
    assert stored.seq == 2
    store.close()


def test_a_file_of_an_unknown_release_is_left_alone(tmp_path: Path) -> None:
    path = legacy(tmp_path / "alerts.db", version="7")
    with pytest.raises(SettingsError, match=r"alerts\.store.*newer release"):
        AlertStore(path)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT value FROM meta WHERE key = 'version'").fetchone() == ("7",)
        columns = [row[1] for row in database.execute("PRAGMA table_info(alerts)")]
    assert "team" not in columns
