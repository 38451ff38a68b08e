"""The store: all or nothing, nothing twice, everything remembered; SQLite and a real PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from suggest.base import Article, KnowledgeError
from suggest.knowledge import KnowledgeBase
from suggest.retrieval.searcher import Search
from suggest.store.database import address, open_database
from suggest.store.knowledge import KnowledgeStore
from suggest.store.record import Feedback, Question, Record
from suggest.store.tables import articles, metadata

PAY = Article(id="pay", question_zh="如何繳費？", answer_zh="請用轉數快。", keywords=("FPS",), source="a.csv")
LOST = Article(id="lost", question_en="I lost my card", answer_en="Call us.", source="a.csv")


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KnowledgeStore]:
    if request.param == "sqlite":
        url = str(tmp_path / "kb.db")
    else:
        url = request.getfixturevalue("postgresql")
        engine = open_database(address(url))
        with engine.begin() as connection:
            for name in ("kb_articles", "kb_versions", "kb_feedback", "kb_questions"):
                connection.execute(sa.text(f"TRUNCATE {name}"))
        engine.dispose()
    opened = KnowledgeStore(url)
    yield opened
    opened.close()


def test_articles_come_back_as_they_were(store: KnowledgeStore) -> None:
    before = store.revision()
    change = store.write([PAY, LOST])
    assert [key[1] for key in change.added] == ["pay", "lost"]
    assert store.get("", "pay") == PAY
    assert {item.id for item in store.all()} == {"pay", "lost"}
    assert store.revision() == before + 1
    written, gone, revision = store.changes(before)
    assert ({item.id for item in written}, gone, revision) == ({"pay", "lost"}, [], before + 1)


def test_importing_again_changes_only_what_is_different(store: KnowledgeStore) -> None:
    store.write([PAY, LOST])
    before = store.revision()
    assert store.write([PAY, replace(LOST, place="row 9")]).unchanged == 2
    assert store.revision() == before
    change = store.write([replace(PAY, answer_zh="請到便利店。")])
    assert (change.changed, change.added) == ((("", "pay"),), ())
    assert store.get("", "pay") == replace(PAY, answer_zh="請到便利店。", version=2)
    assert [(item.version, item.action) for item in store.history("", "pay")] == [
        (1, "added"),
        (2, "changed"),
    ]


def test_what_is_removed_can_come_back_and_keeps_its_history(store: KnowledgeStore) -> None:
    store.write([PAY])
    before = store.revision()
    assert store.write([], [("", "pay"), ("", "never")]).removed == (("", "pay"),)
    assert store.get("", "pay") is None
    assert store.count() == 0
    assert store.changes(before)[:2] == ([], [("", "pay")])
    store.write([PAY])
    assert [item.action for item in store.history("", "pay")] == ["added", "removed", "added"]


def test_a_write_that_fails_changes_nothing(store: KnowledgeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write([PAY])
    before = store.revision()
    wrong = replace(LOST, question_en=None)  # type: ignore[arg-type]
    with pytest.raises(KnowledgeError, match="cannot be written"):
        store.write([replace(PAY, answer_zh="neu"), wrong])
    assert store.get("", "pay") == PAY
    assert store.revision() == before


def test_one_row_that_the_database_refuses_keeps_no_other_out(store: KnowledgeStore) -> None:
    record, now = Record(store.engine), datetime.now(UTC)
    row = Feedback(
        at=now, tenant="", article_id="pay", article_tenant="", call_id="c", suggestion_id="s1",
        action="copied", language="en",
    )  # fmt: skip
    lost = record.add([row, replace(row, text="\x00"), replace(row, action="edited")], [])
    kept = [item.action for item in record.feedback(now - timedelta(hours=1)) if not item.text]
    assert sorted(kept) == ["copied", "edited"]
    assert lost == (1 if store.engine.dialect.name == "postgresql" else 0)


def test_what_was_said_counts_as_used_where_it_was_on_a_screen(store: KnowledgeStore) -> None:
    record, now = Record(store.engine), datetime.now(UTC)
    row = Feedback(
        at=now, tenant="", article_id="pay", article_tenant="", call_id="c", suggestion_id="s1",
        action="shown", language="en",
    )  # fmt: skip
    told = [
        ("s1", "shown"),
        ("s1", "said"),
        ("s2", "said"),
        ("s3", "shown"),
        ("s4", "copied"),
        ("s4", "said"),
    ]
    record.add([replace(row, suggestion_id=name, action=action) for name, action in told], [])
    assert record.uses(now - timedelta(hours=1), "") == {"c": (3, 2)}
    without = record.priors()
    record.add([replace(row, action="said", suggestion_id=f"x{number}") for number in range(9)], [])
    assert record.priors() == without  # hearing it says nothing of how good it was


def test_the_same_id_twice_is_refused_whole(store: KnowledgeStore) -> None:
    with pytest.raises(KnowledgeError, match="same id"):
        store.write([PAY, LOST, PAY])
    assert store.count() == 0
    store.write([PAY])
    assert store.write([], [("", "pay"), ("", "pay")]).removed == (("", "pay"),)


def test_tenants_do_not_meet(store: KnowledgeStore) -> None:
    store.write([PAY, replace(PAY, tenant="acme", answer_zh="請聯絡 Acme。")])
    assert store.count() == 2
    mine = store.get("acme", "pay")
    assert mine is not None
    assert mine.answer_zh == "請聯絡 Acme。"
    assert [item.tenant for item in store.all(("acme",))] == ["acme"]


def test_many_writers_take_their_turns(store: KnowledgeStore) -> None:
    before = store.revision()

    def work(name: int) -> None:
        for number in range(5):
            store.write([replace(PAY, id=f"{name}-{number}")])

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.count() == 20
    assert store.revision() == before + 20


def test_the_tables_are_those_of_the_migrations(store: KnowledgeStore) -> None:
    inspector = sa.inspect(store.engine)
    for table in metadata.sorted_tables:
        columns = {column["name"]: column["nullable"] for column in inspector.get_columns(table.name)}
        assert columns == {column.name: bool(column.nullable) for column in table.columns}, table.name
    KnowledgeStore(store.url.render_as_string(hide_password=False)).close()  # again: nothing to migrate


def test_feedback_counts_for_the_tenant_that_gave_it(store: KnowledgeStore) -> None:
    record, now = Record(store.engine), datetime.now(UTC)
    given = Feedback(
        at=now, tenant="acme", article_id="pay", article_tenant="", call_id="c", suggestion_id="s1",
        action="wrong", language="zh-Hant", text="〔姓名〕",
    )  # fmt: skip
    record.add([given] * 3 + [replace(given, action="copied", article_id="lost")], [])
    priors = record.priors()
    assert priors["acme", "", "pay"] < -0.4 < 0 < priors["acme", "", "lost"]
    assert ("", "", "pay") not in priors
    assert [row.action for row in record.feedback(now - timedelta(hours=1), "acme")][:1] == ["wrong"]
    asked = Question(
        at=now - timedelta(days=40), tenant="", call_id="c", utterance_id="0-1", text="x", language="en",
        confidence=0.1, nearest="", outcome="unanswered",
    )  # fmt: skip
    record.add([], [asked, replace(asked, at=now)])
    assert record.forget(now - timedelta(days=30)) == 1
    assert [row.at for row in record.questions(now - timedelta(days=90))] == [now]


@pytest.mark.parametrize(
    "url", ["mysql:///x", "nonsense://", "sqlite:////proc/none/kb.db", "postgresql://127.0.0.1:1/x"]
)
def test_a_store_that_cannot_be_opened_is_one_clear_error(url: str) -> None:
    with pytest.raises(KnowledgeError):
        KnowledgeStore(url)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "kb.db"
    path.write_text("this is no database, whatever its name says" * 40)
    with pytest.raises(KnowledgeError, match="cannot be used"):
        KnowledgeStore(str(path))
    assert path.read_text().startswith("this is no database")


def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    store = KnowledgeStore(str(tmp_path / "kb.db"))
    with store.engine.begin() as connection:
        connection.execute(sa.text("UPDATE kb_migrations SET version_num = '9999'"))
    store.close()
    with pytest.raises(KnowledgeError, match="newer release"):
        KnowledgeStore(str(tmp_path / "kb.db"))


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    KnowledgeStore(str(tmp_path / "deep" / "kb.db")).close()
    assert (tmp_path / "deep" / "kb.db").stat().st_mode & 0o077 == 0


words = st.sampled_from(["pay", "lost", "bill", "fee"])
steps = st.lists(st.tuples(words, st.sampled_from(["write", "remove"]), st.integers(0, 3)), max_size=12)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_an_index_that_follows_is_the_same_as_one_made_anew(changes: list[tuple[str, str, int]]) -> None:
    following = KnowledgeBase(":memory:")
    known: dict[str, Article] = {}
    for name, what, number in changes:
        if what == "write":
            known[name] = Article(
                id=name, question_en=f"{name} question {number}", answer_en=f"answer {number}"
            )
            following.store.write([known[name]])
        else:
            known.pop(name, None)
            following.store.write([], [("", name)])
        following.sync()
    following.sync()
    assert len(following) == len(known)
    for name, article in known.items():
        hits = following.search(Search(text=article.question_en)).hits
        found = {hit.article.id: hit.article for hit in hits}
        assert found[name].answer_en == article.answer_en
    following.close()


def test_an_index_follows_another_process(tmp_path: Path) -> None:
    one, other = KnowledgeBase(str(tmp_path / "kb.db")), KnowledgeBase(str(tmp_path / "kb.db"))
    one.store.write([PAY])
    one.sync()
    assert other.sync()
    assert other.search(Search(text="點樣俾錢呀")).hits[0].article.id == "pay"
    other.store.write([LOST])
    other.sync()
    assert one.sync()
    assert one.search(Search(text="I lost my card")).hits[0].article.id == "lost"
    assert not one.sync()
    one.close()
    other.close()


def test_an_index_that_is_given_up_stays_as_it_was(tmp_path: Path) -> None:
    base = KnowledgeBase(str(tmp_path / "kb.db"))
    base.store.write([PAY])
    base.sync()
    base.store.write([replace(PAY, id=f"more{number}") for number in range(500)])
    with pytest.raises(KnowledgeError, match="being closed"):
        base.sync(lambda _count: base.stop())
    assert len(base) == 1
    base.close()
    again = KnowledgeBase(str(tmp_path / "kb.db"))
    again.sync()
    assert len(again) == 501
    again.close()


def test_a_damaged_or_foreign_index_is_made_anew(tmp_path: Path) -> None:
    base = KnowledgeBase(str(tmp_path / "kb.db"))
    base.store.write([PAY])
    base.sync()
    base.close()
    (folder,) = (tmp_path / "kb.db.index").iterdir()
    (folder / "meta.json").write_text("{broken")
    again = KnowledgeBase(str(tmp_path / "kb.db"))
    again.sync()
    assert len(again) == 1
    again.close()
    for file in tmp_path.glob("kb.db*"):
        if file.is_file():
            file.unlink()
    fresh = KnowledgeBase(str(tmp_path / "kb.db"))  # another store at the same place
    fresh.sync()
    assert len(fresh) == 0
    fresh.close()


def test_removed_rows_are_marks_not_articles(store: KnowledgeStore) -> None:
    store.write([PAY])
    store.write([], [("", "pay")])
    with store.engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(articles)).scalar_one() == 1
