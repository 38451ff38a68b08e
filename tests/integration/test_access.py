"""Every method, every role, whose call: nobody gets what the table does not give."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.access.grant import grant
from pipeline.access.permissions import Permission
from pipeline.access.principal import AuthMethod, Principal
from pipeline.calls.info import CallInfo
from pipeline.config import ProfileSettings
from pipeline.rpc.caller import may_see_alerts
from pipeline.sections.access import AccessRole
from tests.access.provider import Provider
from tests.integration.access import CALLS, Cells, Live, Requests, four_calls, of_role

pytestmark = pytest.mark.integration

OWN, TEAM, TENANT = {"own"}, {"own", "team"}, {"own", "team", "tenant"}
SEES: dict[str, set[str]] = {
    "agent": OWN, "team-lead": TEAM, "supervisor": TENANT,
    "telephony": set(), "quality": set(), "privacy-officer": set(), "ml-engineer": set(), "operator": set(),
    "auditor": set(),
}  # fmt: skip
"""Whose live calls each role sees: written down here again, for a table is not its own proof."""
SEARCHES = {"agent", "team-lead", "supervisor", "quality"}


async def test_every_method_for_every_role_and_every_call(provider: Provider) -> None:
    cells = Cells()
    async with four_calls(provider) as live:
        for role in AccessRole:
            await _role(live, role.value, cells)
    assert not cells.surprises
    assert cells.count >= 11 * 9 * 4


async def _role(live: Live, role: str, cells: Cells) -> None:
    asked, sees = Requests(live.run, of_role(live.provider, role)), SEES[role]
    may = "ok" if sees else "PERMISSION_DENIED"

    def reached(name: str) -> str:
        return may if name in sees or not sees else "NOT_FOUND"

    lists, listed = await asked.list_calls()
    watches, watched = await asked.watch_calls()
    alerted, alerts = await asked.watch_alerts()
    opened, still_open = await asked.list_open_alerts()
    cells.expect(f"{role} GetMe", await asked.get_me(), "ok")
    about_others = sees - OWN if role == "agent" else sees
    cells.expect(f"{role} ListOpenAlerts", opened, alerted)
    cells.expect(f"{role} open alerts of others", still_open - about_others, set())
    for name, fields in CALLS.items():
        cell = f"{role} on {name}"
        cells.expect(f"{cell} WatchCall", await asked.watch_call(name), reached(name))
        cells.expect(f"{cell} ListCalls", (lists, name in listed), (may, name in sees))
        cells.expect(f"{cell} WatchCalls", (watches, name in watched), (may, name in sees))
        cells.expect(f"{cell} WatchAlerts", (alerted, name in alerts), (may, name in about_others))
        unseen = "NOT_FOUND" if sees else "PERMISSION_DENIED"
        acked = may if name in about_others else unseen
        cells.expect(f"{cell} AckAlert", await asked.ack_alert(f"alert-{name}"), acked)
        cells.expect(f"{cell} SubmitFeedback", await asked.submit_feedback(name), reached(name))
        cells.expect(f"{cell} SetReplyLanguage", await asked.set_reply_language(name), reached(name))
        cells.expect(f"{cell} SetSensitive", await asked.set_sensitive(name), reached(name))
        company = fields["company"]
        own_company = company == "bank"
        sends = ("ok" if own_company else "PERMISSION_DENIED") if role == "telephony" else "PERMISSION_DENIED"
        cells.expect(f"{cell} StreamCall", await asked.stream_call(tenant=company), sends)
        searches = "ok" if role in SEARCHES and own_company else "PERMISSION_DENIED"
        cells.expect(f"{cell} SearchArticles", await asked.search_articles(company), searches)
        cells.expect(f"{cell} GetCapabilities", await asked.get_capabilities(), "ok")
        named = (await asked.list_calls(company))[0], (await asked.watch_calls(company))[0]
        there = may if own_company else "PERMISSION_DENIED"
        cells.expect(f"{cell} lists of a company", named, (there, there))


def test_alerts_are_for_those_who_may_watch_alerts() -> None:
    info = CallInfo(call_id="c", tenant="bank", agent_id="me")
    profiles = {"default": ProfileSettings()}
    who = Principal(
        id="p", method=AuthMethod.API_TOKEN, tenant="bank", roles=frozenset({AccessRole.SUPERVISOR})
    )
    narrow = replace(who, only=frozenset({Permission.CALL_LIST}))
    agent = replace(who, roles=frozenset({AccessRole.AGENT}), agent_id="me")
    told = {"default": ProfileSettings(agents_see_alerts=True)}
    assert may_see_alerts(grant(who, Permission.CALL_LIST), info, profiles)
    assert not may_see_alerts(grant(narrow, Permission.CALL_LIST), info, profiles)
    assert not may_see_alerts(grant(agent, Permission.CALL_WATCH), info, profiles)
    assert may_see_alerts(grant(agent, Permission.CALL_WATCH), info, told)
