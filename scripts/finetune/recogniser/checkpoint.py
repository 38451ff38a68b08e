"""Whisper checkpoints to start from: a model known by name, a directory, or a name on the hub."""

from __future__ import annotations

import os
import re
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import AutoTokenizer, WhisperForConditionalGeneration
from transformers.utils import logging as transformers_logging

from asr.finding import MODELS_DIR, find_recogniser
from models.files import sha256_of
from models.registry import TINY, entries
from scripts.finetune.common.errors import FinetuneError
from scripts.finetune.recogniser.ct2_weights import unpack

TINY_CHECKPOINT = Path(__file__).parents[1] / "tiny" / "checkpoint"
UNPACKED = Path("~/.cache/yuetone/unpacked")
"""Where served weights are kept as PyTorch reads them; safe to delete."""
HEADS = "ctc_heads.safetensors"
DECLARATION = "yuetone.toml"
_HUB_NAME = re.compile(r"^[\w.-]+/[\w.-]+$")
transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A Whisper to start from.

    Attributes:
        folder: where it lies.
        whisper: the model, float32.
        tokenizer: its tokenizer.
        ctc: weight and bias of a trained CTC head, or None.
        declared: the ``yuetone.toml`` beside it, empty if there is none.
    """

    folder: Path
    whisper: WhisperForConditionalGeneration
    tokenizer: Tokenizer
    ctc: dict[str, torch.Tensor] | None
    declared: dict[str, Any]


def locate(init: str) -> Path:
    """Return the folder that ``init`` means, fetching a hub name.

    Args:
        init: a registry name such as ``bundled``, a Hugging Face or CTranslate2 directory, or ``owner/name``
            on the hub.

    Raises:
        FinetuneError: there is no such thing, or the hub cannot be reached.
        ModelError: a model of that name is not installed.
    """
    if init == TINY:
        return TINY_CHECKPOINT
    if init in entries():
        return unpacked(find_recogniser(init, Path(MODELS_DIR)).path)
    path = Path(init).expanduser()
    if path.is_dir():
        if (path / "model.bin").is_file():
            return unpacked(path)
        if not (path / "config.json").is_file():
            raise FinetuneError(f"{init} is no model directory (no config.json)")
        return path
    if not _HUB_NAME.match(init):
        raise FinetuneError(f"no checkpoint at {init}: name a directory, 'bundled', or owner/name on the hub")
    try:
        from huggingface_hub import snapshot_download  # noqa: PLC0415

        return Path(snapshot_download(init))
    except Exception as error:
        raise FinetuneError(
            f"cannot fetch {init} from the hub ({type(error).__name__}); check the network, or give a "
            "directory"
        ) from error


def unpacked(served: Path) -> Path:
    """Return served weights as a Hugging Face directory; made once for each file of weights."""
    folder = UNPACKED.expanduser() / sha256_of(served / "model.bin")[:16]
    if not (folder / "config.json").is_file():
        fresh = folder.with_name(f"{folder.name}.{os.getpid()}")
        unpack(served, fresh)
        try:
            fresh.rename(folder)
        except OSError:  # another process was faster
            shutil.rmtree(fresh, ignore_errors=True)
    return folder


def open_checkpoint(init: str) -> Checkpoint:
    """Load the checkpoint that ``init`` means; see :func:`locate`.

    Raises:
        FinetuneError: it cannot be found, or is not a Whisper.
    """
    folder = locate(init)
    try:
        whisper = WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
        tokenizer = _tokenizer(folder)
    except Exception as error:  # transformers raises anything on a damaged folder
        raise FinetuneError(
            f"{folder} is not a readable Whisper checkpoint ({type(error).__name__})"
        ) from error
    heads = load_file(folder / HEADS) if (folder / HEADS).is_file() else {}
    ctc = {key: heads[f"ctc_head.{key}"].float() for key in ("weight", "bias") if f"ctc_head.{key}" in heads}
    declared = folder / DECLARATION
    return Checkpoint(
        folder,
        whisper,
        tokenizer,
        ctc or None,
        tomllib.loads(declared.read_text("utf-8")) if declared.is_file() else {},
    )


def _tokenizer(folder: Path) -> Tokenizer:
    if (folder / "tokenizer.json").is_file():
        return Tokenizer.from_file(str(folder / "tokenizer.json"))
    backend: Tokenizer = AutoTokenizer.from_pretrained(folder).backend_tokenizer
    return backend
