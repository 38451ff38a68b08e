"""The step ``export``: a training run into a directory that the server can load."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import WhisperFeatureExtractor

from asr.convert import convert
from asr.directory import read_recogniser
from cantonese.scoring import character_error_rate, scoring_form
from models.files import replace_file
from scripts.finetune.common.errors import FinetuneError
from scripts.finetune.common.folders import SETTINGS, building, read_json, write_json
from scripts.finetune.common.manifest import Manifest, read_manifest
from scripts.finetune.corpus.hearing import hear
from scripts.finetune.recogniser.card import model_card
from scripts.finetune.recogniser.checkpoint import HEADS, Checkpoint, open_checkpoint
from scripts.finetune.recogniser.decoding import transcribe
from scripts.finetune.recogniser.network import Network, merge_lora
from scripts.finetune.recogniser.options import TrainOptions
from scripts.finetune.recogniser.partials import keep_head
from scripts.finetune.recogniser.running import compare_speed, load
from scripts.finetune.recogniser.tokens import TokenLayout
from scripts.finetune.recogniser.training import BEST, RESULT, build_network
from scripts.finetune.recogniser.trim import trim_ctc, trim_tokenizer, trim_weights

PARITY_UTTERANCES = 50
MAX_DIFFERENCE = 0.005
"""Share of characters that may differ between PyTorch and CTranslate2 in float32, by rounding."""
DOUBTFUL = 0.04
"""Share of utterances that may differ: where two words are equally likely, the last bit decides."""
HF_FOLDER = "huggingface"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """How to export.

    Attributes:
        name: of the model, for Started, logs and the card.
        quantization: of CTranslate2.
        blend: share of the way from the starting weights to the trained ones (Wortsman et al. 2022); below 1
            a little of what was learned is given up for much of what was forgotten.
        trim_vocabulary: leave out tokens of scripts that are neither Chinese nor Latin.
        min_context_s: shortest input; None for 0 after short-context training, else 30.
        data: split folder whose dev set the parity is measured on; None for the one trained on.
    """

    name: str
    quantization: str = "int8_float32"
    blend: float = 1.0
    trim_vocabulary: bool = False
    min_context_s: float | None = None
    data: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A finished training run, loaded and merged."""

    settings: dict[str, Any]
    result: dict[str, Any]
    start: Checkpoint
    network: Network
    layout: TokenLayout


def read_run(folder: Path, blend: float = 1.0) -> Run:
    """Load the best weights of a run, blended with those it started from, adapters merged.

    Raises:
        FinetuneError: the folder is not a finished run.
    """
    if not (folder / RESULT).is_file():
        raise FinetuneError(
            f"{folder} is no finished training run; 'train' with the same --out goes on with it"
        )
    settings, result = read_json(folder / SETTINGS), read_json(folder / RESULT)
    known = {field.name for field in fields(TrainOptions)}
    try:
        options = TrainOptions(**{key: value for key, value in settings.items() if key in known})
        init = str(settings["init"])
    except (TypeError, KeyError, AttributeError) as error:
        raise FinetuneError(f"{folder / SETTINGS} is damaged; train again") from error
    start = open_checkpoint(init)
    layout = TokenLayout(start.tokenizer, options.language)
    network = build_network(start, layout, options)
    weights = load_file(folder / BEST)
    own = network.state_dict()
    if not weights.keys() <= own.keys():
        raise FinetuneError(f"{folder / BEST} does not fit {settings['init']}; was the checkpoint changed?")
    network.load_state_dict(
        {n: torch.lerp(own[n], value, blend) for n, value in weights.items()}, strict=False
    )
    if options.lora:
        merge_lora(network.whisper)
    network.eval()
    return Run(settings, result, start, network, layout)


def export(run_folder: Path, out: Path, options: ExportOptions) -> dict[str, Any]:
    """Do the whole step; return the facts of the model card.

    Raises:
        FinetuneError: the run is not finished, the conversion fails, or the converted model writes
            something else.
    """
    run = read_run(run_folder, options.blend)
    data = options.data or Path(run.settings["data_folder"])
    dev = read_manifest(data / "dev.jsonl")
    dev = Manifest(dev.folder, dev.utterances[:PARITY_UTTERANCES])
    settings: dict[str, Any] = {"run": run.settings, "name": options.name}
    settings |= {
        "blend": options.blend,
        "quantization": options.quantization,
        "trim": options.trim_vocabulary,
        "min_context_s": options.min_context_s,
    }
    short = bool(run.settings["short_context"])
    n_mels = int(run.start.whisper.config.num_mel_bins)
    with building(out, settings) as folder:
        round_to_half(run.network)
        texts = transcribe(run.network, dev, run.layout, n_mels, short_context=short)
        tokenizer = _trim(run) if options.trim_vocabulary else run.start.tokenizer
        save_hf(run.network, tokenizer, run.start.declared, folder / HF_FOLDER)
        convert(folder / HF_FOLDER, folder, options.quantization)
        context = options.min_context_s if options.min_context_s is not None else (0.0 if short else 30.0)
        languages = list(run.start.declared.get("languages", [run.layout.language]))
        declared = {"name": options.name, "min_context_s": context, "language": run.layout.language}
        declared |= {"languages": languages, "hotword_tokens": run.start.declared.get("hotword_tokens", 64)}
        replace_file(folder / "yuetone.toml", toml(declared))
        live = _live_head(run, folder, dev)
        facts = {
            **declared,
            "partials": live,
            "settings": run.settings,
            "result": run.result,
            "blend": options.blend,
            "quantization": options.quantization,
            "vocabulary": tokenizer.get_vocab_size(),
            "parity": measure_parity(folder / HF_FOLDER, folder, dev, texts),
        }
        write_json(folder / "export.json", facts)
        replace_file(folder / "README.md", model_card(facts))
    return facts


def _live_head(run: Run, folder: Path, dev: Manifest) -> dict[str, float]:
    """Put the CTC head that was trained along beside the weights, for live text; return its figures."""
    if run.network.ctc_head is None:
        return {}
    engine = load(read_recogniser(folder), beam=1, guarded=False)
    return keep_head(engine, run.network.ctc_head, dev, folder)


def _trim(run: Run) -> Tokenizer:
    """Trim the run's vocabulary in place."""
    text_tokens = run.layout.text_tokens
    trimmed = trim_tokenizer(run.start.tokenizer)
    trim_weights(run.network.whisper, trimmed.kept)
    head = run.network.ctc_head
    if head is not None:
        small = trim_ctc(dict(head.state_dict()), trimmed.kept, text_tokens)
        run.network.ctc_head = torch.nn.Linear(head.in_features, len(small["bias"]))
        run.network.ctc_head.load_state_dict(small)
    return trimmed.tokenizer


def round_to_half(network: Network) -> None:
    """Round every weight to half precision, in place: what is compared is what is saved."""
    for parameter in network.parameters():
        parameter.data = parameter.data.half().float()


def save_hf(network: Network, tokenizer: Tokenizer, declared: Mapping[str, Any], out: Path) -> None:
    """Write a Hugging Face directory, half precision, CTC head beside it: to train on from here."""
    whisper = network.whisper
    out.mkdir(parents=True, exist_ok=True)
    whisper.generation_config._from_model_config = False  # noqa: SLF001 (else transformers 5 drops languages)
    weights = {name: value.detach().half().contiguous() for name, value in whisper.state_dict().items()}
    whisper.save_pretrained(out, state_dict={n: v for n, v in weights.items() if n != "proj_out.weight"})
    if network.ctc_head is not None:
        save_file(
            {f"ctc_head.{n}": v.half().contiguous() for n, v in network.ctc_head.state_dict().items()},
            out / HEADS,
        )
    tokenizer.save(str(out / "tokenizer.json"))
    WhisperFeatureExtractor(feature_size=int(whisper.config.num_mel_bins)).save_pretrained(out)
    if declared:
        replace_file(out / "yuetone.toml", toml(declared))


def toml(values: Mapping[str, Any]) -> str:
    """Return flat TOML: JSON's strings, numbers and lists of strings are TOML's."""
    return "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items())


def measure_parity(hf: Path, ct2: Path, dev: Manifest, texts: list[str]) -> dict[str, Any]:
    """Compare what CTranslate2 writes with what PyTorch wrote, both greedily; weigh quantisation; time it.

    Args:
        hf: the model as PyTorch has it.
        ct2: the converted, quantised directory.
        dev: utterances to compare on.
        texts: what PyTorch wrote.

    Raises:
        FinetuneError: unquantised, they differ in more than :data:`MAX_DIFFERENCE` of the characters and
            :data:`DOUBTFUL` of the utterances.
    """
    clips = [dev.pcm(utterance) for utterance in dev.utterances]
    said = [utterance.text for utterance in dev.utterances]
    directory = read_recogniser(ct2)
    with tempfile.TemporaryDirectory() as folder:
        exact = Path(folder) / "ct2"
        convert(hf, exact, "float32")
        engine = load(replace(directory, path=exact), beam=1, guarded=False, compute_type="float32")
        written = hear(engine, clips)
    difference = character_error_rate(texts, written)
    same = sum(scoring_form(a) == scoring_form(b) for a, b in zip(texts, written, strict=True))
    if difference > MAX_DIFFERENCE and len(dev) - same > max(1, DOUBTFUL * len(dev)):
        raise FinetuneError(
            f"the converted model differs from the trained one in {difference:.1%} of the characters "
            f"(at most {MAX_DIFFERENCE:.1%}): the conversion is wrong; report it with the versions of "
            "ctranslate2 and transformers"
        )
    quantised = hear(load(directory, beam=1, guarded=False), clips)
    return {
        "utterances": len(dev),
        "same": same,
        "difference": round(difference, 5),
        "cer_pytorch": round(character_error_rate(said, texts), 5),
        "cer_quantised": round(character_error_rate(said, quantised), 5),
        "rtf": round(compare_speed([load(directory)], dev)[0], 4),
    }
