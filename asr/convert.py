"""Hugging Face Whisper directories into CTranslate2 ones; needs the finetune extra."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from models import ModelError

QUANTIZATIONS = ("int8", "int8_float32", "int8_float16", "int8_bfloat16", "float16", "bfloat16", "float32")
_COPIED = ("tokenizer.json", "preprocessor_config.json")


def convert(hf: Path, out: Path, quantization: str = "int8_float32") -> None:
    """Convert ``hf`` into ``out``, tokenizer and front end beside the weights; other files there stay.

    Raises:
        ModelError: a library is missing, there is no such quantization, or the converter refuses the model.
    """
    if quantization not in QUANTIZATIONS:
        raise ModelError(f"no quantization {quantization!r}; there are: {', '.join(QUANTIZATIONS)}")
    if not (hf / "config.json").is_file():
        raise ModelError(f"{hf} is no Hugging Face model directory (no config.json)")
    files = [name for name in _COPIED if (hf / name).is_file()]
    try:
        from ctranslate2.converters import TransformersConverter  # noqa: PLC0415 (asks for torch)

        converter = TransformersConverter(str(hf), copy_files=files, low_cpu_mem_usage=True)
        with tempfile.TemporaryDirectory() as folder:  # the converter empties the folder that it writes to
            fresh = Path(folder) / "ct2"
            converter.convert(str(fresh), quantization=quantization)
            if not json.loads((fresh / "config.json").read_text()).get("lang_ids"):
                raise ModelError(f"{hf} has no language tokens in its generation_config.json")
            shutil.copytree(fresh, out, dirs_exist_ok=True)
    except (ImportError, NameError) as error:
        raise ModelError(
            "converting needs torch and transformers: pip install 'yuetone[finetune]'"
        ) from error
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"{hf} cannot be converted: {error}") from error
