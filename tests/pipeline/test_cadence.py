from __future__ import annotations

from pipeline.sections.asr import PartialSettings
from pipeline.stages.transcribe.cadence import BUSY_QUEUE, BUSY_SHARE, between_partials_ms


def test_partials_come_less_often_the_busier_the_recogniser_is() -> None:
    settings = PartialSettings(every_ms=600, slowest_ms=1200)
    assert between_partials_ms(settings, 0, 0.0) == 600
    by_queue = [between_partials_ms(settings, waiting, 0.0) for waiting in range(BUSY_QUEUE + 3)]
    by_load = [between_partials_ms(settings, 0, share * BUSY_SHARE / 4) for share in range(8)]
    for found in (by_queue, by_load):
        assert found == sorted(found)
        assert found[-1] == 1200
    assert between_partials_ms(settings, 1, BUSY_SHARE / 2) == 900, "the busier of both counts"


def test_a_slowest_below_the_usual_changes_nothing() -> None:
    assert between_partials_ms(PartialSettings(every_ms=900, slowest_ms=600), 9, 1.0) == 900
