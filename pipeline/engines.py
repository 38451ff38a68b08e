"""From names in the configuration to engines; the only place that picks backends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from asr import AsrEngine, AsrRequest
from asr.directory import ModelDirectory
from asr.finding import find_recogniser
from asr.options import WhisperOptions
from diarization import DiarizationError
from diarization.directory import BUNDLED_SEGMENTATION, BUNDLED_SPEAKER
from diarization.evidence import RolePhrases, read_phrases
from diarization.tracker import NoVoices, VoiceEngines, Voices, tracker_settings
from emotion import EmotionEngine, EmotionModelError, NoEmotion
from emotion.directory import BUNDLED as EMOTION_BUNDLED
from models import ModelError
from models.promotion import chosen_directory
from pipeline.audio.resample import Resampler
from pipeline.config import Settings
from pipeline.errors import SettingsError
from pipeline.inference.recogniser import ServedModel
from pipeline.inference.scheduler import AsrScheduler
from pipeline.knowledge.off import NoKnowledge
from pipeline.metrics import Metrics
from pipeline.sections.suggest import SuggestSettings
from suggest import SuggestError
from vad import VadEngine

if TYPE_CHECKING:
    from pipeline.knowledge.service import KnowledgeService
    from suggest.knowledge import KnowledgeBase
    from suggest.llm.writer import Writer


_SPEECH = Path(__file__).with_name("demo") / "call.wav"


def find_model(settings: Settings) -> ModelDirectory:
    """Return the recogniser's directory, checked; cheap, for refusing a wrong one at start-up.

    Raises:
        SettingsError: there is no such model; the message names the fix.
    """
    try:
        return find_recogniser(settings.asr.model, settings.asr.models_dir)
    except ModelError as error:
        raise SettingsError(f"asr.model: {error}") from error


def asr_factory(settings: Settings, directory: ModelDirectory) -> Callable[[], AsrEngine]:
    """Return what loads and warms the recogniser; slow, for a worker thread."""

    def build() -> AsrEngine:
        from asr.whisper import WhisperEngine  # noqa: PLC0415 (loads CTranslate2)

        options = WhisperOptions(
            device=settings.asr.device,
            compute_type=settings.asr.compute_type,
            threads=settings.asr.threads,
            beam_size=settings.asr.beam_size,
            partials=settings.asr.partials,
            guards=settings.asr.guards,
        )
        engine = WhisperEngine(directory, options)
        warm = np.zeros(16_000, np.float32)
        engine.transcribe([AsrRequest(pcm=warm, final=True)])
        engine.transcribe([AsrRequest(pcm=warm, final=False)])
        return engine

    return build


def local_recogniser(
    settings: Settings, metrics: Metrics, factory: Callable[[], AsrEngine] | None = None
) -> AsrScheduler:
    """Return a recogniser of this process.

    Args:
        settings: name the model.
        metrics: where to count.
        factory: makes the engine, and its costs are not measured; None takes the settings' model.

    Raises:
        SettingsError: there is no such model; the message names the fix.
    """
    directory = find_model(settings)
    return AsrScheduler(
        factory or asr_factory(settings, directory),
        ServedModel(directory.name, directory.languages),
        metrics,
        max_batch=settings.asr.max_batch,
        max_finals=settings.asr.max_pending_finals,
        batch_wait_s=settings.asr.batch_wait_ms / 1000,
        reference=None if factory else reference_speech,
    )


def reference_speech() -> NDArray[np.float32]:
    """Return one sentence of the bundled call, 3 s at 16 kHz: on it the cost of a call is measured."""
    import soundfile as sf  # noqa: PLC0415 (libsndfile)

    rate, channel, first_s, seconds = 8000, 0, 6.4, 3.0
    pcm, _rate = sf.read(
        _SPEECH, start=int(first_s * rate), frames=int(seconds * rate), dtype="float32", always_2d=True
    )
    resampler = Resampler(rate)
    return np.concatenate([resampler.accept(pcm[:, channel]), resampler.flush()])


def build_emotion(settings: Settings) -> EmotionEngine:
    """Return the judge of voices.

    Raises:
        SettingsError: its model cannot be used; the message names the fix.
    """
    if not settings.emotion.enabled:
        return NoEmotion()
    from emotion.engine import OnnxEmotion  # noqa: PLC0415 (loads onnxruntime)

    try:
        return OnnxEmotion(emotion_directory(settings), settings.emotion.device)
    except (EmotionModelError, ModelError) as error:
        raise SettingsError(f"emotion.model: {error}") from error


def emotion_directory(settings: Settings) -> Path:
    """Return the directory that ``emotion.model`` means.

    Raises:
        ModelError: nothing was promoted, or the pointer is damaged.
    """
    return chosen_directory(settings.emotion.model, settings.asr.models_dir, "emotion", EMOTION_BUNDLED)


def build_voices(settings: Settings) -> Voices:
    """Return what tells voices apart.

    Raises:
        SettingsError: a model cannot be used; the message names the fix.
    """
    if not settings.diarization.enabled:
        return NoVoices()
    from diarization.onnx import OnnxEmbedder, OnnxSegmentation  # noqa: PLC0415 (loads onnxruntime)

    chosen, folder = settings.diarization, settings.asr.models_dir
    try:
        embedder = OnnxEmbedder(
            chosen_directory(chosen.speaker_model, folder, "speaker", BUNDLED_SPEAKER), chosen.device
        )
        segmenter = OnnxSegmentation(
            chosen_directory(chosen.segmentation_model, folder, "segmentation", BUNDLED_SEGMENTATION),
            chosen.device,
        )
    except (DiarizationError, ModelError) as error:
        raise SettingsError(f"diarization: {error}") from error
    return VoiceEngines(
        segmenter=segmenter, embedder=embedder, settings=tracker_settings(embedder, segmenter)
    )


def build_phrases(settings: Settings) -> dict[str, RolePhrases]:
    """Return the phrases of agents and customers of every profile.

    Raises:
        SettingsError: a file cannot be used; the message names profile and file.
    """
    found: dict[str, RolePhrases] = {}
    for name, profile in settings.profiles.items():
        try:
            found[name] = read_phrases(profile.diarization.phrases)
        except DiarizationError as error:
            raise SettingsError(f"profiles.{name}.diarization.phrases: {error}") from error
    return found


def build_knowledge(settings: Settings, metrics: Metrics) -> KnowledgeService | NoKnowledge:
    """Return the knowledge base.

    Raises:
        SettingsError: a part cannot be used; the message names the fix.
    """
    if not settings.suggest.enabled:
        return NoKnowledge()
    from pipeline.knowledge.service import KnowledgeService, KnowledgeServiceSettings  # noqa: PLC0415 (slow)

    chosen = settings.suggest
    wanted = KnowledgeServiceSettings(
        follow_s=chosen.follow_s,
        record=chosen.record,
        keep_days=chosen.keep_days,
        drafts_per_call=chosen.llm.max_drafts_per_call,
    )
    try:
        return KnowledgeService(lambda: open_knowledge(chosen), _writer(chosen), wanted, metrics)
    except SuggestError as error:
        raise SettingsError(f"suggest: {error}") from error


def open_knowledge(chosen: SuggestSettings) -> KnowledgeBase:
    """Return the knowledge base of the settings.

    Raises:
        KnowledgeError: a part cannot be used; the message names the fix.
    """
    from suggest.knowledge import KnowledgeBase  # noqa: PLC0415 (loads the search engine)
    from suggest.retrieval.dense import OnnxEncoder  # noqa: PLC0415

    return KnowledgeBase(
        chosen.store,
        tables=[path.expanduser() for path in chosen.tables],
        weights=chosen.weights.expanduser() if chosen.weights else None,
        threshold=chosen.threshold,
        index=chosen.index,
        encoder=OnnxEncoder(chosen.encoder.expanduser()) if chosen.encoder else None,
    )


def _writer(chosen: SuggestSettings) -> Writer | None:
    if chosen.llm.base_url is None:
        return None
    from suggest.llm.writer import Writer, WriterSettings  # noqa: PLC0415 (loads the HTTP client)

    key = chosen.llm.key.get_secret_value() if chosen.llm.key else ""
    return Writer(
        WriterSettings(
            base_url=chosen.llm.base_url,
            model=chosen.llm.model,
            key=key,
            timeout_s=chosen.llm.timeout_s,
            max_tokens=chosen.llm.max_tokens,
        )
    )


def build_vad(settings: Settings) -> VadEngine:
    """Return the voice detector.

    Raises:
        SettingsError: its model is missing.
    """
    from vad.gated import GatedVad  # noqa: PLC0415 (loads onnxruntime)

    try:
        return GatedVad(settings.vad_aggressiveness)
    except FileNotFoundError as error:
        raise SettingsError(str(error)) from error
