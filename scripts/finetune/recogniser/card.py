"""The model card that travels with an exported model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.finetune.common.page import percent

MULTILINGUAL = 51_865
SMALL = (
    f"faster-whisper takes a vocabulary of fewer than {MULTILINGUAL:,} tokens for an English-only model, as\n"
    "CTranslate2 does: it loads this one, but does not ask it for its language.\n"
)


def model_card(facts: Mapping[str, Any]) -> str:
    """Return Markdown; nothing in it is anybody's words or name."""
    settings, result, parity = facts["settings"], facts["result"], facts["parity"]
    context = "at utterance length" if settings["short_context"] else "on windows of 30 s"
    how = f"LoRA of rank {settings['lora']}, merged" if settings["lora"] else "all weights"
    cost = f"CER {percent(parity['cer_pytorch'])} before, {percent(parity['cer_quantised'])} after"
    rows = {
        "started from": f"`{settings['init']}`",
        "trained": f"{how}, {context}, {result['steps']} steps, best at step {result['best_step']}; "
        f"{percent(facts['blend'])} of the way from the starting weights",
        "training data": f"manifest `{settings['data'][:16]}`: {settings['train_utterances']} utterances, "
        f"{settings['train_hours']:.2f} h; recordings are personal data and no part of this model's files",
        "languages": ", ".join(facts["languages"]),
        "dev CER": f"{percent(result['best_cer'])}, greedy, before quantisation",
        "quantisation": f"{facts['quantization']}, vocabulary of {facts['vocabulary']}; {cost}, greedy",
        "parity": f"{parity['same']} of {parity['utterances']} dev transcripts as PyTorch's, unquantised; "
        f"{100 * parity['difference']:.2f} % of characters differ",
        "speed": f"{parity['rtf']:.3f} s of computing a second of speech, one thread, one by one",
        "min_context_s": f"{facts['min_context_s']:g}",
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    return f"""# {facts["name"]}

A Whisper recogniser fine-tuned on the operator's own calls, for Yuetone and other CTranslate2 programs.
{"" if facts["vocabulary"] >= MULTILINGUAL else SMALL}
| | |
|---|---|
{table}

Use: transcripts of calls of the centre that it was trained for. It was not measured on other speech unless
an evaluation report says so. A model trained on few speakers can reproduce phrases of its training calls:
treat the files as confidential, and delete the model when the recordings must be deleted.

The licence of the starting checkpoint applies.
"""
