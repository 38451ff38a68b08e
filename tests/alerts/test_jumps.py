from __future__ import annotations

from pipeline.alerts.jumps import ClockJumps, Jump

DAYS_40 = 40 * 86_400.0


def test_a_clock_that_goes_with_time_has_not_jumped() -> None:
    jumps = ClockJumps()
    for second in range(0, 3600, 10):
        assert jumps.look(1e9 + second * 1.001, float(second)) is None


def test_a_jump_of_forty_days_is_in_force_until_the_clock_is_set_back() -> None:
    jumps = ClockJumps()
    assert jumps.look(1e9, 0.0) is None
    jump = jumps.look(1e9 + DAYS_40 + 10, 10.0)
    assert jump == Jump(1e9 + DAYS_40 + 10, DAYS_40)
    now = 1e9 + DAYS_40 + 10
    assert jumps.look(now + 10, 20.0) == jump, "in force until the clock is set back"
    assert jumps.look(1e9 + 30, 30.0) is None


def test_a_clock_that_is_set_back_has_not_jumped_ahead() -> None:
    jumps = ClockJumps()
    jumps.look(1e9, 0.0)
    assert jumps.look(1e9 - DAYS_40 + 10, 10.0) is None
