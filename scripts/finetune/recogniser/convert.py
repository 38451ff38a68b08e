"""Hugging Face directories into CTranslate2 ones."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import ctranslate2

from scripts.finetune.frame.errors import FinetuneError

QUANTIZATIONS = ("int8", "int8_float32", "int8_float16", "int8_bfloat16", "float16", "float32")
_COPIED = ("tokenizer.json", "preprocessor_config.json")


def convert(hf: Path, out: Path, quantization: str = "int8_float32") -> None:
    """Convert ``hf`` into ``out``, tokenizer and front end beside the weights; other files there stay.

    Raises:
        FinetuneError: no such quantization, or the converter refuses the model.
    """
    if quantization not in QUANTIZATIONS:
        raise FinetuneError(f"no quantization {quantization!r}; there are: {', '.join(QUANTIZATIONS)}")
    files = [name for name in _COPIED if (hf / name).is_file()]
    try:
        converter = ctranslate2.converters.TransformersConverter(str(hf), copy_files=files)
        with tempfile.TemporaryDirectory() as folder:  # the converter empties the folder that it writes to
            fresh = Path(folder) / "ct2"
            converter.convert(str(fresh), quantization=quantization)
            if not json.loads((fresh / "config.json").read_text()).get("lang_ids"):
                raise FinetuneError(f"{hf} has no language tokens in its generation_config.json")
            shutil.copytree(fresh, out, dirs_exist_ok=True)
    except (ValueError, RuntimeError) as error:
        raise FinetuneError(f"CTranslate2 cannot convert {hf}: {error}") from error
