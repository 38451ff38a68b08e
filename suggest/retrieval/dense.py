"""Vectors of meaning by any sentence encoder in ONNX form: a directory with model.onnx and tokenizer.json.

``yuetone.toml`` in it may say ``pooling = "mean" | "cls"``, ``max_tokens`` and ``prefix`` (put before every
text, as e5 wants it). Nothing of that kind is bundled; exports of sentence-transformers have this form.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from models.declaration import DirectoryKind, read_directory
from suggest.base import KnowledgeError


class _Card(BaseModel):
    model_config = ConfigDict(extra="forbid")
    pooling: Literal["mean", "cls"] = "mean"
    max_tokens: int = Field(128, ge=8, le=8192)
    prefix: str = ""


KIND = DirectoryKind(
    name="sentence encoder",
    declaration="yuetone.toml",
    required=("model.onnx", "tokenizer.json"),
    optional=True,
    fix="set suggest.encoder to the directory of one, or leave it out",
    error=KnowledgeError,
)


class OnnxEncoder:
    """The encoder of a directory; thread-safe.

    Args:
        directory: with model.onnx and tokenizer.json.

    Raises:
        KnowledgeError: a file is missing or cannot be used.
    """

    def __init__(self, directory: Path) -> None:
        from tokenizers import Tokenizer  # noqa: PLC0415 (slow to load, and optional here)

        from models.onnx import onnx_session  # noqa: PLC0415 (loads onnxruntime)

        self._card = read_directory(directory, KIND, lambda _path, declared: _Card.model_validate(declared))
        self._session = onnx_session(directory / "model.onnx", error=KnowledgeError)
        try:
            self._tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        except Exception as error:  # the library raises bare exceptions
            raise KnowledgeError(f"suggest.encoder: {directory}/tokenizer.json cannot be read") from error
        self._tokenizer.enable_truncation(self._card.max_tokens)
        self._tokenizer.enable_padding()
        self._inputs = {node.name for node in self._session.get_inputs()}
        if not {"input_ids", "attention_mask"} <= self._inputs:
            raise KnowledgeError(f"suggest.encoder: {directory} must take input_ids and attention_mask")

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors, float32, shape (len(texts), dimension)."""
        encoded = self._tokenizer.encode_batch([self._card.prefix + text for text in texts])
        ids = np.array([item.ids for item in encoded], np.int64)
        mask = np.array([item.attention_mask for item in encoded], np.int64)
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        given = {name: value for name, value in feed.items() if name in self._inputs}
        output = np.asarray(self._session.run(None, given)[0], np.float32)
        if output.ndim == 3:
            output = output[:, 0] if self._card.pooling == "cls" else _mean(output, mask)
        lengths = np.linalg.norm(output, axis=1, keepdims=True)
        unit: NDArray[np.float32] = (output / np.maximum(lengths, 1e-9)).astype(np.float32)
        return unit


def _mean(states: NDArray[np.float32], mask: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the mean over tokens, shape (texts, dimension)."""
    weights = mask[:, :, None].astype(np.float32)
    mean: NDArray[np.float32] = (states * weights).sum(1) / np.maximum(weights.sum(1), 1e-9)
    return mean
