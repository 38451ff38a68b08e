"""From the settings to the services beside the calls: who did what, alerts, suggestions, the second look."""

from __future__ import annotations

import structlog

from pipeline.alerts.service import AlertService, NoAlerts
from pipeline.alerts.store import AlertStore
from pipeline.alerts.webhook import route_of
from pipeline.audit.log import AuditLog
from pipeline.audit.service import AuditService, NoAudit
from pipeline.config import Settings
from pipeline.inference.second_look import NoSecondLook, SecondLook, SecondLookWorker
from pipeline.knowledge.off import NoKnowledge
from pipeline.knowledge.service import KnowledgeService
from pipeline.metrics import Metrics
from pipeline.stages.suggestions import KnowledgeSuggestions, Suggestions, SuggestionsOff
from pipeline.storage.database import MEMORY

_log = structlog.get_logger(__name__)


def build_auditor(settings: Settings, metrics: Metrics, *, identified: bool) -> AuditService | NoAudit:
    """Return what writes down who did what.

    Raises:
        SettingsError: the log cannot be opened.
    """
    audit = settings.audit
    if audit.enabled == "off" or (audit.enabled == "auto" and not identified):
        return NoAudit()
    return AuditService(AuditLog(audit.folder.expanduser(), audit.origin), metrics, audit)


def build_second_look(settings: Settings) -> SecondLook:
    """Return what hears finished calls again."""
    wanted = settings.diarization.second_look
    return SecondLookWorker(wanted) if wanted.enabled else NoSecondLook()


def build_suggestions(knowledge: KnowledgeService | NoKnowledge) -> Suggestions:
    """Return what suggests replies from a knowledge base."""
    return KnowledgeSuggestions(knowledge) if isinstance(knowledge, KnowledgeService) else SuggestionsOff()


def build_alerts(settings: Settings, metrics: Metrics) -> AlertService | NoAlerts:
    """Return what keeps alerts.

    Raises:
        SettingsError: the store cannot be opened.
    """
    alerts = settings.alerts
    if not alerts.enabled:
        return NoAlerts()
    store = AlertStore(alerts.store or MEMORY, alerts.max_pending)
    given_up = store.drop_unknown([webhook.name for webhook in alerts.webhooks])
    if given_up:
        _log.warning("deliveries of webhooks that are gone were given up", count=given_up)
    routes = tuple(route_of(webhook) for webhook in alerts.webhooks)
    shared = settings.cluster.url is not None
    return AlertService(store, routes, metrics, keep_s=alerts.keep_days * 86_400, shared=shared)
