"""The step ``shorten``: a served model and a folder of recordings into a model that needs no padding."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from asr.convert import convert
from asr.directory import DECLARATION, ModelDirectory, read_recogniser
from models.files import replace_file, sha256_of
from scripts.finetune.common.errors import FinetuneError
from scripts.finetune.common.folders import building, read_json, write_json
from scripts.finetune.common.manifest import Manifest, read_manifest, write_manifest
from scripts.finetune.recogniser.checkpoint import Checkpoint, open_checkpoint
from scripts.finetune.recogniser.export import HF_FOLDER, round_to_half, save_hf, toml
from scripts.finetune.recogniser.journal import LOG
from scripts.finetune.recogniser.network import Network
from scripts.finetune.shorten.card import model_card
from scripts.finetune.shorten.measuring import measure
from scripts.finetune.shorten.options import ShortenOptions
from scripts.finetune.shorten.speech import Sets, cut_recordings, deal
from scripts.finetune.shorten.teacher import Languages, read_targets, write_targets
from scripts.finetune.shorten.training import Training

WORK, REPORT, RESULT = "work", "report", "result.json"
"""WORK holds the speech, what was heard in it, and checkpoints; it is removed when the model is made."""


def shorten(directory: ModelDirectory, out: Path, options: ShortenOptions) -> dict[str, Any]:
    """Do the whole step; a killed run goes on where it was.

    Args:
        directory: the model as it is served.
        out: servable directory to make; ``out/report`` holds the measurement.
        options: how to teach.

    Returns:
        the report of :func:`.measuring.measure`.

    Raises:
        FinetuneError: there is too little speech, or ``out`` exists.
    """
    if options.threads:
        torch.set_num_threads(options.threads)
    settings = {**asdict(options), "weights": sha256_of(directory.path / "model.bin")}
    with building(out, settings) as folder:
        work = folder / WORK
        sets = _speech(options, work)
        if not (folder / RESULT).is_file():
            _teach(directory, sets, work, folder, options)
        short = read_recogniser(folder)
        report = measure(directory, short, sets["test"], options.language, folder / REPORT)
        facts = {"options": asdict(options), "result": read_json(folder / RESULT), "report": report}
        replace_file(folder / "README.md", model_card(directory, facts))
        shutil.rmtree(work)
    return report


def _speech(options: ShortenOptions, work: Path) -> dict[str, Manifest]:
    """Return the three sets, cut once."""
    audio = work / "audio"
    names = ("train", "dev", "test")
    if not all((audio / f"{name}.jsonl").is_file() for name in names):
        sets: Sets = deal(cut_recordings(options, audio), options)
        for name in names:
            write_manifest(audio / f"{name}.jsonl", sets[name])
    return {name: read_manifest(audio / f"{name}.jsonl") for name in names}


def _teach(
    directory: ModelDirectory, sets: dict[str, Manifest], work: Path, folder: Path, options: ShortenOptions
) -> None:
    """Let the model hear, learn, and be written as a servable directory."""
    checkpoint = open_checkpoint(str(directory.path))
    languages = Languages(checkpoint, options.language, directory.languages)
    layout = languages.layout(languages.codes[0])
    targets = {}
    for name in ("train", "dev"):
        write_targets(checkpoint, languages, sets[name], work / name, f"hearing {name}")
        targets[name] = read_targets(work / name, sets[name], layout)
        if not targets[name]:
            raise FinetuneError(f"the model runs away in all of the {name} set; give it other recordings")
    run = work / "run"
    run.mkdir(exist_ok=True)
    training = Training(checkpoint, layout, targets["train"], targets["dev"], sets["train"], run, options)
    result = training.run()
    shutil.copy(run / LOG, folder)
    _export(directory, checkpoint, folder, options)
    heard = {f"{name}_utterances": len(found) for name, found in targets.items()}
    left = {"left_out": len(sets["train"]) - len(targets["train"])}
    hours = sum(target.utterance.seconds for target in targets["train"]) / 3600
    write_json(folder / RESULT, {**result, **heard, **left, "train_hours": round(hours, 3)})


def _export(directory: ModelDirectory, checkpoint: Checkpoint, folder: Path, options: ShortenOptions) -> None:
    network = Network(checkpoint.whisper, text_tokens=0, ctc_weight=0.0)
    round_to_half(network)
    save_hf(network, checkpoint.tokenizer, {}, folder / HF_FOLDER)
    convert(folder / HF_FOLDER, folder, options.quantization)
    declared: dict[str, Any] = {"name": options.name, "min_context_s": 0.0}
    declared |= {"languages": list(directory.languages), "hotword_tokens": directory.hotword_tokens}
    if directory.language:
        declared["language"] = directory.language
    replace_file(folder / DECLARATION, toml(declared))
