"""Turn a training run into the directory that is served.

    python -m scripts.finetune.bundled.export --run runs/a runs/b --blend 0.6 --out asr/bundled

Weights are saved in int8, the rest in float16; the CTC head for live text stands beside them.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Mapping, Sequence
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
from scripts.finetune.recogniser.network import Network

DECLARED = {
    "name": "bundled",
    "language": "yue",
    "languages": ["yue", "en"],
    "min_context_s": 0.0,
    "hotword_tokens": 24,
    "partials": "decoder",
}


def export(pupil: Pupil, sources: Sources, out: Path, gate: int) -> None:
    """Write what is served into the folder ``out``."""
    round_to_half(pupil.network)
    pupil.network.whisper.generation_config.begin_suppress_tokens = []  # an empty text is an answer
    with tempfile.TemporaryDirectory() as folder:
        save_hf(pupil.network, pupil.tokenizer, {}, Path(folder))
        convert(Path(folder), out, "int8_float16")
    replace_file(out / "yuetone.toml", toml(DECLARED))
    (out / "ctc.npz").unlink(missing_ok=True)
    engine = WhisperEngine(read_recogniser(out), WhisperOptions(compute_type="int8"))
    _head(pupil, engine, gate_examples(engine, pupil.ctc_tokens, sources, gate), out)


def blend(network: Network, before: Mapping[str, torch.Tensor], share: float) -> None:
    """Go back a part of the way to the weights before training, in place; the CTC head stays as trained.

    What was learned from made voices and forgotten about real ones weighs less (Wortsman et al. 2022).
    """
    after = network.state_dict()
    network.load_state_dict(
        {
            name: value if name.startswith("ctc_head") else torch.lerp(before[name], value, share)
            for name, value in after.items()
        }
    )


def gate_examples(
    engine: WhisperEngine, tokens: Sequence[int], sources: Sources, count: int
) -> list[Example]:
    """Return states and rows of ``count`` utterances as training draws them."""
    maker, rng = ExampleMaker(sources), random.Random(1)
    found: list[Example] = []
    row_of = {token: row for row, token in enumerate(tokens)}
    while len(found) < count:
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


def _trained(run: Path, network: Network) -> dict[str, torch.Tensor]:
    """Return the weights of a run; ``network`` has its shape.

    Raises:
        SystemExit: there is no checkpoint.
    """
    if not load(run, network)["step"]:
        raise SystemExit(f"no checkpoint in {run}; train first")
    return {name: value.clone() for name, value in network.state_dict().items()}


def main() -> None:
    """Export one run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--run", type=Path, nargs="+", required=True, help="folders of training runs; of several, the mean"
    )
    parser.add_argument("--out", type=Path, required=True, help="CTranslate2 directory to write")
    parser.add_argument(
        "--blend",
        type=float,
        default=1.0,
        help="share of the way from the starting weights to the trained ones",
    )
    parser.add_argument(
        "--gate", type=int, default=200, help="utterances that the CTC head's gate learns from"
    )
    parser.add_argument("--start", help="overrides what the run started from")
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    first = options.run[0]
    settings = read_json(first / SETTINGS)
    english = tuple(Path(folder) for folder in settings["english"])
    sources = open_sources(Path(settings["syllables"]), first / "syllables.npz", english)
    pupil = build(options.start or settings["start"], sources, settings["ctc"])
    before = {name: value.clone() for name, value in pupil.network.state_dict().items()}
    trained = [_trained(run, pupil.network) for run in options.run]
    mean = {name: torch.stack([state[name] for state in trained]).mean(0) for name in before}
    heads = {name: value for name, value in trained[0].items() if name.startswith("ctc_head")}
    pupil.network.load_state_dict({**mean, **heads})
    blend(pupil.network, before, options.blend)
    export(pupil, sources, options.out, options.gate)
    size = sum(file.stat().st_size for file in options.out.iterdir()) / 1e6
    print(f"exported to {options.out}, {size:.1f} MB")


if __name__ == "__main__":
    main()
