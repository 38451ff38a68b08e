"""Whisper through CTranslate2, encoded at an utterance's own length.

faster-whisper's ``transcribe`` pads every request to 30 s; at whisper-tiny's size that costs 38 times the
encoding of a 3 s utterance. CTranslate2 itself takes any length up to 30 s, so models that were trained
on short inputs (``min_context_s``) are fed as they are, and the others are padded.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import ctranslate2
import numpy as np
from numpy.typing import NDArray

from asr import guards
from asr.base import SAMPLE_RATE, AsrRequest, Transcript
from asr.ctc import CTC_FILE, CtcHead, read_head
from asr.directory import ModelDirectory
from asr.features import LogMel
from asr.forced_alignment import ForcedAligner
from asr.guards import inaudible
from asr.language import whisper_code
from asr.loops import loop_start
from asr.options import WhisperOptions
from asr.partials import PartialReader
from asr.pooling import on_host, own_states, with_states
from asr.timing import WordTimer
from asr.vocabulary import Vocabulary
from cantonese.characters import fold_variants, to_traditional
from models import ModelError

BUCKET_SAMPLES = SAMPLE_RATE // 2
"""Lengths are rounded up to 0.5 s: cross-attention is not masked, so a batch needs equal lengths."""
MAX_SAMPLES = 30 * SAMPLE_RATE
TEMPERATURE = 0.4
"""Temperature of the second try; published: steps of 0.2 (Radford et al. 2022, section 4.5)."""
SURE = -0.3
"""Mean token log-probability from which nobody asks whether the language is one of the model's."""
DOUBT = -0.5
"""Mean token log-probability below which a text with hotwords is compared with one without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hypothesis:
    tokens: list[int]
    log_probability: float
    no_speech: float


ctranslate2.set_log_level(logging.ERROR)  # its warnings go to the terminal; ours go to the log


def compute_type(wanted: str, device: str) -> str:
    """Return the compute type to load a model with.

    Args:
        wanted: of CTranslate2, or ``auto``: the fastest that the device has, whatever the file was saved as.
        device: ``cpu``, ``cuda`` or ``auto``.
    """
    if wanted != "auto":
        return wanted
    gpu = device == "cuda" or (device == "auto" and ctranslate2.get_cuda_device_count() > 0)
    supported = ctranslate2.get_supported_compute_types("cuda" if gpu else "cpu")
    return next(
        kind for kind in (("float16", "float32") if gpu else ("int8", "float32")) if kind in supported
    )


class WhisperEngine:
    """A :class:`asr.base.AsrEngine`; thread-safe, as CTranslate2 is.

    Args:
        directory: a checked model directory.
        options: how to run it.

    Raises:
        ModelError: CTranslate2 cannot load the weights.
    """

    def __init__(self, directory: ModelDirectory, options: WhisperOptions | None = None) -> None:
        self._directory = directory
        self._options = options or WhisperOptions()
        self._vocabulary = Vocabulary(directory.path / "tokenizer.json", directory.hotword_tokens)
        self._log_mel = LogMel(directory.n_mels)
        self._language = self._default_language()
        try:
            self._model = ctranslate2.models.Whisper(
                str(directory.path),
                device=self._options.device,
                compute_type=compute_type(self._options.compute_type, self._options.device),
                intra_threads=self._options.threads,
            )
        except (RuntimeError, ValueError) as error:
            raise ModelError(
                f"CTranslate2 cannot load {directory.path} on {self._options.device} in "
                f"{self._options.compute_type}: {error}"
            ) from error
        # CTranslate2 tells languages apart for models with the whole vocabulary only.
        self._tells_languages = bool(directory.languages) and self._model.is_multilingual
        head = self._ctc_head()
        self._timer = WordTimer(self._model, self._vocabulary, ForcedAligner(head) if head else None)
        self._partials = self._partial_reader(head)

    def _ctc_head(self) -> CtcHead | None:
        if not (self._directory.path / CTC_FILE).is_file():
            return None
        width = self.states([AsrRequest(pcm=silence(0.5), final=False)])[0].shape[1]
        return read_head(self._directory.path, width)

    def _partial_reader(self, head: CtcHead | None) -> PartialReader | None:
        """Return what reads partials, None for the decoder."""
        chosen = self._options.partials
        if chosen == "decoder" or (chosen == "auto" and self._directory.partials == "decoder"):
            return None
        if head is None:
            if chosen == "ctc":
                raise ModelError(
                    f"{self.name} has no CTC head for asr.partials = ctc; make one with "
                    "'python -m scripts.finetune partials', or set auto"
                )
            return None
        return PartialReader(head, self._vocabulary, self._options.guards)

    def _default_language(self) -> str:
        if self._directory.language:
            return self._directory.language
        return "yue" if self._vocabulary.has_language("yue") else "zh"

    @property
    def name(self) -> str:
        """Name of the model."""
        return self._directory.name

    @property
    def compute_type(self) -> str:
        """What CTranslate2 computes in, such as ``int8_float32``."""
        return str(self._model.compute_type)

    def language(self, hint: str | None) -> str:
        """Return the language code to use for a BCP 47 ``hint`` such as yue-HK, zh-HK or en."""
        if not hint:
            return self._language
        code = whisper_code(hint)
        if code == "yue" and not self._vocabulary.has_language("yue"):
            code = "zh"
        supported = code in self._directory.languages or not self._directory.languages
        return code if supported and self._vocabulary.has_language(code) else self._language

    def tokens_of(self, text: str) -> list[int]:
        """Return the text tokens of ``text``."""
        return self._vocabulary.encode(text)

    def text_of(self, tokens: Sequence[int]) -> str:
        """Return the text of ``tokens``."""
        return self._vocabulary.decode(tokens)

    def states(self, requests: Sequence[AsrRequest]) -> list[NDArray[np.float32]]:
        """Return the encoder's states of each utterance itself, padding left out, shape (states, width).

        Args:
            requests: of one bucket.
        """
        values = on_host(self._encode(requests))
        return [values[i, : own_states(len(r.pcm), values.shape[1])] for i, r in enumerate(requests)]

    def bucket(self, request: AsrRequest) -> int:
        """Return a key of padded length, prompt length and kind: what one batch must share."""
        if self._partials and not request.final and self._model.device == "cpu":
            return -1 - len(request.pcm)  # one by one: a batch gains nothing, and a final may come
        prompt = len(self._vocabulary.prompt(self.language(request.language), request.hotwords))
        return (self._padded(len(request.pcm)) * 1000 + prompt) * 2 + request.final

    def _padded(self, samples: int) -> int:
        context = int(self._directory.min_context_s * SAMPLE_RATE)
        rounded = samples + -samples % BUCKET_SAMPLES
        return min(MAX_SAMPLES, max(rounded, context, BUCKET_SAMPLES))

    def transcribe(self, requests: Sequence[AsrRequest]) -> tuple[Transcript, ...]:
        """Transcribe requests of one bucket; see :class:`asr.base.AsrEngine`.

        Audio beyond 30 s is left out; shorter than 0.1 s gives an empty transcript.

        Raises:
            ModelError: CTranslate2 failed.
        """
        try:
            if self._partials and not requests[0].final:
                return self._read_partials(self._partials, requests)
            return self._transcribe(requests)
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"inference with {self.name} failed: {error}") from error

    def _read_partials(self, head: PartialReader, requests: Sequence[AsrRequest]) -> tuple[Transcript, ...]:
        return tuple(
            head.read(request, own, self.language(request.language))
            for request, own in zip(requests, self.states(requests), strict=True)
        )

    def _transcribe(self, requests: Sequence[AsrRequest]) -> tuple[Transcript, ...]:
        states = self._encode(requests)
        hypotheses = self._generate(states, requests)
        if requests[0].hotwords and any(h.log_probability < DOUBT for h in hypotheses):
            # Hotwords may mislead a model; a doubtful text must beat the one without them.
            plain = self._generate(states, [replace(request, hotwords=()) for request in requests])
            hypotheses = [
                max(pair, key=lambda hypothesis: hypothesis.log_probability)
                for pair in zip(hypotheses, plain, strict=True)
            ]
        results = [
            self._judge(request, hypothesis) for request, hypothesis in zip(requests, hypotheses, strict=True)
        ]
        if requests[0].final:
            hypotheses, results = self._second_try(states, requests, hypotheses, results)
            results = self._without_foreign(states, hypotheses, results)
        results = with_states(states, requests, results)
        if not requests[0].final:
            return tuple(results)
        return tuple(self._with_words(states, requests, hypotheses, results))

    def _second_try(
        self,
        states: ctranslate2.StorageView,
        requests: Sequence[AsrRequest],
        hypotheses: list[_Hypothesis],
        results: list[Transcript],
    ) -> tuple[list[_Hypothesis], list[Transcript]]:
        """Generate loops again without repetitions and doubtful texts at a temperature; keep what holds.

        A loop that comes back is cut off where it begins: what was said before it stays.
        """
        for reason, change in (
            ("repetition", {"no_repeat_ngram_size": 3}),
            ("repetition", {"sampling_temperature": TEMPERATURE, "sampling_topk": 0, "beam_size": 1}),
            ("log_probability", {"sampling_temperature": TEMPERATURE, "sampling_topk": 0, "beam_size": 1}),
        ):
            failed = [index for index, result in enumerate(results) if result.rejected == reason]
            if not failed:
                continue
            asked = [requests[index] for index in failed]
            fresh = self._generate(_rows(states, failed), asked, **change)
            for index, request, hypothesis in zip(failed, asked, fresh, strict=True):
                result = self._judge(request, hypothesis)
                if not result.rejected:
                    hypotheses[index], results[index] = hypothesis, result
        for index, result in enumerate(results):
            if result.rejected == "repetition":
                hypotheses[index] = self._cut(hypotheses[index])
                results[index] = self._judge(requests[index], hypotheses[index])
        return hypotheses, results

    def _cut(self, hypothesis: _Hypothesis) -> _Hypothesis:
        """Return a hypothesis up to where it begins to repeat itself."""
        kept: list[int] = []
        written = ""
        start = loop_start(self._vocabulary.decode(hypothesis.tokens))
        for group in self._vocabulary.groups(hypothesis.tokens) if start is not None else ():
            written += group.text
            if len(written) > (start or 0):
                break
            kept = hypothesis.tokens[: group.last]
        return replace(hypothesis, tokens=kept)

    def _without_foreign(
        self,
        states: ctranslate2.StorageView,
        hypotheses: Sequence[_Hypothesis],
        results: list[Transcript],
    ) -> list[Transcript]:
        """Reject texts of speech that is of none of the model's languages; see :func:`asr.guards.foreign`."""
        doubtful = [
            index
            for index, (hypothesis, result) in enumerate(zip(hypotheses, results, strict=True))
            if result.text and hypothesis.log_probability < SURE
        ]
        if not self._tells_languages or not doubtful:
            return results
        for index, found in zip(doubtful, self._model.detect_language(_rows(states, doubtful)), strict=True):
            chance, sure = self._known_language(found), hypotheses[index].log_probability
            if guards.foreign(chance, sure, self._options.guards):
                results[index] = replace(results[index], text="", rejected="other_language")
        return results

    def _known_language(self, found: Sequence[tuple[str, float]]) -> float:
        """Return the probability of all languages of the model together; Cantonese may pass for Mandarin."""
        known = {f"<|{code}|>" for code in (*self._directory.languages, "zh", "yue")}
        return sum(chance for token, chance in found if token in known)

    def _encode(self, requests: Sequence[AsrRequest]) -> ctranslate2.StorageView:
        """Return the encoder's states, shape (batch, states, width).

        On a CPU one by one: a batch gains nothing there, and every shape costs oneDNN 2 ms once and 0.6 MiB
        for good (kernels of the convolutions), so that shapes must be few.
        """
        features = self._features(requests)
        if self._model.device != "cpu" or len(features) == 1:
            return self._model.encode(ctranslate2.StorageView.from_array(features))
        each = [self._model.encode(ctranslate2.StorageView.from_array(row[None])) for row in features]
        return ctranslate2.StorageView.from_array(np.concatenate([on_host(states) for states in each]))

    def _features(self, requests: Sequence[AsrRequest]) -> NDArray[np.float32]:
        """Return log-mels, shape (batch, mels, frames), padded alike."""
        size = max(self._padded(len(request.pcm)) for request in requests)
        rows = []
        for request in requests:
            pcm = request.pcm[:size]
            rows.append(self._log_mel(np.pad(pcm, (0, size - len(pcm)))))
        return np.stack(rows)

    def _generate(
        self, states: ctranslate2.StorageView, requests: Sequence[AsrRequest], **changed: float
    ) -> list[_Hypothesis]:
        """Return what the decoder writes; ``changed`` options of CTranslate2 are for a second try."""
        prompts = [self._vocabulary.prompt(self.language(r.language), r.hotwords) for r in requests]
        caps = [guards.token_cap(len(request.pcm) / SAMPLE_RATE) for request in requests]
        cap = max(caps)
        results = self._model.generate(
            states,
            prompts,
            **{"beam_size": self._options.beam_size if requests[0].final else 1, **changed},
            # CTranslate2 makes at most max_length / 2 new tokens, and no more than fit behind the prompt.
            max_length=min(448, max(2 * cap, cap + len(prompts[0]))),
            return_scores=True,
            return_no_speech_prob=True,
        )
        hypotheses = []
        for result, own in zip(results, caps, strict=True):
            # Whom a request shares the batch with must not change its answer.
            tokens = self._vocabulary.text_tokens(result.sequences_ids[0])[:own]
            score = float(result.scores[0]) if tokens else 0.0
            hypotheses.append(
                _Hypothesis(tokens=tokens, log_probability=score, no_speech=float(result.no_speech_prob))
            )
        return hypotheses

    def _judge(self, request: AsrRequest, hypothesis: _Hypothesis) -> Transcript:
        text = fold_variants(to_traditional(self._vocabulary.decode(hypothesis.tokens)))
        seconds = len(request.pcm) / SAMPLE_RATE
        reason = inaudible(request.pcm)
        reason = reason or guards.rejection(
            text,
            seconds=seconds,
            log_probability=hypothesis.log_probability,
            no_speech=hypothesis.no_speech,
            settings=self._options.guards,
        )
        return Transcript(
            text="" if reason else text,
            language=self.language(request.language),
            confidence=min(1.0, math.exp(hypothesis.log_probability)),
            no_speech=hypothesis.no_speech,
            rejected=reason,
        )

    def _with_words(
        self,
        states: ctranslate2.StorageView,
        requests: Sequence[AsrRequest],
        hypotheses: list[_Hypothesis],
        results: list[Transcript],
    ) -> list[Transcript]:
        """Add word times to finals that have a text."""
        texts = [h.tokens if r.text else [] for h, r in zip(hypotheses, results, strict=True)]
        if not any(texts):
            return results
        sure = [result.confidence for result in results]
        words = self._timer.words(states, requests, texts, sure, results[0].language)
        return [replace(result, words=own) for result, own in zip(results, words, strict=True)]


def _rows(states: ctranslate2.StorageView, indices: Sequence[int]) -> ctranslate2.StorageView:
    """Return the states of some utterances of a batch."""
    if len(indices) == states.shape[0]:
        return states
    return ctranslate2.StorageView.from_array(np.ascontiguousarray(on_host(states)[list(indices)]))


def silence(seconds: float) -> NDArray[np.float32]:
    """Return silence, for warming a model up: float32 at 16 kHz, shape (n,)."""
    return np.zeros(int(seconds * SAMPLE_RATE), np.float32)
