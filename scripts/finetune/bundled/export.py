"""Turn a training run into the directory that is served.

    python -m scripts.finetune.bundled.export --run runs/bundled --out asr/bundled

Weights are saved in int8, the rest in float16; the CTC head for live text stands beside them.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from asr.base import AsrRequest
from asr.convert import convert
from asr.directory import read_recogniser
from asr.options import WhisperOptions
from asr.whisper import WhisperEngine
from models.files import replace_file
from scripts.finetune.bundled.examples import ExampleMaker, Sources, open_sources
from scripts.finetune.bundled.train import SETTINGS, Pupil, build, load
from scripts.finetune.common.folders import read_json
from scripts.finetune.recogniser.export import round_to_half, save_hf, toml
from scripts.finetune.recogniser.head import Example, Head, finished, without_pauses

DECLARED = {
    "name": "bundled",
    "language": "yue",
    "languages": ["yue", "en"],
    "min_context_s": 0.0,
    "hotword_tokens": 24,
    "partials": "ctc",
}
GATE_EXAMPLES = 200
"""Utterances from which the head's gate learns which states are blank."""


def export(pupil: Pupil, sources: Sources, out: Path, seed: int = 1) -> None:
    """Write what is served into the folder ``out``."""
    round_to_half(pupil.network)
    pupil.network.whisper.generation_config.begin_suppress_tokens = []  # an empty text is an answer
    with tempfile.TemporaryDirectory() as folder:
        save_hf(pupil.network, pupil.tokenizer, {}, Path(folder))
        convert(Path(folder), out, "int8_float16")
    replace_file(out / "yuetone.toml", toml(DECLARED))
    (out / "ctc.npz").unlink(missing_ok=True)
    engine = WhisperEngine(read_recogniser(out), WhisperOptions(compute_type="int8"))
    _head(pupil, engine, gate_examples(engine, pupil.ctc_tokens, sources, seed), out)


def gate_examples(engine: WhisperEngine, tokens: Sequence[int], sources: Sources, seed: int) -> list[Example]:
    """Return states and rows of utterances as training draws them."""
    maker, rng = ExampleMaker(sources), random.Random(seed)
    found: list[Example] = []
    row_of = {token: row for row, token in enumerate(tokens)}
    while len(found) < GATE_EXAMPLES:
        example = maker.draw(rng)
        rows = [row_of.get(token, -1) for token in engine.tokens_of(without_pauses(example.text))]
        if rows and min(rows) >= 0:
            states = engine.states([AsrRequest(pcm=example.pcm, final=False)])[0]
            found.append(Example(states.astype("float16"), rows))
    return found


def _head(pupil: Pupil, engine: WhisperEngine, data: Sequence[Example], out: Path) -> None:
    trained = pupil.network.ctc_head
    if trained is None:
        return
    head = Head(pupil.ctc_tokens, trained.in_features, 0)
    head.linear.load_state_dict(trained.state_dict())
    finished(head, data).save(out)


def main() -> None:
    """Export one run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, required=True, help="folder of the training run")
    parser.add_argument("--out", type=Path, required=True, help="CTranslate2 directory to write")
    parser.add_argument("--start", help="overrides what the run started from")
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    settings = read_json(options.run / SETTINGS)
    english = tuple(Path(folder) for folder in settings["english"])
    sources = open_sources(Path(settings["syllables"]), options.run / "syllables.npz", english)
    pupil = build(options.start or settings["start"], sources, settings["ctc"])
    step = int(load(options.run, pupil.network)["step"])
    if not step:
        raise SystemExit(f"no checkpoint in {options.run}; train first")
    export(pupil, sources, options.out)
    size = sum(file.stat().st_size for file in options.out.iterdir()) / 1e6
    print(f"exported step {step} to {options.out}, {size:.1f} MB")


if __name__ == "__main__":
    main()
