"""Events of a call, and alerts of many, as rows."""

from __future__ import annotations

import json
from typing import Any

from console.live.alerts import MOST_TAKEN, AlertRows
from console.live.call import CallRows
from console.live.calls import take
from console.live.topic import Topic
from yuetone.v1 import (
    assist_pb2,
    audio_pb2,
    overview_service_pb2,
    speakers_pb2,
    supervisor_service_pb2,
    transcript_pb2,
)
from yuetone.v1.call_service_pb2 import Ended, Health, StreamCallResponse, TimelineMark


def rows(topic: Topic) -> dict[str, dict[str, Any]]:
    patch = topic.since(None)
    return {} if patch is None else {row["key"]: row for row in map(json.loads, patch.rows)}


def said(text: str, utterance: str = "0-1", *, final: bool = True, **more: Any) -> StreamCallResponse:
    return StreamCallResponse(
        transcript=transcript_pb2.Transcript(
            utterance_id=utterance,
            text=text,
            is_final=final,
            role=audio_pb2.ROLE_CUSTOMER,
            stability=0.5,
            **more,
        )
    )


def test_a_partial_goes_when_its_final_comes() -> None:
    topic = Topic()
    call = CallRows(topic)
    call.take(said("我想問下", final=False))
    assert rows(topic)["p:0"] == {
        "key": "p:0",
        "k": "partial",
        "ch": 0,
        "role": "customer",
        "text": "我想問下",
        "stable": 2,
    }
    call.take(said("我想問下張單"))
    assert "p:0" not in rows(topic)
    assert rows(topic)["u:0-1"]["text"] == "我想問下張單"


def test_a_final_without_text_leaves_nothing() -> None:
    topic = Topic()
    call = CallRows(topic)
    call.take(said("嗯", final=False))
    call.take(said(""))
    assert rows(topic) == {}


def test_what_comes_later_changes_the_line_that_is_there() -> None:
    topic = Topic()
    call = CallRows(topic)
    call.take(said("我電話係一二三"))
    call.take(
        StreamCallResponse(
            redaction=transcript_pb2.Redaction(
                utterance_id="0-1", text="我電話係〔電話〕", masks=[transcript_pb2.Mask(category="phone")]
            )
        )
    )
    call.take(
        StreamCallResponse(
            attribution=speakers_pb2.Attribution(utterance_id="0-1", role=audio_pb2.ROLE_AGENT)
        )
    )
    line = rows(topic)["u:0-1"]
    assert (line["text"], line["role"], line["hidden"]) == ("我電話係〔電話〕", "agent", True)


def test_the_curve_is_in_order_of_time() -> None:
    topic = Topic()
    call = CallRows(topic)
    for at, value in ((1_000, 0.1), (9_000, 0.5), (4_000, 0.3)):
        call.take(StreamCallResponse(emotion=assist_pb2.Emotion(end_ms=at, agitation=value)))
    assert rows(topic)["curve"]["points"] == [[1_000, 0.1], [4_000, 0.3], [9_000, 0.5]]


def test_the_state_tells_holds_lags_and_the_end() -> None:
    topic = Topic()
    call = CallRows(topic)
    pause = TimelineMark(kind=TimelineMark.KIND_PAUSE, reason=audio_pb2.PAUSE_REASON_PCI, at_ms=5)
    call.take(StreamCallResponse(mark=pause), missed=3)
    call.take(StreamCallResponse(health=Health(lag_ms=4_200, overloaded=True)))
    state = rows(topic)["state"]
    assert (state["hold"], state["missed"], state["lag"], state["late"]) == ("pci", 3, 4, True)
    call.take(StreamCallResponse(ended=Ended(reason="client")))
    call.status("lost")
    assert rows(topic)["state"]["phase"] == "ended"


def test_a_suggestion_is_one_row_over_all_its_revisions() -> None:
    topic = Topic()
    call = CallRows(topic)
    offered = assist_pb2.Suggestion(
        suggestion_id="s1", text="好的", state=assist_pb2.Suggestion.STATE_PROPOSED, rank=1,
        sources=[assist_pb2.SuggestionSource(article_id="a", title="退款")],
    )  # fmt: skip
    call.take(StreamCallResponse(suggestion=offered))
    offered.state, offered.reason = assist_pb2.Suggestion.STATE_WITHDRAWN, assist_pb2.Suggestion.REASON_SAID
    call.take(StreamCallResponse(suggestion=offered))
    assert (rows(topic)["s:s1"]["shown"], rows(topic)["s:s1"]["reason"]) == (False, "said")


def changed(call: str, alert: str, state: assist_pb2.Alert.State.ValueType, **more: Any) -> Any:
    return supervisor_service_pb2.WatchAlertsResponse(
        call_id=call, at_unix_ms=more.pop("at", 5), agent_id="A1",
        alert=assist_pb2.Alert(alert_id=alert, state=state, severity=more.pop("severity", 2), **more),
    )  # fmt: skip


def test_alerts_are_one_row_a_call_with_the_worst_first() -> None:
    topic = Topic()
    alerts = AlertRows(topic)
    alerts.take(changed("c1", "a", assist_pb2.Alert.STATE_RAISED))
    alerts.take(changed("c1", "b", assist_pb2.Alert.STATE_RAISED, severity=3, at=9))
    row = rows(topic)["c1"]
    assert (row["worst"], row["since"], [one["id"] for one in row["open"]]) == ("critical", 5, ["b", "a"])
    alerts.take(changed("c1", "b", assist_pb2.Alert.STATE_ACKNOWLEDGED, taken_by="oidc:staff:mary"))
    alerts.take(changed("c1", "a", assist_pb2.Alert.STATE_ACKNOWLEDGED, taken_by="oidc:staff:mary"))
    assert rows(topic)["c1"]["open"] == []
    assert rows(topic)["c1"]["taken"] == "oidc:staff:mary"


def test_what_is_over_goes_in_the_end_and_what_is_open_stays() -> None:
    topic = Topic()
    alerts = AlertRows(topic)
    for number in range(MOST_TAKEN + 20):
        alerts.take(changed(f"c{number}", f"a{number}", assist_pb2.Alert.STATE_RAISED))
        if number != 3:
            alerts.take(changed(f"c{number}", f"a{number}", assist_pb2.Alert.STATE_EXPIRED))
    found = rows(topic)
    assert len(found) == MOST_TAKEN + 1
    assert found["c3"]["open"]
    assert found[f"c{MOST_TAKEN + 19}"]["expired"]


def test_live_calls_come_and_go() -> None:
    topic, pb = Topic(), overview_service_pb2
    both = [
        pb.CallOverview(call_id=name, phase=pb.CallOverview.PHASE_TALKING, agitation=0.61) for name in "ab"
    ]
    take(topic, pb.WatchCallsResponse(snapshot=True, calls=both))
    assert rows(topic)["a"]["agitation"] == 0.6
    version = topic.version
    both[0].agitation = 0.62
    take(topic, pb.WatchCallsResponse(calls=both))
    assert topic.version == version  # nobody sees that
    ended = pb.CallOverview(call_id="a", phase=pb.CallOverview.PHASE_ENDED)
    take(topic, pb.WatchCallsResponse(calls=[ended]))
    assert set(rows(topic)) == {"b"}
    take(topic, pb.WatchCallsResponse(snapshot=True, calls=[]))
    assert rows(topic) == {}
