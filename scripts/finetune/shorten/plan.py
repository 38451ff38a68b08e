"""What ``shorten`` would do, told before anything slow is loaded."""

from __future__ import annotations

from dataclasses import asdict

from asr.directory import ModelDirectory
from scripts.finetune.shorten.options import ShortenOptions
from scripts.finetune.shorten.speech import find_speech


def plan(directory: ModelDirectory, options: ShortenOptions) -> list[str]:
    """Return what would be done, a line each.

    Raises:
        FinetuneError: there are no recordings.
    """
    found = len(find_speech(options))
    return [
        f"{directory.name}: reads {directory.min_context_s:g} s and more now, the speech's own length after",
        f"{found} recordings, of which {options.hours:g} h of speech are used at most",
        "the model hears everything once at 30 s, then learns for "
        f"{options.epochs} epochs; speakers of the test set are left out",
        str({name: str(value) for name, value in asdict(options).items()}),
    ]
