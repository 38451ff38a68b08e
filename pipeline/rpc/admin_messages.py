"""Profiles, tried rules and API tokens in their wire form."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from pipeline.access.tokens import ApiToken
from pipeline.alerts.rules import FailedSuggestionsRule, Rule
from pipeline.analysis.dry_run import DryRun
from pipeline.calls.events import AlertEvent, AlertState
from pipeline.config import ProfileSettings
from pipeline.record.entries import RecordRow
from pipeline.rpc.assist import SEVERITIES_OUT, reason_message
from pipeline.rpc.convert import milliseconds
from yuetone.v1 import admin_service_pb2 as pb

MOST_ALERTS = 200


def profile_message(name: str, profile: ProfileSettings, rules: Iterable[Rule]) -> pb.Profile:
    """Return a profile with every setting."""
    return pb.Profile(
        name=name,
        settings=_settings(profile, type(profile)(), ""),
        rules=[
            pb.AlertRule(name=rule.name, when=rule.when, severity=SEVERITIES_OUT[rule.urgency])
            for rule in rules
        ],
    )


def _settings(section: BaseModel, usual: BaseModel, before: str) -> Iterator[pb.ProfileSetting]:
    for name, field in type(section).model_fields.items():
        value, default = getattr(section, name), getattr(usual, name)
        if isinstance(value, BaseModel) and isinstance(default, BaseModel):
            yield from _settings(value, default, f"{before}{name}.")
        elif hasattr(value, "__dataclass_fields__"):
            for part in value.__dataclass_fields__:
                mine, its = getattr(value, part), getattr(default, part)
                yield pb.ProfileSetting(
                    key=f"{before}{name}.{part}", value=_json(mine), usual=mine == its,
                    description=field.description or "",
                )  # fmt: skip
        else:
            yield pb.ProfileSetting(
                key=f"{before}{name}", value=_json(value), usual=value == default,
                description=field.description or "",
            )  # fmt: skip


def _json(value: Any) -> str:
    """Return a setting as JSON; of files, their names alone: where they lie is nobody's business."""
    if isinstance(value, Path):
        value = value.name
    elif isinstance(value, tuple):
        value = [item.name if isinstance(item, Path) else item for item in value]
    elif isinstance(value, frozenset):
        value = sorted(value, key=str)
    return json.dumps(to_jsonable_python(value, fallback=str), ensure_ascii=False)


def tried_message(
    rules: Sequence[Rule], tried: Iterable[tuple[RecordRow, DryRun]]
) -> pb.TryAlertRulesResponse:
    """Return what rules would have done in some calls.

    Args:
        rules: that were tried.
        tried: calls, the newest first, and what came of each.
    """
    answer = pb.TryAlertRulesResponse()
    by_name = {
        rule.name: answer.rules.add(name=rule.name, untried=isinstance(rule, FailedSuggestionsRule))
        for rule in rules
    }
    for row, run in tried:
        answer.calls += 1
        answer.audio_ms += milliseconds(run.audio)
        answer.without_voice += run.voiceless
        for alert in run.recorded:
            if alert.rule not in by_name:
                by_name[alert.rule] = answer.rules.add(name=alert.rule)
            by_name[alert.rule].recorded += 1
        raised = [alert for alert in run.alerts if alert.state is AlertState.RAISED]
        for name in {alert.rule for alert in raised}:
            by_name[name].calls += 1
        for alert in raised:
            by_name[alert.rule].raised += 1
            if len(answer.alerts) < MOST_ALERTS:
                answer.alerts.append(_tried(row, alert, run.alerts))
    return answer


def _tried(row: RecordRow, alert: AlertEvent, every: Iterable[AlertEvent]) -> pb.TriedAlert:
    worst = max(one.severity for one in every if one.alert_id == alert.alert_id)
    return pb.TriedAlert(
        record_id=row.record_id,
        call_id=row.info.call_id,
        rule=alert.rule,
        severity=SEVERITIES_OUT[worst],
        at_ms=milliseconds(alert.end),
        reasons=map(reason_message, alert.reasons),
    )


def token_message(token: ApiToken) -> pb.ApiToken:
    """Return what is kept of an API token."""
    return pb.ApiToken(
        prefix=token.prefix,
        owner=token.owner,
        tenant=token.tenant,
        roles=sorted(token.roles),
        agent_id=token.agent_id,
        teams=sorted(token.teams),
        created_at_unix_ms=int(token.created_at * 1000),
        expires_at_unix_ms=None if token.expires_at is None else int(token.expires_at * 1000),
        revoked_at_unix_ms=None if token.revoked_at is None else int(token.revoked_at * 1000),
    )
