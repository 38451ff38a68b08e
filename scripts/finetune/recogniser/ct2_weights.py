"""Served weights back into PyTorch: a CTranslate2 Whisper directory as a Hugging Face one.

Training then starts from what is served, where no float checkpoint is kept. Weights in int8 come back as
``value / scale``, each row with its own scale: what quantisation lost stays lost.
"""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import (
    GenerationConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

from asr.directory import DECLARATION, read_recogniser
from scripts.finetune.common.errors import FinetuneError
from scripts.finetune.recogniser.tokens import with_all_merges

FORMAT = 6
"""CURRENT_BINARY_VERSION of CTranslate2's ``python/ctranslate2/specs/model_spec.py``."""
_TYPES: tuple[Any, ...] = (np.float32, np.int8, np.int16, np.int32, np.float16)
Variables = Mapping[str, NDArray[Any]]


def read_variables(path: Path) -> dict[str, NDArray[Any]]:
    """Return the variables of a ``model.bin``; aliases are the same array.

    Raises:
        FinetuneError: the file is damaged, or of another version.
    """
    try:
        with path.open("rb") as file:
            version = _number(file, "I")
            if version != FORMAT:
                raise FinetuneError(f"{path}: format {version}, not {FORMAT}; convert the model again")
            _name(file), _number(file, "I")  # the kind of model and its revision
            found = dict(_variable(file) for _ in range(_number(file, "I")))
            for _ in range(_number(file, "I")):
                alias, target = _name(file), _name(file)
                found[alias] = found[target]
    except (struct.error, ValueError, KeyError, IndexError, UnicodeDecodeError) as error:
        raise FinetuneError(f"{path} is damaged") from error
    return found


def _number(file: BinaryIO, kind: str) -> int:
    size = struct.calcsize("<" + kind)
    return int(struct.unpack("<" + kind, file.read(size))[0])


def _name(file: BinaryIO) -> str:
    return file.read(_number(file, "H")).rstrip(b"\0").decode()


def _variable(file: BinaryIO) -> tuple[str, NDArray[Any]]:
    name = _name(file)
    shape = [_number(file, "I") for _ in range(_number(file, "B"))]
    kind = _TYPES[_number(file, "B")]
    return name, np.frombuffer(file.read(_number(file, "I")), kind).reshape(shape)


def float_weight(variables: Variables, name: str) -> torch.Tensor:
    """Return a variable in float32, its scale undone where it is quantised."""
    value = np.array(variables[name], np.float32)
    scale = variables.get(f"{name}_scale")
    if scale is not None:
        scale = np.asarray(scale, np.float32)
        value /= scale.reshape(-1, *[1] * (value.ndim - 1)) if scale.ndim else scale
    return torch.from_numpy(value)


def state_of(variables: Variables) -> dict[str, torch.Tensor]:
    """Return the state of a WhisperForConditionalGeneration."""
    state = dict(_ends(variables))
    for side in ("encoder", "decoder"):
        for index in range(_layers(variables, side)):
            state |= dict(_layer(variables, f"{side}/layer_{index}", f"model.{side}.layers.{index}"))
    return state


def _layers(variables: Variables, side: str) -> int:
    numbers = {name.split("/")[1] for name in variables if name.startswith(f"{side}/layer_")}
    return len(numbers - {"layer_norm"})


def _ends(variables: Variables) -> Iterator[tuple[str, torch.Tensor]]:
    for number in (1, 2):
        yield f"model.encoder.conv{number}.weight", float_weight(variables, f"encoder/conv{number}/weight")
        yield f"model.encoder.conv{number}.bias", float_weight(variables, f"encoder/conv{number}/bias")
    for side in ("encoder", "decoder"):
        positions = float_weight(variables, f"{side}/position_encodings/encodings")
        yield f"model.{side}.embed_positions.weight", positions
        yield from _norm(variables, f"{side}/layer_norm", f"model.{side}.layer_norm")
    embedding = float_weight(variables, "decoder/embeddings/weight")
    yield "model.decoder.embed_tokens.weight", embedding
    yield "proj_out.weight", embedding


def _norm(variables: Variables, source: str, target: str) -> Iterator[tuple[str, torch.Tensor]]:
    yield f"{target}.weight", float_weight(variables, f"{source}/gamma")
    yield f"{target}.bias", float_weight(variables, f"{source}/beta")


def _linear(
    variables: Variables, source: str, targets: tuple[str, ...]
) -> Iterator[tuple[str, torch.Tensor]]:
    """Give a linear layer that CTranslate2 may have fused of several; keys of attention have no bias."""
    weights = float_weight(variables, f"{source}/weight").chunk(len(targets))
    biases = float_weight(variables, f"{source}/bias").chunk(len(targets))
    for target, weight, bias in zip(targets, weights, biases, strict=True):
        yield f"{target}.weight", weight.clone()
        if not target.endswith("k_proj"):
            yield f"{target}.bias", bias.clone()


def _layer(variables: Variables, source: str, target: str) -> Iterator[tuple[str, torch.Tensor]]:
    own = tuple(f"{target}.self_attn.{part}_proj" for part in "qkv")
    yield from _norm(variables, f"{source}/self_attention/layer_norm", f"{target}.self_attn_layer_norm")
    yield from _linear(variables, f"{source}/self_attention/linear_0", own)
    yield from _linear(variables, f"{source}/self_attention/linear_1", (f"{target}.self_attn.out_proj",))
    yield from _norm(variables, f"{source}/ffn/layer_norm", f"{target}.final_layer_norm")
    yield from _linear(variables, f"{source}/ffn/linear_0", (f"{target}.fc1",))
    yield from _linear(variables, f"{source}/ffn/linear_1", (f"{target}.fc2",))
    if f"{source}/attention/linear_0/weight" in variables:
        cross = f"{target}.encoder_attn"
        yield from _norm(variables, f"{source}/attention/layer_norm", f"{target}.encoder_attn_layer_norm")
        yield from _linear(variables, f"{source}/attention/linear_0", (f"{cross}.q_proj",))
        yield from _linear(variables, f"{source}/attention/linear_1", (f"{cross}.k_proj", f"{cross}.v_proj"))
        yield from _linear(variables, f"{source}/attention/linear_2", (f"{cross}.out_proj",))


def unpack(served: Path, out: Path) -> None:
    """Write ``served`` as a Hugging Face directory into the folder ``out``.

    Raises:
        ModelError: ``served`` is no CTranslate2 Whisper directory.
        FinetuneError: its weights cannot be read.
    """
    directory = read_recogniser(served)
    variables = read_variables(served / "model.bin")
    tokenizer = with_all_merges(Tokenizer.from_file(str(served / "tokenizer.json")))
    state = state_of(variables)
    whisper = WhisperForConditionalGeneration(_config(variables, tokenizer, directory.n_mels))
    unknown = whisper.load_state_dict(state, strict=False)
    if unknown.missing_keys or unknown.unexpected_keys:
        raise FinetuneError(f"{served} is no Whisper of the usual shape")
    whisper.generation_config = _generation(json.loads((served / "config.json").read_text()), tokenizer)
    whisper.generation_config._from_model_config = False  # noqa: SLF001 (else transformers 5 drops languages)
    out.mkdir(parents=True, exist_ok=True)
    whisper.save_pretrained(out)
    tokenizer.save(str(out / "tokenizer.json"))
    WhisperFeatureExtractor(feature_size=directory.n_mels).save_pretrained(out)
    if (served / DECLARATION).is_file():
        shutil.copy(served / DECLARATION, out)


def _config(variables: Variables, tokenizer: Tokenizer, n_mels: int) -> WhisperConfig:
    heads = {side: int(variables[f"{side}/num_heads"]) for side in ("encoder", "decoder")}
    width = len(variables["encoder/layer_norm/gamma"])
    inner = len(variables["encoder/layer_0/ffn/linear_0/bias"])
    end = tokenizer.token_to_id("<|endoftext|>")
    return WhisperConfig(
        vocab_size=len(variables["decoder/embeddings/weight"]), num_mel_bins=n_mels, d_model=width,
        encoder_layers=_layers(variables, "encoder"), decoder_layers=_layers(variables, "decoder"),
        encoder_attention_heads=heads["encoder"], decoder_attention_heads=heads["decoder"],
        encoder_ffn_dim=inner, decoder_ffn_dim=inner,
        max_source_positions=len(variables["encoder/position_encodings/encodings"]),
        max_target_positions=len(variables["decoder/position_encodings/encodings"]),
        pad_token_id=end, bos_token_id=end, eos_token_id=end,
        decoder_start_token_id=tokenizer.token_to_id("<|startoftranscript|>"),
    )  # fmt: skip


def _generation(served: Mapping[str, Any], tokenizer: Tokenizer) -> GenerationConfig:
    names = {index: token for token, index in tokenizer.get_vocab().items()}
    end = tokenizer.token_to_id("<|endoftext|>")
    return GenerationConfig(
        is_multilingual=True, max_length=448, pad_token_id=end, bos_token_id=end, eos_token_id=end,
        decoder_start_token_id=tokenizer.token_to_id("<|startoftranscript|>"),
        prev_sot_token_id=tokenizer.token_to_id("<|startofprev|>"),
        no_timestamps_token_id=tokenizer.token_to_id("<|notimestamps|>"),
        suppress_tokens=list(served.get("suppress_ids", [])),
        begin_suppress_tokens=list(served.get("suppress_ids_begin", [])),
        alignment_heads=served.get("alignment_heads"),
        lang_to_id={names[index]: index for index in served.get("lang_ids", []) if index in names},
        task_to_id={task: tokenizer.token_to_id(f"<|{task}|>") for task in ("transcribe", "translate")},
    )  # fmt: skip
