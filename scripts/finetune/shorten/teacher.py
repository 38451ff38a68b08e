"""What the model itself hears in 30 s windows: tokens and decoder states of each utterance, kept in files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from safetensors.torch import load_file, save
from transformers import WhisperForConditionalGeneration

from asr.context import runs_away
from asr.features import LogMel
from asr.guards import token_cap
from models.files import replace_file
from scripts.finetune.common.errors import FinetuneError
from scripts.finetune.common.manifest import Manifest, Utterance
from scripts.finetune.recogniser.checkpoint import Checkpoint
from scripts.finetune.recogniser.decoding import MOST_TOKENS, greedy
from scripts.finetune.recogniser.examples import WINDOW
from scripts.finetune.recogniser.network import encode
from scripts.finetune.recogniser.tokens import TokenLayout
from scripts.finetune.shorten.speech import LANGUAGE

BATCH = 8


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """What the student is to do with one utterance.

    Attributes:
        utterance: the speech.
        tokens: decoder sequence from ``<|startoftranscript|>`` to the last token but the end, shape (n,).
        states: the teacher's decoder states behind each of them, shape (n, d_model).
    """

    utterance: Utterance
    tokens: torch.Tensor
    states: torch.Tensor


class Languages:
    """Token layouts of a Whisper by language.

    Args:
        checkpoint: of the model.
        default: Whisper code for speech that names none; empty lets the model hear it.
        meant: languages that the model is for; empty for all that it knows.

    Raises:
        FinetuneError: its tokenizer has none of them.
    """

    def __init__(self, checkpoint: Checkpoint, default: str, meant: Sequence[str]) -> None:
        self._tokenizer = checkpoint.tokenizer
        self._layouts: dict[str, TokenLayout] = {}
        self.default = default
        known = meant or _all_languages(checkpoint.whisper)
        self.codes = [code for code in known if self._tokenizer.token_to_id(f"<|{code}|>") is not None]
        if not self.codes:
            raise FinetuneError("the model declares no language that its tokenizer has")

    def layout(self, code: str) -> TokenLayout:
        """Return the layout of one language.

        Raises:
            FinetuneError: the model does not know the language.
        """
        if code not in self._layouts:
            self._layouts[code] = TokenLayout(self._tokenizer, code)
        return self._layouts[code]

    def known(self, code: str) -> str:
        """Return the code to use for one that somebody named; empty where the model is not for it.

        Cantonese passes for Chinese with models that are older than its own token.
        """
        if code == "yue" and code not in self.codes:
            code = "zh"
        return code if code in self.codes else ""

    def heard(self, whisper: WhisperForConditionalGeneration, states: torch.Tensor) -> list[str]:
        """Return the likeliest of the model's languages for each row of encoder states."""
        if len(self.codes) == 1:
            return self.codes * len(states)
        tokens = [self.layout(code).start[1] for code in self.codes]
        begin = torch.tensor([[self.layout(self.codes[0]).start[0]]] * len(states))
        hidden = whisper.model.decoder(input_ids=begin, encoder_hidden_states=states).last_hidden_state
        best = whisper.proj_out(hidden[:, 0])[:, tokens].argmax(-1)
        return [self.codes[int(index)] for index in best]


def _all_languages(whisper: WhisperForConditionalGeneration) -> list[str]:
    known = getattr(whisper.generation_config, "lang_to_id", None) or {}
    return [token.strip("<|>") for token in known]


def write_targets(
    checkpoint: Checkpoint, languages: Languages, manifest: Manifest, folder: Path, title: str
) -> None:
    """Let the teacher hear every utterance; what it heard before a kill is kept.

    Args:
        checkpoint: the teacher.
        languages: of its tokenizer.
        manifest: what it hears.
        folder: of the targets, one file for each batch.
        title: of the progress bar.

    Raises:
        FinetuneError: the model does not know a language.
    """
    folder.mkdir(parents=True, exist_ok=True)
    whisper = checkpoint.whisper.eval()
    log_mel = LogMel(int(whisper.config.num_mel_bins))
    for number, members in track(list(enumerate(_alike(manifest))), title, transient=True):
        file = folder / f"{number:06}.safetensors"
        if file.is_file():
            continue
        features = np.stack([log_mel(_window(manifest.pcm(u))) for u in members])
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            states = encode(whisper, torch.from_numpy(features))
            replace_file(file, save(_teach(whisper, languages, members, states)))


def _alike(manifest: Manifest) -> Iterator[Sequence[Utterance]]:
    """Yield utterances of one length and one language, few enough for a batch."""
    named: dict[str, list[Utterance]] = defaultdict(list)
    for utterance in manifest.utterances:
        named[utterance.labels.get(LANGUAGE, "")].append(utterance)
    for members in named.values():
        members.sort(key=lambda u: (u.seconds, u.id))
        yield from (members[start : start + BATCH] for start in range(0, len(members), BATCH))


def _window(pcm: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.pad(pcm[:WINDOW], (0, max(0, WINDOW - len(pcm))))


def _teach(
    whisper: WhisperForConditionalGeneration,
    languages: Languages,
    members: Sequence[Utterance],
    states: torch.Tensor,
) -> dict[str, torch.Tensor]:
    named = languages.known(members[0].labels.get(LANGUAGE, "") or languages.default)
    codes = [named] * len(members) if named else languages.heard(whisper, states)
    out = {}
    for code in sorted(set(codes)):
        rows = [index for index, own in enumerate(codes) if own == code]
        layout = languages.layout(code)
        start = [*layout.start, layout.no_timestamps]
        caps = [min(MOST_TOKENS, token_cap(members[index].seconds)) for index in rows]
        texts, hidden = greedy(whisper, states[rows], start, layout.end, max(caps))
        for index, text, cap, own in zip(rows, texts, caps, hidden, strict=True):
            tokens = torch.tensor([*start, *text[:cap]], dtype=torch.int32)[: len(own)]
            out[f"{members[index].id} tokens"] = tokens
            out[f"{members[index].id} states"] = own[: len(tokens)].half().clone()
    return out


def read_targets(folder: Path, manifest: Manifest, layout: TokenLayout) -> list[Target]:
    """Return the targets on a manifest's utterances; those with a text that runs away are left out."""
    known = {utterance.id: utterance for utterance in manifest.utterances}
    found = []
    for file in sorted(folder.glob("*.safetensors")):
        values = load_file(file)
        for name in sorted(name for name in values if name.endswith(" tokens")):
            utterance = known[name.removesuffix(" tokens")]
            tokens = values[name].long()
            if not runs_away(layout.decode(tokens.tolist()), utterance.seconds):
                found.append(Target(utterance, tokens, values[f"{utterance.id} states"]))
    return found
