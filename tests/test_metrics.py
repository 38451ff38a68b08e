"""What a server counts, by company."""

from __future__ import annotations

from pipeline.metrics import MOST_COMPANIES, Metrics


def test_live_calls_are_counted_by_company_when_the_metrics_are_read() -> None:
    metrics = Metrics()
    live: list[str | None] = []
    metrics.follow_live(lambda: live)
    value = metrics.registry.get_sample_value
    assert value("yuetone_calls_live", {"tenant": ""}) == 0
    live += ["a", "a", "b", None]
    counted = [value("yuetone_calls_live", {"tenant": tenant}) for tenant in ("a", "b", "")]
    assert counted == [2, 1, 1]


def test_names_without_end_share_a_label() -> None:
    metrics = Metrics()
    labels = {metrics.company(f"made up {number}") for number in range(3 * MOST_COMPANIES)}
    assert len(labels) == MOST_COMPANIES + 1
    assert metrics.company("made up 0") == "made up 0"
