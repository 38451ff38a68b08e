"""What a run of ``shorten`` depends on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortenOptions:
    """How a model is taught to read speech at its own length; all of it fixes the result.

    Attributes:
        model: what to start from; see :func:`scripts.finetune.recogniser.checkpoint.locate`.
        audio: folder of recordings.
        language: Whisper code of the speech; empty leaves it to the manifest, else to the teacher's ear.
        hours: of speech, at most.
        epochs: passes over the training set.
        batch_seconds: of audio in a step, padding included.
        rate: peak learning rate.
        warm_up: share of all steps in which the rate rises.
        decay_from: share of all steps at the full rate, behind which it falls to 0.
        cuts: share of utterances that are also learned from up to a random moment: live text is asked for
            while people speak.
        dev_utterances: that are read after each epoch.
        test_utterances: of speakers not trained on, for the report.
        quantization: of CTranslate2.
        name: of the model, for Started, logs and the card.
        seed: of everything.
        threads: of torch; 0 lets it choose.
        save_every: steps between checkpoints.
    """

    model: str
    audio: Path
    name: str
    language: str = ""
    hours: float = 20.0
    epochs: int = 6
    batch_seconds: float = 60.0
    rate: float = 5e-5
    warm_up: float = 0.05
    decay_from: float = 0.4
    cuts: float = 0.3
    dev_utterances: int = 60
    test_utterances: int = 300
    quantization: str = "int8_float32"
    seed: int = 0
    threads: int = 0
    save_every: int = 50
