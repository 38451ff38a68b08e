"""The model card that travels with a model that was taught exact length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asr.directory import ModelDirectory
from models.registry import entries
from scripts.finetune.shorten.measuring import COLUMNS, measured_rows


def model_card(before: ModelDirectory, facts: Mapping[str, Any]) -> str:
    """Return Markdown; nothing in it is anybody's words or name."""
    options, result, report = facts["options"], facts["result"], facts["report"]
    known = entries().get(before.name)
    rows = {
        "made from": f"`{before.name}`, weights `{report['models']['base']['sha256'][:16]}`",
        "licence": known.licence if known else "as of the model that it was made from",
        "taught": "audio-context fine-tuning by self-distillation (FUTO 2024): decoder states at the "
        "speech's own length follow those at 30 s; "
        f"{result['steps']} steps, best at step {result['best_step']}",
        "training data": f"{result['train_utterances']} utterances, {result['train_hours']:.2f} h, no "
        f"transcripts; {result['left_out']} left out, because the model ran away in them; recordings are "
        "personal data and no part of this model's files",
        "languages": ", ".join(before.languages) or "as before",
        "quantisation": str(options["quantization"]),
    }
    table = "".join(f"| {name} | {text} |\n" for name, text in rows.items())
    figures = "".join(f"| {' | '.join(row)} |\n" for row in measured_rows(report))
    return (
        f"# {options['name']}\n\nWhisper that reads speech at its own length instead of padded to 30 s.\n\n"
        f"| | |\n|---|---|\n{table}\n"
        f"Measured on {report['test']['utterances']} utterances of {report['test']['speakers']} speakers "
        f"that it was not taught with, {report['test']['transcribed']} with a transcript:\n\n"
        f"| {' | '.join(['input', *COLUMNS.values()])} |\n|{'---|' * (len(COLUMNS) + 1)}\n{figures}"
    )
