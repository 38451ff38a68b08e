"""pyannote.audio's own diarization pipeline with the clustering that live calls use.

Everything else stays pyannote's: overlapping windows, aggregation, the count of speakers at each moment. Its
agglomerative clustering does not know that a call usually has two voices.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pyannote.audio.pipelines.clustering import BaseClustering
from pyannote.audio.pipelines.speaker_diarization import SpeakerDiarization

from diarization.base import Spread
from diarization.clustering import ClusterSettings, cluster
from diarization.pyannote_model import OnnxSpeakerModel


class CallClustering(BaseClustering):
    """:func:`diarization.clustering.cluster` behind pyannote's interface."""

    spread: Spread = Spread()
    step_s: float = 0.6

    def cluster(
        self,
        embeddings: np.ndarray,
        min_clusters: int,
        max_clusters: int,
        num_clusters: int | None = None,
    ) -> np.ndarray:
        """Return the voice of each embedding, shape (n,).

        Args:
            embeddings: shape (n, size).
            min_clusters: voices at least; not used, one is always possible.
            max_clusters: voices at most.
            num_clusters: voices exactly, where that is known.
        """
        vectors = embeddings / (np.linalg.norm(embeddings, axis=1, keepdims=True) + 1e-9)
        seconds = np.full(len(vectors), self.step_s, np.float32)
        settings = ClusterSettings(spread=self.spread, most=min(max_clusters, ClusterSettings().most))
        if num_clusters is not None:
            certain = Spread(floor=-1.0, slope=0.0)
            settings = ClusterSettings(spread=certain, usual=num_clusters, most=num_clusters, least_s=0.0)
        return cluster(vectors.astype(np.float32), seconds, settings)


class CallDiarization(SpeakerDiarization):
    """The pipeline; takes the parameters of pyannote's, but for those of its clustering.

    ``embedding`` must be one of our directories: only they say how far stretches of one voice lie apart.
    """

    def __init__(self, **params: Any) -> None:
        super().__init__(**{**params, "clustering": "AgglomerativeClustering"})
        self.clustering = CallClustering(metric="cosine")
        if isinstance(model := params.get("embedding"), OnnxSpeakerModel):
            self.clustering.spread = model.spread
        self.clustering.step_s = self.segmentation_step * self._segmentation.duration
