"""What agents did with suggestions, and questions that had no good answer. Texts come masked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from suggest.store.database import overwrite_deleted, writing
from suggest.store.tables import feedback, questions

SAID = "said"
ACTIONS = ("shown", "copied", "edited", SAID, "dismissed", "wrong")
"""What is done with suggestions: by agents on a desk, but for :data:`SAID`, which the server hears."""
_WORTH = {"copied": 1.0, "edited": 0.8, "dismissed": -0.5, "wrong": -1.5}
PRIOR_STRENGTH = 5.0
"""Uses that it takes to believe half of what they say (own choice)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """An agent did something with a suggestion.

    Attributes:
        at: when.
        tenant: of the call.
        article_id: of the suggestion's first source.
        article_tenant: whose article that is; '' for everybody's.
        call_id: of the call.
        suggestion_id: within it.
        action: one of :data:`ACTIONS`.
        language: of the text.
        after_ms: ms since the suggestion was shown; None if not told.
        text: what the agent made of it, masked; '' otherwise.
    """

    at: datetime
    tenant: str
    article_id: str
    article_tenant: str
    call_id: str
    suggestion_id: str
    action: str
    language: str
    after_ms: int | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question of a customer without a good answer.

    Attributes:
        at: when.
        tenant: of the call.
        call_id: of the call.
        utterance_id: within it.
        text: masked.
        language: zh-Hant or en.
        confidence: of the nearest article.
        nearest: its id; '' if there was none.
        outcome: 'unanswered', or 'dismissed' or 'wrong' where agents refused what was shown.
    """

    at: datetime
    tenant: str
    call_id: str
    utterance_id: str
    text: str
    language: str
    confidence: float
    nearest: str
    outcome: str


class Record:
    """Feedback and questions of a store; methods block, any thread may call them.

    Args:
        engine: of the store.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def add(self, given: Sequence[Feedback], asked: Sequence[Question]) -> int:
        """Keep feedback and questions; return how many rows the database does not take.

        One row that it refuses (a character of another encoding) keeps the others from nothing.
        """
        rows = [*((feedback, asdict(row)) for row in given), *((questions, asdict(row)) for row in asked)]
        try:
            self._insert(rows)
        except (sa.exc.DataError, ValueError):
            return sum(not self._taken(row) for row in rows)
        return 0

    def _taken(self, row: tuple[sa.Table, dict[str, Any]]) -> bool:
        try:
            self._insert([row])
        except (sa.exc.DataError, ValueError):
            return False
        return True

    def _insert(self, rows: Sequence[tuple[sa.Table, dict[str, Any]]]) -> None:
        with writing(self._engine) as connection:
            for table in (feedback, questions):
                values = [row for target, row in rows if target is table]
                if values:
                    connection.execute(sa.insert(table), values)

    def feedback(
        self, since: datetime, tenant: str | None = None, until: datetime | None = None
    ) -> Iterator[Feedback]:
        """Yield feedback from ``since``, before ``until``, of one tenant or of all."""
        yield from (Feedback(**row) for row in self._rows(feedback, since, tenant, until))

    def questions(
        self, since: datetime, tenant: str | None = None, until: datetime | None = None
    ) -> Iterator[Question]:
        """Yield questions from ``since``, before ``until``, of one tenant or of all."""
        yield from (Question(**row) for row in self._rows(questions, since, tenant, until))

    def _rows(
        self, table: sa.Table, since: datetime, tenant: str | None, until: datetime | None
    ) -> Iterator[dict[str, Any]]:
        columns = [column for column in table.c if column.name != "seq"]
        query = sa.select(*columns).where(table.c.at >= since).order_by(table.c.seq)
        if tenant is not None:
            query = query.where(table.c.tenant == tenant)
        if until is not None:
            query = query.where(table.c.at < until)
        with self._engine.connect() as connection:
            for row in connection.execute(query).mappings():
                values = dict(row)
                if values["at"].tzinfo is None:  # SQLite keeps no zone
                    values["at"] = values["at"].replace(tzinfo=UTC)
                yield values

    def uses(self, since: datetime, tenant: str) -> dict[str, tuple[int, int]]:
        """Return by call id how many suggestions were on a screen, and how many of them were used.

        A suggestion that was said, and that no desk has shown, is none of them.
        """
        used = sa.func.max(sa.case((feedback.c.action.in_(("copied", "edited", SAID)), 1), else_=0))
        on_screen = sa.func.max(sa.case((feedback.c.action != SAID, 1), else_=0)) == 1
        one = (
            sa.select(feedback.c.call_id, used.label("used"))
            .where(feedback.c.at >= since, feedback.c.tenant == tenant)
            .group_by(feedback.c.call_id, feedback.c.suggestion_id)
            .having(on_screen)
            .subquery()
        )
        query = sa.select(one.c.call_id, sa.func.count(), sa.func.sum(one.c.used)).group_by(one.c.call_id)
        with self._engine.connect() as connection:
            return {row[0]: (row[1], int(row[2])) for row in connection.execute(query)}

    def priors(self) -> dict[tuple[str, str, str], float]:
        """Return what agents did with articles, -1 to 1, by tenant of the call and key of the article."""
        columns = (feedback.c.tenant, feedback.c.article_tenant, feedback.c.article_id, feedback.c.action)
        query = sa.select(*columns, sa.func.count()).where(feedback.c.action.not_in(("shown", SAID)))
        query = query.group_by(*columns)
        sums: dict[tuple[str, str, str], tuple[float, int]] = {}
        with self._engine.connect() as connection:
            for tenant, owner, article_id, action, count in connection.execute(query):
                key = (str(tenant), str(owner), str(article_id))
                worth, uses = sums.get(key, (0.0, 0))
                sums[key] = (worth + _WORTH.get(str(action), 0.0) * int(str(count)), uses + int(str(count)))
        return {
            key: max(-1.0, min(1.0, worth / (uses + PRIOR_STRENGTH))) for key, (worth, uses) in sums.items()
        }

    def forget_call(self, tenant: str, call_id: str, since: datetime, until: datetime) -> int:
        """Delete what was kept of a call; return how many rows.

        Args:
            tenant: whose call.
            call_id: of it.
            since: of rows then or later: another call may have had the same id.
            until: or earlier.
        """
        gone = 0
        with writing(self._engine) as connection:
            for table in (questions, feedback):
                its = (
                    table.c.tenant == tenant, table.c.call_id == call_id, table.c.at.between(since, until),
                )  # fmt: skip
                gone += connection.execute(sa.delete(table).where(*its)).rowcount
        overwrite_deleted(self._engine, (questions, feedback))
        return gone

    def forget(self, before: datetime) -> int:
        """Delete what is older; return how many rows. What agents did stays, without their texts."""
        with writing(self._engine) as connection:
            gone = connection.execute(sa.delete(questions).where(questions.c.at < before)).rowcount
            old = (feedback.c.at < before) & (feedback.c.text != "")
            connection.execute(sa.update(feedback).where(old).values(text=""))
        return int(gone)
