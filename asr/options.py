"""How to run a recogniser."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from asr import guards

BEAM_SIZE = 3
"""Width of the beam search for finals. On 1,600 held-out sentences over a telephone line 0.04 % of the
characters worse than 5 (by chance: 0.06), for 0.4 ms less a second of speech; 2 is 0.4 % worse, greedy 1 %
(``python -m benchmarks accuracy``, ``beams``, has 400 of them)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhisperOptions:
    """How to run the model.

    Attributes:
        device: ``cpu``, ``cuda`` or ``auto``.
        compute_type: of CTranslate2; ``auto`` takes int8 on a CPU and float16 on a GPU, whatever the file was
            saved as, ``default`` what the file was saved as.
        threads: CPU threads of one inference; 0 lets CTranslate2 choose.
        beam_size: of finals; partials are greedy.
        partials: ``ctc`` reads partials with the model's CTC head, ``decoder`` with its decoder, ``auto``
            with what the model declares, else with the head if there is one.
        guards: thresholds against invented text.
    """

    partials: Literal["auto", "ctc", "decoder"] = "auto"
    device: str = "cpu"
    compute_type: str = "auto"
    threads: int = 1
    beam_size: int = BEAM_SIZE
    guards: guards.GuardSettings = field(default_factory=guards.GuardSettings)
