"""The table of roles: what each may do, and with whose calls. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum

from pipeline.sections.access import AccessRole


class Permission(StrEnum):
    """What a method needs."""

    CALL_SEND = "call.send"
    CALL_WATCH = "call.watch"
    CALL_LIST = "call.list"
    PERSONAL_DATA = "call.personal-data"
    ALERT_WATCH = "alert.watch"
    ALERT_ACKNOWLEDGE = "alert.acknowledge"
    SUGGESTION_FEEDBACK = "suggestion.feedback"
    REPLY_LANGUAGE = "call.reply-language"
    CALL_SENSITIVE = "call.sensitive"
    KNOWLEDGE_SEARCH = "knowledge.search"
    KNOWLEDGE_WRITE = "knowledge.write"
    KNOWLEDGE_REPORT = "knowledge.report"
    RECORD_READ = "record.read"
    RECORD_LISTEN = "record.listen"
    RECORD_WRAP_UP = "record.wrap-up"
    RECORD_SUBJECT = "record.subject"
    RECORD_HOLD = "record.hold"
    RECORD_ERASE = "record.erase"
    RECORD_ORIGINAL = "record.original"
    RECORD_ORIGINAL_AGREE = "record.original-agree"
    INSIGHT_READ = "insight.read"
    QUALITY_READ = "quality.read"
    QUALITY_REVIEW = "quality.review"
    QUALITY_ANSWER = "quality.answer"
    SETTINGS_READ = "settings.read"
    RULES_TRY = "rules.try"
    RULES_WRITE = "rules.write"
    ACCESS_TOKENS = "access.tokens"
    SERVER_DESCRIBE = "server.describe"
    IDENTITY_SHOW = "identity.show"


class Scope(IntEnum):
    """With whose calls; a wider one holds a narrower one."""

    OWN = 1
    TEAM = 2
    TENANT = 3


_EVERYBODY = {Permission.SERVER_DESCRIBE: Scope.TENANT, Permission.IDENTITY_SHOW: Scope.OWN}
_AT_CALLS = (
    Permission.CALL_WATCH,
    Permission.CALL_LIST,
    Permission.ALERT_WATCH,
    Permission.ALERT_ACKNOWLEDGE,
    Permission.SUGGESTION_FEEDBACK,
    Permission.REPLY_LANGUAGE,
    Permission.CALL_SENSITIVE,
    Permission.RECORD_WRAP_UP,
)
_RECORD = (Permission.RECORD_READ, Permission.RECORD_LISTEN, Permission.INSIGHT_READ)
_QUALITY = (Permission.QUALITY_READ, Permission.QUALITY_REVIEW)
_RULES = (Permission.SETTINGS_READ, Permission.RULES_TRY, Permission.RULES_WRITE)
_OPERATES = (Permission.SETTINGS_READ, Permission.RULES_WRITE, Permission.ACCESS_TOKENS)
_KNOWLEDGE = {Permission.KNOWLEDGE_SEARCH: Scope.TENANT}
_WRITES_KNOWLEDGE = {Permission.KNOWLEDGE_WRITE: Scope.TENANT, Permission.KNOWLEDGE_REPORT: Scope.TENANT}

ROLES: Mapping[AccessRole, Mapping[Permission, Scope]] = {
    AccessRole.TELEPHONY: {**_EVERYBODY, Permission.CALL_SEND: Scope.OWN},
    AccessRole.AGENT: {
        **_EVERYBODY,
        **_KNOWLEDGE,
        **dict.fromkeys(
            (
                *_AT_CALLS,
                Permission.PERSONAL_DATA,
                Permission.RECORD_READ,
                Permission.INSIGHT_READ,
                Permission.QUALITY_READ,
                Permission.QUALITY_ANSWER,
            ),
            Scope.OWN,
        ),
    },
    AccessRole.TEAM_LEAD: {
        **_EVERYBODY,
        **_KNOWLEDGE,
        **dict.fromkeys((*_AT_CALLS, *_RECORD, *_QUALITY), Scope.TEAM),
    },
    AccessRole.SUPERVISOR: {
        **_EVERYBODY,
        **_KNOWLEDGE,
        **_WRITES_KNOWLEDGE,
        **dict.fromkeys((*_AT_CALLS, *_RECORD, *_QUALITY, *_RULES), Scope.TENANT),
        Permission.RECORD_ORIGINAL: Scope.TENANT,
    },
    AccessRole.QUALITY: {
        **_EVERYBODY,
        **_KNOWLEDGE,
        **dict.fromkeys((*_RECORD, *_QUALITY, Permission.KNOWLEDGE_REPORT), Scope.TENANT),
    },
    AccessRole.PRIVACY_OFFICER: {
        **_EVERYBODY,
        **dict.fromkeys(
            (
                *_RECORD,
                Permission.RECORD_SUBJECT,
                Permission.RECORD_HOLD,
                Permission.RECORD_ERASE,
                Permission.RECORD_ORIGINAL,
                Permission.RECORD_ORIGINAL_AGREE,
            ),
            Scope.TENANT,
        ),
    },
    AccessRole.ML_ENGINEER: _EVERYBODY,
    AccessRole.OPERATOR: {**_EVERYBODY, **dict.fromkeys(_OPERATES, Scope.TENANT)},
    AccessRole.AUDITOR: _EVERYBODY,
}
"""An agent's alerts are those about the agent's own calls, and come only where the profile says so
(``agents_see_alerts``). Personal data they see of their own calls, by category (``redaction.agents_see``)."""


def scope_of(roles: frozenset[AccessRole], permission: Permission) -> Scope | None:
    """Return the widest scope in which one of ``roles`` has a permission; None where none has it."""
    return max((ROLES[role][permission] for role in roles if permission in ROLES[role]), default=None)
