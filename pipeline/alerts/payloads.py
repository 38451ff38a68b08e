"""What a webhook is sent: our own JSON, or what the robots of DingTalk, Slack and Teams understand. Pure.

Formats: DingTalk custom robot (open.dingtalk.com, markdown message and 加签 signature), Slack incoming
webhook (api.slack.com/messaging/webhooks), Teams workflow webhook (Adaptive Card 1.4,
learn.microsoft.com). Our own is signed as in Standard Webhooks (standardwebhooks.com): HMAC-SHA256 over
id, time and body.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote_plus

from pipeline.alerts.record import AlertRecord
from pipeline.calls.events import AlertState, Severity
from pipeline.calls.info import SAMPLE_RATE

Format = Literal["yuetone", "dingtalk", "slack", "teams"]

_SEVERITIES = {Severity.INFO: "提示", Severity.WARNING: "警告", Severity.CRITICAL: "緊急"}
_STATES = {
    AlertState.RAISED: "出現",
    AlertState.ESCALATED: "升級",
    AlertState.CALMED: "平復",
    AlertState.ACKNOWLEDGED: "已處理",
    AlertState.EXPIRED: "無人處理",
}
_WIDE = str.maketrans("[]()*#`<>@!~|\\", "［］（）＊＃｀＜＞＠！～｜＼")
"""Characters of Markdown and their wide forms, which are none."""
_MARKS = {Severity.INFO: "🔵", Severity.WARNING: "🟠", Severity.CRITICAL: "🔴"}
_COLOURS = {Severity.INFO: "Accent", Severity.WARNING: "Warning", Severity.CRITICAL: "Attention"}


def body(record: AlertRecord, format_: Format) -> bytes:
    """Return the JSON to be sent."""
    made = {"yuetone": _plain, "dingtalk": _dingtalk, "slack": _slack, "teams": _teams}[format_](record)
    return json.dumps(made, ensure_ascii=False, separators=(",", ":")).encode()


def delivery_id(record: AlertRecord, store: str) -> str:
    """Return an id that stays the same however often the record is sent, for receivers to tell repeats."""
    return f"{store}-{record.seq}"


def headers(identifier: str, timestamp: int, payload: bytes, secret: str | None) -> dict[str, str]:
    """Return the headers of Standard Webhooks; without a secret, unsigned."""
    found = {
        "content-type": "application/json; charset=utf-8",
        "webhook-id": identifier,
        "webhook-timestamp": str(timestamp),
    }
    if secret:
        signed = f"{identifier}.{timestamp}.".encode() + payload
        found["webhook-signature"] = f"v1,{_hmac(_key(secret), signed)}"
    return found


def _key(secret: str) -> bytes:
    """Return the key; ``whsec_`` marks base64, as the standard says."""
    if secret.startswith("whsec_"):
        return base64.b64decode(secret.removeprefix("whsec_"))
    return secret.encode()


def _hmac(key: bytes, message: bytes) -> str:
    return base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()


def signed_url(url: str, format_: Format, timestamp_ms: int, secret: str | None) -> str:
    """Return the address to call; DingTalk wants time and signature in it."""
    if format_ != "dingtalk" or not secret:
        return url
    signature = _hmac(secret.encode(), f"{timestamp_ms}\n{secret}".encode())
    joint = "&" if "?" in url else "?"
    return f"{url}{joint}timestamp={timestamp_ms}&sign={quote_plus(signature)}"


def accepted(format_: Format, status: int, answer: bytes) -> bool:
    """Tell whether the receiver took it. DingTalk answers 200 also when it did not."""
    if not 200 <= status < 300:
        return False
    if format_ != "dingtalk":
        return True
    try:
        return bool(json.loads(answer).get("errcode") == 0)
    except (ValueError, AttributeError):
        return False


def _plain(record: AlertRecord) -> dict[str, Any]:
    event, call = record.event, record.call
    return {
        "type": f"alert.{event.state.value}",
        "timestamp": datetime.fromtimestamp(record.at, UTC).isoformat(timespec="milliseconds"),
        "data": {
            "alert_id": event.alert_id,
            "call_id": call.call_id,
            "tenant": call.tenant,
            "queue": call.queue,
            "agent_id": call.agent_id,
            "rule": event.rule,
            "severity": event.severity.name.lower(),
            "state": event.state.value,
            "channel": event.channel,
            "start_ms": _ms(event.start),
            "end_ms": _ms(event.end),
            "evidence": event.evidence,
            "agitation": None if event.agitation is None else round(event.agitation, 3),
            "curve": [{"at_ms": _ms(at), "value": round(value, 3)} for at, value in event.curve],
        },
    }


def _ms(samples: int) -> int:
    return samples * 1000 // SAMPLE_RATE


def _title(record: AlertRecord) -> str:
    event = record.event
    return f"{_MARKS[event.severity]} {_SEVERITIES[event.severity]}{_STATES[event.state]}：{event.rule}"


def _facts(record: AlertRecord) -> list[tuple[str, str]]:
    event, call = record.event, record.call
    facts = [
        ("通話", call.call_id),
        ("熱線", call.queue),
        ("客服", call.agent_id),
        ("時間", _clock(event.end)),
    ]
    if event.agitation is not None:
        facts.append(("激動程度", f"{event.agitation:.0%}"))
    return [(name, value) for name, value in [*facts, ("原因", event.evidence)] if value]


def _clock(samples: int) -> str:
    seconds = samples // SAMPLE_RATE
    return f"{seconds // 60:02d}:{seconds % 60:02d}"


def _dingtalk(record: AlertRecord) -> dict[str, Any]:
    lines = [f"#### {_title(record)}", *(f"- **{name}**：{_inert(value)}" for name, value in _facts(record))]
    return {"msgtype": "markdown", "markdown": {"title": _title(record), "text": "\n".join(lines)}}


def _slack(record: AlertRecord) -> dict[str, Any]:
    fields = [{"type": "plain_text", "text": f"{name}\n{value}"} for name, value in _facts(record)]
    return {
        "text": _title(record),
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": _title(record)[:150]}},
            {"type": "section", "fields": fields[:10]},
        ],
    }


def _inert(text: str) -> str:
    """Return a text that clients can set, so that no receiver takes it for markup, a link or a mention."""
    return " ".join(text.translate(_WIDE).replace("://", "：//").split())


def _teams(record: AlertRecord) -> dict[str, Any]:
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            {
                "type": "TextBlock",
                "text": _title(record),
                "weight": "Bolder",
                "wrap": True,
                "color": _COLOURS[record.event.severity],
            },
            {
                "type": "FactSet",
                "facts": [{"title": name, "value": _inert(value)} for name, value in _facts(record)],
            },
        ],
    }
    return {
        "type": "message",
        "attachments": [
            {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
        ],
    }
