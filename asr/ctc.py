"""A CTC head on the encoder: text and times for the price of the encoding, no decoder.

Connectionist temporal classification (Graves et al. 2006) gives every encoder state (20 ms) a token or the
blank; about nine states in ten are blank. A gate, one product a state, tells those beforehand, so that the
large matrix, one row a token, is only multiplied with the rest. Greedy: the best token of each state.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models import ModelError

CTC_FILE = "ctc.npz"
"""File beside ``model.bin``, written by ``python -m scripts.finetune partials``."""
CONTEXT = 2
"""States on each side that the head's own layer sees."""

Matrix = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class CtcHead:
    """The head's weights; d is the encoder's width, n the number of tokens, h the width of its own layer.

    Attributes:
        tokens: vocabulary id of each row, int32, shape (n,).
        weight: float32, shape (n + 1, d); the last row is the blank.
        bias: shape (n + 1,).
        gate: shape (d,): its product with a state, plus ``gate_bias``, is below 0 where the state is blank.
        gate_bias: a number.
        inner: shape (h, (2 * CONTEXT + 1) * d); h may be 0.
        inner_bias: shape (h,).
        outer: shape (d, h).
    """

    tokens: NDArray[np.int32]
    weight: Matrix
    bias: Matrix
    gate: Matrix
    gate_bias: float
    inner: Matrix
    inner_bias: Matrix
    outer: Matrix

    def save(self, folder: Path) -> None:
        """Write :data:`CTC_FILE`: the large matrix in int8, a scale a row, the rest in half precision."""
        halves = {
            name: getattr(self, name).astype(np.float16) for name in ("bias", "inner", "inner_bias", "outer")
        }
        scale = np.maximum(np.abs(self.weight).max(axis=1), 1e-12) / 127
        np.savez(
            folder / CTC_FILE,
            tokens=self.tokens.astype(np.int32),
            weight=np.round(self.weight / scale[:, None]).astype(np.int8),
            scale=scale.astype(np.float32),
            gate=self.gate.astype(np.float32),
            gate_bias=np.float32(self.gate_bias),
            **halves,
        )

    def mixed(self, states: Matrix) -> Matrix:
        """Return the states as the rows of ``weight`` expect them, shape (states, d)."""
        if not len(self.inner):
            return states
        around = np.pad(states, ((CONTEXT, CONTEXT), (0, 0)))
        wide = np.concatenate([around[i : i + len(states)] for i in range(2 * CONTEXT + 1)], axis=1)
        inner: Matrix = np.maximum(wide @ self.inner.T + self.inner_bias, 0)
        return np.asarray(states + inner @ self.outer.T, np.float32)

    def read(self, states: Matrix) -> CtcText:
        """Return the text of one utterance's encoder states, float32, shape (states, d)."""
        mixed = self.mixed(states)
        open_states = np.flatnonzero(mixed @ self.gate + self.gate_bias >= 0)
        if not len(open_states):
            return CtcText([], [], 0.0)
        logits = mixed[open_states] @ self.weight.T + self.bias
        best = logits.argmax(1)
        top = logits[np.arange(len(best)), best]
        scores = top - (top + np.log(np.exp(logits - top[:, None]).sum(1)))
        blank = len(self.tokens)
        tokens, at, sure = [], [], []
        last, last_state = blank, -2
        for state, label, score in zip(open_states.tolist(), best.tolist(), scores.tolist(), strict=True):
            if label != blank and not (label == last and state == last_state + 1):
                tokens.append(int(self.tokens[label]))
                at.append(state)
                sure.append(score)
            last, last_state = label, state
        return CtcText(tokens, at, float(np.mean(sure)) if sure else 0.0)


@dataclass(frozen=True, slots=True)
class CtcText:
    """What a head reads.

    Attributes:
        tokens: vocabulary ids.
        at: state in which each begins.
        log_probability: mean over them, natural logarithm.
    """

    tokens: list[int]
    at: list[int]
    log_probability: float


def read_head(folder: Path, width: int) -> CtcHead | None:
    """Return the head of a model directory, None where it has none.

    Args:
        folder: of the model.
        width: of its encoder.

    Raises:
        ModelError: the file is damaged or of another model.
    """
    path = folder / CTC_FILE
    if not path.is_file():
        return None
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or type(error).__name__}") from error
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        tokens, gate_bias = arrays.pop("tokens"), float(arrays.pop("gate_bias"))
        scale = arrays.pop("scale", None)  # files of before have half precision
        if scale is not None:
            arrays["weight"] = arrays["weight"] * scale[:, None]
        parts = {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}
        head = CtcHead(tokens=tokens, gate_bias=gate_bias, **parts)
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"{path} is damaged; make it again with 'partials', or set asr.partials = decoder"
        ) from error
    rows, inner = len(head.tokens) + 1, len(head.inner)
    shapes = [head.weight.shape, head.bias.shape, head.gate.shape, head.inner.shape, head.outer.shape]
    wanted = [(rows, width), (rows,), (width,), (inner, (2 * CONTEXT + 1) * width), (width, inner)]
    if shapes != wanted or head.inner_bias.shape != (inner,):
        raise ModelError(f"{path} belongs to another model; make it again with 'partials'")
    return head
