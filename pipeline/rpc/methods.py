"""Which permission each method needs: the one table. A method that is not in it is refused to everybody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.access.permissions import Permission

PUBLIC = ("/grpc.health.v1.Health/", "/grpc.reflection.v1alpha.ServerReflection/")
"""Services for everybody: whether the server is well, and, where turned on, what this API looks like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodRule:
    """What a method needs.

    Attributes:
        permission: that whoever calls it has.
        content: whether speech, or what was made of it, leaves the server: then the audit log has it first.
        changes: whether it changes something that others see.
    """

    permission: Permission
    content: bool = False
    changes: bool = False


METHODS: Mapping[str, MethodRule] = {
    "/yuetone.v1.CallService/StreamCall": MethodRule(permission=Permission.CALL_SEND),
    "/yuetone.v1.CallService/WatchCall": MethodRule(permission=Permission.CALL_WATCH, content=True),
    "/yuetone.v1.CallService/GetCapabilities": MethodRule(permission=Permission.SERVER_DESCRIBE),
    "/yuetone.v1.OverviewService/ListCalls": MethodRule(permission=Permission.CALL_LIST, content=True),
    "/yuetone.v1.OverviewService/WatchCalls": MethodRule(permission=Permission.CALL_LIST, content=True),
    "/yuetone.v1.OverviewService/GetMe": MethodRule(permission=Permission.IDENTITY_SHOW),
    "/yuetone.v1.SupervisorService/WatchAlerts": MethodRule(permission=Permission.ALERT_WATCH, content=True),
    "/yuetone.v1.SupervisorService/ListOpenAlerts": MethodRule(
        permission=Permission.ALERT_WATCH, content=True
    ),
    "/yuetone.v1.SupervisorService/ListCallAlerts": MethodRule(
        permission=Permission.ALERT_WATCH, content=True
    ),
    "/yuetone.v1.SupervisorService/AckAlert": MethodRule(
        permission=Permission.ALERT_ACKNOWLEDGE, content=True, changes=True
    ),
    "/yuetone.v1.SuggestionService/SubmitFeedback": MethodRule(
        permission=Permission.SUGGESTION_FEEDBACK, changes=True
    ),
    "/yuetone.v1.SuggestionService/SetReplyLanguage": MethodRule(
        permission=Permission.REPLY_LANGUAGE, changes=True
    ),
    "/yuetone.v1.CallService/SetSensitive": MethodRule(permission=Permission.CALL_SENSITIVE, changes=True),
    "/yuetone.v1.SuggestionService/SearchArticles": MethodRule(permission=Permission.KNOWLEDGE_SEARCH),
    "/yuetone.v1.RecordService/ListCalls": MethodRule(permission=Permission.RECORD_READ, content=True),
    "/yuetone.v1.RecordService/GetCall": MethodRule(permission=Permission.RECORD_READ, content=True),
    "/yuetone.v1.RecordService/GetSummary": MethodRule(permission=Permission.RECORD_READ, content=True),
    "/yuetone.v1.RecordService/SearchCalls": MethodRule(permission=Permission.RECORD_READ, content=True),
    "/yuetone.v1.RecordService/StreamRecording": MethodRule(
        permission=Permission.RECORD_LISTEN, content=True
    ),
    "/yuetone.v1.RecordService/SaveWrapUp": MethodRule(permission=Permission.RECORD_WRAP_UP, changes=True),
    "/yuetone.v1.RecordService/ExportCall": MethodRule(permission=Permission.RECORD_READ, content=True),
    "/yuetone.v1.RecordService/ExportSubject": MethodRule(permission=Permission.RECORD_SUBJECT, content=True),
    "/yuetone.v1.RecordService/PlaceHold": MethodRule(permission=Permission.RECORD_HOLD, changes=True),
    "/yuetone.v1.RecordService/ReleaseHold": MethodRule(permission=Permission.RECORD_HOLD, changes=True),
    "/yuetone.v1.RecordService/EraseCalls": MethodRule(permission=Permission.RECORD_ERASE, changes=True),
    "/yuetone.v1.RecordService/RequestOriginal": MethodRule(
        permission=Permission.RECORD_ORIGINAL, changes=True
    ),
    "/yuetone.v1.RecordService/ListOriginalRequests": MethodRule(permission=Permission.RECORD_ORIGINAL_AGREE),
    "/yuetone.v1.RecordService/DecideOriginal": MethodRule(
        permission=Permission.RECORD_ORIGINAL_AGREE, changes=True
    ),
    "/yuetone.v1.RecordService/GetOriginal": MethodRule(permission=Permission.RECORD_ORIGINAL, content=True),
    "/yuetone.v1.RecordService/StreamOriginal": MethodRule(
        permission=Permission.RECORD_ORIGINAL, content=True
    ),
    "/yuetone.v1.RecordService/GetErasure": MethodRule(permission=Permission.RECORD_ERASE),
    "/yuetone.v1.AdminService/ListProfiles": MethodRule(permission=Permission.SETTINGS_READ),
    "/yuetone.v1.AdminService/GetAlertRules": MethodRule(permission=Permission.SETTINGS_READ),
    "/yuetone.v1.AdminService/TryAlertRules": MethodRule(permission=Permission.RULES_TRY, content=True),
    "/yuetone.v1.AdminService/SaveAlertRules": MethodRule(permission=Permission.RULES_WRITE, changes=True),
    "/yuetone.v1.AdminService/ListApiTokens": MethodRule(permission=Permission.ACCESS_TOKENS),
    "/yuetone.v1.AdminService/CreateApiToken": MethodRule(permission=Permission.ACCESS_TOKENS, changes=True),
    "/yuetone.v1.AdminService/RevokeApiToken": MethodRule(permission=Permission.ACCESS_TOKENS, changes=True),
    "/yuetone.v1.KnowledgeService/ImportArticles": MethodRule(
        permission=Permission.KNOWLEDGE_WRITE, changes=True
    ),
    "/yuetone.v1.KnowledgeService/GetKnowledgeReport": MethodRule(
        permission=Permission.KNOWLEDGE_REPORT, content=True
    ),
    "/yuetone.v1.QualityService/ListForms": MethodRule(permission=Permission.QUALITY_READ),
    "/yuetone.v1.QualityService/CreateSample": MethodRule(permission=Permission.QUALITY_REVIEW, changes=True),
    "/yuetone.v1.QualityService/ListReviews": MethodRule(permission=Permission.QUALITY_READ, content=True),
    "/yuetone.v1.QualityService/GetReviewAverages": MethodRule(
        permission=Permission.QUALITY_READ, content=True
    ),
    "/yuetone.v1.QualityService/GetReview": MethodRule(permission=Permission.QUALITY_READ, content=True),
    "/yuetone.v1.QualityService/SaveReview": MethodRule(permission=Permission.QUALITY_REVIEW, changes=True),
    "/yuetone.v1.QualityService/AnswerReview": MethodRule(permission=Permission.QUALITY_ANSWER, changes=True),
    "/yuetone.v1.QualityService/DecideAppeal": MethodRule(permission=Permission.QUALITY_REVIEW, changes=True),
    "/yuetone.v1.InsightService/QueryKpis": MethodRule(permission=Permission.INSIGHT_READ, content=True),
    "/yuetone.v1.InsightService/GetIssueHeatMap": MethodRule(
        permission=Permission.INSIGHT_READ, content=True
    ),
}
"""By the full name of the method."""
