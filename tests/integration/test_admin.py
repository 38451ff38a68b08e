"""What people see and change of a running server: profiles, rules that are tried first, tokens, articles."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from client import admin_stub, knowledge_stub, overview_stub
from pipeline.sections.access import AccessRole
from suggest.base import Article
from suggest.store.knowledge import KnowledgeStore
from tests.access.provider import Provider
from tests.fakes.engines import SayingEngine
from tests.integration.access import bearer, code, guarded, of_role, recorded
from tests.integration.helpers import (
    chunks,
    control,
    demo_bytes,
    end,
    kept,
    running,
    settings,
    silence,
    start,
    talk,
)
from tests.integration.test_alerts import ANGRY
from tests.record.helpers import profile, section
from yuetone.v1 import admin_service_pb2 as pb
from yuetone.v1 import assist_pb2, audio_pb2, overview_service_pb2
from yuetone.v1 import knowledge_service_pb2 as kb

pytestmark = pytest.mark.integration
OWN = '[[rule]]\nname = "angry"\nwhen = "words"\nphrases = ["太離譜"]\n'


def lately(**more: Any) -> pb.TryAlertRulesRequest:
    now = int(time.time() * 1000) + 60_000
    values = {"profile": "default", "since_unix_ms": now - 86_400_000, "until_unix_ms": now, **more}
    return pb.TryAlertRulesRequest(**values)


async def test_a_recorded_call_raises_again_what_it_raised_live(tmp_path: Path) -> None:
    """The same core, fed with what is kept: the same alerts, at nearly the same places."""
    chosen = settings(record=section(tmp_path), profiles=profile(), alerts={"store": str(tmp_path / "a.db")})
    async with running(chosen, SayingEngine(ANGRY)) as run:
        pause = control(pause=audio_pb2.Pause(reason=audio_pb2.PAUSE_REASON_HOLD))
        quiet = [*chunks(demo_bytes(20)), pause, *chunks(silence(45)), control(resume=audio_pb2.Resume())]
        messages = await talk(run, [start(), *quiet, *chunks(demo_bytes(12)), *chunks(silence(42)), end()])
        await kept(run)
        live = [message.alert for message in messages if message.HasField("alert")]
        raised = [one for one in live if one.state == assist_pb2.Alert.STATE_RAISED]
        stub = admin_stub(run.channel)
        found = await stub.TryAlertRules(lately())
        assert (found.calls, found.without_voice) == (1, 0)
        for rule in found.rules:
            if not rule.untried:
                assert rule.raised == rule.recorded, rule.name
        assert {rule.name for rule in found.rules if rule.raised} >= {"customer-agitated", "dead-air"}
        for before, again in zip(
            sorted(raised, key=lambda one: (one.rule, one.start_ms)),
            sorted(found.alerts, key=lambda one: (one.rule, one.at_ms)),
            strict=True,
        ):
            assert before.rule == again.rule
            assert abs(before.end_ms - again.at_ms) <= 5_000  # live, words came late: sound came all at once
            assert [one.kind for one in before.reasons] == [one.kind for one in again.reasons]
        tried = await stub.TryAlertRules(lately(text=OWN))
        assert [(rule.name, rule.raised > 0) for rule in tried.rules if not rule.recorded] == [
            ("angry", True)
        ]
        assert [reason.text for reason in tried.alerts[0].reasons] == ["太離譜"]
        for bad, said in (
            (lately(text="[[rule]]\nname = 'x'\nwhen = 'words'\n"), "line 1"),
            (lately(text="[[rule"), "rules of default"),
            (lately(profile="none"), "there is default"),
            (lately(most_calls=0), "1 to 500"),
            (lately(since_unix_ms=1), "31 days"),
        ):
            assert (await refused(stub.TryAlertRules(bad))).endswith(said) or said in await refused(
                stub.TryAlertRules(bad)
            )


async def refused(work: Any) -> str:
    """Return why a request is refused."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await work
    assert error.value.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.PERMISSION_DENIED)
    return error.value.details() or ""


async def test_rules_are_saved_for_calls_that_begin_from_then_on(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\nname = "other"\nwhen = "words"\nphrases = ["早晨"]\n')
    chosen = settings(profiles={"default": {"alert_rules": str(rules)}})
    async with running(chosen, SayingEngine(ANGRY)) as run:
        stub = admin_stub(run.channel)
        before = await stub.GetAlertRules(pb.GetAlertRulesRequest(profile="default"))
        assert before.writable
        (shown,) = (await stub.ListProfiles(pb.ListProfilesRequest())).profiles
        assert [rule.name for rule in shown.rules] == ["other"]
        told = {setting.key: setting for setting in shown.settings}
        assert told["alert_rules"].value == '"rules.toml"'
        assert (told["vad.hangover_ms"].value, told["vad.hangover_ms"].usual) == ("448", True)
        assert str(tmp_path) not in str(shown)
        save = pb.SaveAlertRulesRequest(profile="default", text="[[rule]]", version=before.version)
        assert "line 1" in await refused(stub.SaveAlertRules(save))
        save.text = OWN
        after = await stub.SaveAlertRules(save)
        assert (after.text, rules.read_text()) == (OWN, OWN)
        assert "other" in rules.with_name("rules.toml.before").read_text()
        assert "meanwhile" in await refused(stub.SaveAlertRules(save))  # of an older text
        messages = await talk(run, [start(), *chunks(demo_bytes(16)), end()])
        assert {one.alert.rule for one in messages if one.HasField("alert")} == {"angry"}
        assert sorted(file.name for file in tmp_path.iterdir()) == ["rules.toml", "rules.toml.before"]


async def test_the_built_in_rules_are_nobodys_to_change(tmp_path: Path) -> None:
    async with running(settings()) as run:
        stub = admin_stub(run.channel)
        found = await stub.GetAlertRules(pb.GetAlertRulesRequest(profile="default"))
        assert "customer-agitated" in found.text
        assert (found.writable, "alert_rules" in found.why_not) == (False, True)
        save = pb.SaveAlertRulesRequest(profile="default", text=OWN, version=found.version)
        assert "names no file" in await refused(stub.SaveAlertRules(save))
        assert "asks nobody" in await refused(stub.ListApiTokens(pb.ListApiTokensRequest()))
        assert "keeps no calls" in await refused(stub.TryAlertRules(lately()))


async def test_tokens_are_made_used_and_made_void(provider: Provider, tmp_path: Path) -> None:
    chosen = guarded(
        provider, access={"store": str(tmp_path / "access.db")}, audit={"folder": tmp_path / "a"}
    )
    async with running(chosen) as run:
        stub = admin_stub(run.channel)
        otto = bearer(provider.token("otto", roles=["operator"], company="bank"))
        other = bearer(provider.token("olga", roles=["operator"], company="telecom"))
        asked = pb.CreateApiTokenRequest(owner="nightly", roles=["supervisor"], days=7, teams=["cards"])
        made = await stub.CreateApiToken(asked, metadata=otto)
        me = await overview_stub(run.channel).GetMe(
            overview_service_pb2.GetMeRequest(), metadata=bearer(made.token)
        )
        assert (me.tenant, list(me.roles), list(me.teams)) == ("bank", ["supervisor"], ["cards"])
        (listed,) = (await stub.ListApiTokens(pb.ListApiTokensRequest(), metadata=otto)).tokens
        assert (listed.prefix, listed.owner) == (made.about.prefix, "nightly")
        assert made.token not in str(listed)
        assert not (await stub.ListApiTokens(pb.ListApiTokensRequest(), metadata=other)).tokens
        revoke = pb.RevokeApiTokenRequest(prefix=made.about.prefix)
        assert await code(stub.RevokeApiToken(revoke, metadata=other)) == "INVALID_ARGUMENT"
        assert (await stub.RevokeApiToken(revoke, metadata=otto)).HasField("revoked_at_unix_ms")
        gone = overview_stub(run.channel).GetMe(
            overview_service_pb2.GetMeRequest(), metadata=bearer(made.token)
        )
        assert await code(gone) == "UNAUTHENTICATED"  # at once, not after the next look
        bads: tuple[dict[str, Any], ...] = (
            {"roles": ["operator"]}, {"roles": ["privacy-officer"]}, {"roles": []}, {"roles": ["king"]},
            {"owner": ""}, {"owner": "a\nb"}, {"days": 0}, {"days": 4_000}, {"agent_id": ""},
            {"teams": ["t"] * 60},
        )  # fmt: skip
        for bad in bads:
            fields: dict[str, Any] = {"owner": "x", "roles": ["agent"], "days": 1, **bad}
            wrong = pb.CreateApiTokenRequest(**fields)
            assert await code(stub.CreateApiToken(wrong, metadata=otto)) == "INVALID_ARGUMENT", bad
        assert (
            await code(
                stub.CreateApiToken(pb.CreateApiTokenRequest(tenant="telecom", owner="x"), metadata=otto)
            )
            == "PERMISSION_DENIED"
        )


async def test_who_may_administrate(provider: Provider, tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(OWN)
    kept_ = {"record": {"retention": "service"}}
    chosen = guarded(
        provider,
        record=section(tmp_path),
        profiles={"default": {"alert_rules": str(rules), **kept_}, "cards": kept_},
        tenants={"bank": {"profiles": ["cards"]}, "telecom": {"max_calls": 3}},
        access={"store": str(tmp_path / "access.db")},
        audit={"folder": tmp_path / "audit"},
    )
    async with running(chosen) as run:
        await recorded(run, provider, {"one": {"company": "telecom", "agent_id": "a1"}})
        admin, knowledge = admin_stub(run.channel), knowledge_stub(run.channel)
        version = (
            await admin.GetAlertRules(
                pb.GetAlertRulesRequest(profile="default"), metadata=of_role(provider, "operator")
            )
        ).version
        for role in AccessRole:
            who = of_role(provider, role.value)
            allowed = {
                "ListProfiles": role.value in ("supervisor", "operator"),
                "TryAlertRules": role.value == "supervisor",
                "ListApiTokens": role.value == "operator",
                "GetKnowledgeReport": role.value in ("supervisor", "quality"),
            }
            attempts = {
                "ListProfiles": admin.ListProfiles(pb.ListProfilesRequest(), metadata=who),
                "TryAlertRules": admin.TryAlertRules(lately(), metadata=who),
                "ListApiTokens": admin.ListApiTokens(pb.ListApiTokensRequest(), metadata=who),
                "GetKnowledgeReport": knowledge.GetKnowledgeReport(
                    kb.GetKnowledgeReportRequest(since_unix_ms=1, until_unix_ms=2), metadata=who
                ),
            }
            for name, attempt in attempts.items():
                wanted = "ok" if allowed[name] else "PERMISSION_DENIED"
                assert await code(attempt) == wanted, (role, name)
            save = pb.SaveAlertRulesRequest(profile="default", text=OWN, version=version)
            # default is everybody's: nobody of one company changes it for another
            assert await code(admin.SaveAlertRules(save, metadata=who)) == "PERMISSION_DENIED", role
        sue = of_role(provider, "supervisor")
        names = [
            one.name for one in (await admin.ListProfiles(pb.ListProfilesRequest(), metadata=sue)).profiles
        ]
        assert names == ["default", "cards"]
        tess = bearer(provider.token("tess", roles=["supervisor"], company="telecom"))
        theirs = await admin.ListProfiles(pb.ListProfilesRequest(), metadata=tess)
        assert [one.name for one in theirs.profiles] == ["default"]
        hidden = admin.GetAlertRules(pb.GetAlertRulesRequest(profile="cards"), metadata=tess)
        assert await code(hidden) == "INVALID_ARGUMENT"
        assert (await admin.TryAlertRules(lately(), metadata=sue)).calls == 0  # it is the others' call
        assert (await admin.TryAlertRules(lately(), metadata=tess)).calls == 1


def pieces(name: str, data: bytes, **more: Any) -> Iterator[kb.ImportArticlesRequest]:
    yield kb.ImportArticlesRequest(options=kb.ImportOptions(file_name=name, **more))
    for at in range(0, len(data), 1_000):
        yield kb.ImportArticlesRequest(data=data[at : at + 1_000])


TABLE = "id,question_zh,answer_zh\nt1,幾時開門,九點開門\nt2,幾時收工,六點收工\n".encode()


async def test_articles_are_imported_and_found(tmp_path: Path) -> None:
    chosen = settings(suggest={"store": str(tmp_path / "kb.db")})
    async with running(chosen) as run:
        stub = knowledge_stub(run.channel)
        tried = await stub.ImportArticles(pieces("faq.csv", TABLE, dry_run=True))
        assert (tried.imported, tried.added, list(tried.added_ids)) == (False, 2, ["t1", "t2"])
        done = await stub.ImportArticles(pieces("C:\\docs\\faq.csv", TABLE))
        assert (done.imported, done.added) == (True, 2)
        assert run.server.app.knowledge.articles == 2
        less = TABLE.replace("t2,幾時收工,六點收工\n".encode(), b"")
        pruned = await stub.ImportArticles(pieces("faq.csv", less, prune=True))
        assert (pruned.removed, pruned.unchanged, list(pruned.removed_ids)) == (1, 1, ["t2"])
        broken = await stub.ImportArticles(pieces("faq.csv", "id,question_zh,answer_zh\nt3,幾時,\n".encode()))
        assert not broken.imported
        assert broken.problems[0].place
        mapped = "no,問,答\nt9,幾時有貨,聽日有貨\n".encode()
        columns = {"問": "question_zh", "答": "answer_zh", "no": "id"}
        assert (await stub.ImportArticles(pieces("x.csv", mapped, columns=columns))).added == 1
        for bad in ("faq.exe", "noending"):
            assert "cannot be imported" in (await stub.ImportArticles(pieces(bad, TABLE))).problems[0].message
        for name in ("", "../.hidden", "a" * 200 + ".csv", "a\nb.csv"):
            assert "file_name" in await refused(stub.ImportArticles(pieces(name, TABLE)))
        assert "options" in await refused(stub.ImportArticles(iter([kb.ImportArticlesRequest(data=b"x")])))
        assert "options" in await refused(stub.ImportArticles(iter([])))
        assert "columns" in await refused(stub.ImportArticles(pieces("x.csv", TABLE, columns={"a": "b"})))
        nothing = await stub.ImportArticles(pieces("bad.xlsx", b"PK\x03\x04 nothing"))
        assert not nothing.imported
        assert nothing.problems


async def test_a_company_writes_its_own_articles_alone(provider: Provider, tmp_path: Path) -> None:
    store = KnowledgeStore(str(tmp_path / "kb.db"))
    store.write([Article(id="t1", question_zh="大家嘅", answer_zh="係")])
    store.close()
    chosen = guarded(
        provider, suggest={"store": str(tmp_path / "kb.db")}, audit={"folder": tmp_path / "audit"}
    )
    async with running(chosen) as run:
        stub, who = knowledge_stub(run.channel), of_role(provider, "supervisor")
        assert (await stub.ImportArticles(pieces("faq.csv", TABLE), metadata=who)).added == 2
        foreign = "id,tenant,question_zh,answer_zh\nt5,telecom,幾時,聽日\n".encode()
        answer = await stub.ImportArticles(pieces("faq.csv", foreign), metadata=who)
        assert [one.message for one in answer.problems] == ["is not your company"]
        named = stub.ImportArticles(pieces("faq.csv", TABLE, tenant="telecom"), metadata=who)
        assert await code(named) == "PERMISSION_DENIED"
        agent = of_role(provider, "agent")
        assert (
            await code(stub.ImportArticles(pieces("faq.csv", TABLE), metadata=agent)) == "PERMISSION_DENIED"
        )
        store = KnowledgeStore(str(tmp_path / "kb.db"))
        assert {article.key for article in store.all()} == {("", "t1"), ("bank", "t1"), ("bank", "t2")}
        store.close()


async def test_what_nobody_could_answer_is_reported(tmp_path: Path) -> None:
    store = KnowledgeStore(str(tmp_path / "kb.db"))
    store.write([Article(id="refund", question_zh="退款需要多久？", answer_zh="五個工作天。")])
    store.close()
    chosen = settings(suggest={"store": str(tmp_path / "kb.db")})
    async with running(chosen, SayingEngine("請問你哋有冇得買火星太空船票呀")) as run:
        await talk(run, [start(), *chunks(demo_bytes(9)), end()])
        await talk(run, [start("call-2"), *chunks(demo_bytes(9)), end()])
        now = int(time.time() * 1000)
        wanted = kb.GetKnowledgeReportRequest(since_unix_ms=now - 3_600_000, until_unix_ms=now + 60_000)
        stub = knowledge_stub(run.channel)
        found = await stub.GetKnowledgeReport(wanted)
        assert found.questions >= 2
        assert found.gaps[0].calls == 2
        assert "火星" in found.gaps[0].examples[0]
        old = kb.GetKnowledgeReportRequest(since_unix_ms=1, until_unix_ms=1_000)
        assert (await stub.GetKnowledgeReport(old)).questions == 0
        for since, until in ((5, 5), (-1, 5), (1, 93 * 86_400_000)):
            bad = kb.GetKnowledgeReportRequest(since_unix_ms=since, until_unix_ms=until)
            assert "92 days" in await refused(stub.GetKnowledgeReport(bad))
