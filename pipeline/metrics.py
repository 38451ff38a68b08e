"""Prometheus metrics. One registry per server, so that tests and processes do not share counts."""

from __future__ import annotations

from collections import Counter as Counted
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

_WAIT_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 1.0, 2.0)
_LATENCY_BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
MOST_COMPANIES = 1_000
"""Companies with a label of their own; a development identity may name any number."""


class _LiveCalls(Collector):
    """Counts live calls by company whenever the metrics are read.

    Args:
        live: gives the company of each live call; called from any thread.
        label: gives a company's label.
    """

    def __init__(self, live: Callable[[], Iterable[str | None]], label: Callable[[str | None], str]) -> None:
        self._live, self._label = live, label

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauge; a server without a call has one of 0."""
        gauge = GaugeMetricFamily("yuetone_calls_live", "Calls in progress", labels=["tenant"])
        counted = Counted(self._label(tenant) for tenant in self._live())
        for label, count in (counted or {"": 0}).items():
            gauge.add_metric([label], count)
        yield gauge


class Metrics:
    """What the server counts."""

    def company(self, tenant: str | None) -> str:
        """Return the label of a company: its name, '' for none, ``other`` where there are too many."""
        name = tenant or ""
        if name in self._companies or len(self._companies) < MOST_COMPANIES:
            self._companies.add(name)
            return name
        return "other"

    def follow_live(self, live: Callable[[], Iterable[str | None]]) -> None:
        """Count live calls by company.

        Args:
            live: gives the company of each live call; called from the thread that reads the metrics.
        """
        self.registry.register(_LiveCalls(live, self.company))

    def __init__(self) -> None:
        self._companies: set[str] = set()  # bounded by MOST_COMPANIES
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        registry = self.registry
        self.calls = Counter(
            "yuetone_calls", "Finished calls by reason", ["reason", "tenant"], registry=registry
        )
        self.refused = Counter("yuetone_calls_refused", "Refused calls by code", ["code"], registry=registry)
        self.audio = Counter(
            "yuetone_audio_seconds", "Audio taken, over channels", ["tenant"], registry=registry
        )
        self.speech = Counter("yuetone_speech_seconds", "Speech found, over channels", registry=registry)
        self.gaps = Counter("yuetone_gap_seconds", "Missing audio counted as silence", registry=registry)
        self.lag = Gauge(
            "yuetone_lag_audio_seconds",
            "Audio that came since the oldest speech whose final is still due, worst call",
            registry=registry,
        )
        self.room = Gauge(
            "yuetone_calls_room", "Calls that are taken at once; 0 while that is not known", registry=registry
        )
        self.record_failing = Gauge(
            "yuetone_record_failing", "1 while the disk of the record takes nothing", registry=registry
        )
        self.record_waiting = Gauge(
            "yuetone_record_waiting_bytes", "What waits to be recorded", registry=registry
        )
        self.record_lost = Gauge(
            "yuetone_record_lost", "Events and pieces of sound that could not be recorded", registry=registry
        )
        self.record_wait = Histogram(
            "yuetone_record_wait_seconds",
            "From an event that a strict call waits for to its being on disk and told",
            buckets=_WAIT_BUCKETS,
            registry=registry,
        )
        self.cluster_commit = Histogram(
            "yuetone_cluster_commit_seconds",
            "One transaction of what must outlive its node",
            buckets=_WAIT_BUCKETS,
            registry=registry,
        )
        self.final_latency = Histogram(
            "yuetone_final_latency_seconds",
            "From the arrival of the last speech sample to the final leaving",
            buckets=_LATENCY_BUCKETS,
            registry=registry,
        )
        self.partial_age = Histogram(
            "yuetone_partial_age_seconds",
            "From the arrival of a partial's last sample to the partial leaving",
            buckets=_LATENCY_BUCKETS,
            registry=registry,
        )
        self.inference = Histogram(
            "yuetone_asr_inference_seconds",
            "One batch in the recogniser",
            ["lane"],
            buckets=_LATENCY_BUCKETS,
            registry=registry,
        )
        self.batch = Histogram(
            "yuetone_asr_batch_size", "Requests in one batch", buckets=(1, 2, 4, 8, 16, 32), registry=registry
        )
        self.vad_batch = Histogram(
            "yuetone_vad_batch_size",
            "Channels in one run of the voice detector",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
            registry=registry,
        )
        self.queue = Gauge("yuetone_queue_depth", "Waiting items by queue", ["queue"], registry=registry)
        self.dropped = Counter("yuetone_dropped", "Left out on purpose, by kind", ["kind"], registry=registry)
        self.rejected = Counter(
            "yuetone_rejected_texts", "Texts that a guard rejected", ["reason"], registry=registry
        )
        self.articles = Gauge("yuetone_articles", "Articles that can be suggested", registry=registry)
        self.suggestions = Counter(
            "yuetone_suggestions", "Suggestions by state", ["state", "tenant"], registry=registry
        )
        self.suggestion_feedback = Counter(
            "yuetone_suggestion_feedback",
            "What agents did with suggestions",
            ["action", "tenant"],
            registry=registry,
        )
        self.drafts = Counter(
            "yuetone_drafts", "Drafts of the language model by outcome", ["outcome"], registry=registry
        )
        self.suggestion_latency = Histogram(
            "yuetone_suggestion_latency_seconds",
            "From the arrival of the last speech sample to the first suggestion leaving",
            buckets=_LATENCY_BUCKETS,
            registry=registry,
        )
        self.alerts = Counter(
            "yuetone_alerts", "Alerts by rule and state", ["rule", "state", "tenant"], registry=registry
        )
        self.webhooks = Counter(
            "yuetone_webhook_attempts", "Webhook calls by outcome", ["webhook", "outcome"], registry=registry
        )
        self.emotion = Histogram(
            "yuetone_emotion_inference_seconds",
            "One window in the emotion model, features included",
            buckets=_LATENCY_BUCKETS,
            registry=registry,
        )
        self.diarization = Histogram(
            "yuetone_diarization_seconds",
            "One utterance in the diarization models",
            buckets=_LATENCY_BUCKETS,
            registry=registry,
        )
        self.failures = Counter(
            "yuetone_failures", "Failures of our own, by stage", ["stage"], registry=registry
        )
