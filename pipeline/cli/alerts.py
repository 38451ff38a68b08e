"""``yuetone alerts``: try rules on recordings, check them, watch a server's alerts, take one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import grpc
import typer
from rich.console import Console
from rich.progress import Progress
from threadpoolctl import threadpool_limits

import client
from diarization import Role
from emotion import EmotionModelError
from pipeline.alerts.profile_rules import read_profile_rules
from pipeline.analysis.call import analyse
from pipeline.analysis.recording import read_audio
from pipeline.calls.events import AlertEvent
from pipeline.calls.info import SAMPLE_RATE
from pipeline.cli.calls import SERVER, ServerOption, run_connected
from pipeline.cli.emotion import build_tools, two_roles
from pipeline.cli.identity import with_identity
from pipeline.cli.raw import RawOption, raw_of
from pipeline.cli.serve import ConfigOption
from pipeline.config import ProfileSettings, load_settings
from pipeline.errors import SettingsError
from yuetone.v1 import assist_pb2, supervisor_service_pb2

app = typer.Typer(help="Try, check and follow alerts.", no_args_is_help=True)
RulesOption = Annotated[Path | None, typer.Option("--rules", help="TOML file; else the profile's rules.")]
NO_ALERTS = "the server raises no alerts (alerts.enabled)"


def _profile(config: Path | None, name: str, rules: Path | None) -> ProfileSettings:
    profile = load_settings(config).profiles.get(name)
    if profile is None:
        raise SettingsError(f"--profile: the settings have no profile {name!r}")
    return profile.model_copy(update={"alert_rules": rules}) if rules else profile


@app.command()
def check(
    rules: RulesOption = None,
    profile: Annotated[str, typer.Option(help="Settings profile.")] = "default",
    config: ConfigOption = None,
) -> None:
    """Check alert rules and lexicons; an error names file, line and reason.

    Examples:
        yuetone alerts check --rules rules.toml

        yuetone alerts check --config yuetone.toml --profile hotline
    """
    found = read_profile_rules(_profile(config, profile, rules), profile)
    for rule in found.rules:
        typer.echo(f"{rule.name}: {rule.when}, {rule.severity}")
    typer.echo(f"{len(found.rules)} rules, {len(found.lexicon.categories)} categories of words: all right")


@app.command()
def replay(
    files: Annotated[list[Path], typer.Argument(help="Recordings: WAV, FLAC, OGG, MP3, M4A ….")],
    rules: RulesOption = None,
    roles: Annotated[str, typer.Option(help="Who is on each channel of a stereo file.")] = "customer,agent",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object an alert on stdout.")] = False,
    profile: Annotated[str, typer.Option(help="Settings profile.")] = "default",
    raw: RawOption = None,
    config: ConfigOption = None,
) -> None:
    """Tell which alerts the rules would have raised in recorded calls. Nobody is told.

    Words come from the recogniser of the settings, the voice from the emotion model.

    Examples:
        yuetone alerts replay --rules rules.toml recordings/*.wav

        yuetone alerts replay call.wav --json | jq -r '[.file, .rule, .at_s] | @tsv'
    """
    threadpool_limits(1, user_api="blas")
    settings, chosen = load_settings(config), _profile(config, profile, rules)
    found = read_profile_rules(chosen, profile)
    tools = build_tools(settings, chosen, found, words=True)
    coded = raw_of(raw)
    named, errors, bad, hours, raised = two_roles(roles), Console(stderr=True), 0, 0.0, 0
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress:
        for path in progress.track(files, description="recordings"):
            try:
                recording = read_audio(path, raw=coded)
                own = (Role.UNKNOWN,) if len(recording.channels) == 1 else named
                alerts = analyse(recording.channels, own, tools).alerts
            except (SettingsError, EmotionModelError) as error:
                typer.secho(f"yuetone: {error}", err=True, fg=typer.colors.RED)
                bad += 1
                continue
            hours += recording.seconds / 3600
            raised += sum(alert.state.value == "raised" for alert in alerts)
            for alert in alerts:
                typer.echo(_line(path, alert, as_json=as_json))
    if not as_json:
        typer.echo(f"{raised} alerts in {len(files) - bad} recordings, {hours:.2f} h")
    sys.exit(1 if bad else 0)


def _line(path: Path, alert: AlertEvent, *, as_json: bool) -> str:
    if as_json:
        fields = {
            "file": str(path),
            "at_s": round(alert.end / SAMPLE_RATE, 2),
            "from_s": round(alert.start / SAMPLE_RATE, 2),
            "channel": alert.channel,
            "rule": alert.rule,
            "severity": alert.severity.name.lower(),
            "state": alert.state.value,
            "agitation": None if alert.agitation is None else round(alert.agitation, 3),
            "evidence": alert.evidence,
        }
        return json.dumps(fields, ensure_ascii=False)
    at = alert.end // SAMPLE_RATE
    head = f"{path.name} {at // 60:02d}:{at % 60:02d} {alert.severity.name.lower()}"
    return f"{head} {alert.rule} {alert.state.value}: {alert.evidence}"


# ------------------------------------------------------------------ a running server


@app.command()
@with_identity
def watch(
    server: ServerOption = SERVER,
    since: Annotated[
        str | None, typer.Option(help="Cursor of the last alert seen; 0 for all that are kept.")
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="Only this company.")] = None,
    queue: Annotated[
        list[str] | None, typer.Option(help="Only this hotline; may be given many times.")
    ] = None,
    severity: Annotated[str, typer.Option(help="info, warning or critical, and above.")] = "info",
    *,
    identity: client.Identity,
) -> None:
    """Follow the alerts of all calls of a server, one JSON object a line, until interrupted.

    A server that restarts, or a line that breaks, is waited for; no alert comes twice and none is left out.

    Examples:
        yuetone alerts watch --server asr.example:50051 --severity warning

        yuetone alerts watch --since 0 | jq -r '[.call_id, .alert.rule, .alert.state] | @tsv'
    """
    names = {"info": 1, "warning": 2, "critical": 3}
    if severity not in names:
        raise SettingsError("--severity is info, warning or critical")
    request = supervisor_service_pb2.WatchAlertsRequest(
        cursor=since,
        tenant=tenant,
        queues=queue or [],
        min_severity=assist_pb2.Alert.Severity.ValueType(names[severity]),
    )
    run_connected(server, identity, lambda channel: _watch(channel, request), NO_ALERTS)


@app.command()
@with_identity
def ack(
    alert_id: Annotated[str, typer.Argument(help="From the alert.")],
    server: ServerOption = SERVER,
    false_alarm: Annotated[
        bool, typer.Option("--false-alarm", help="It was none; helps to calibrate.")
    ] = False,
    note: Annotated[str | None, typer.Option(help="Kept with the alert.")] = None,
    *,
    identity: client.Identity,
) -> None:
    """Take an alert, so that nobody else needs to.

    Examples:
        yuetone alerts ack Zk3b9… --note 'called back'
    """
    request = supervisor_service_pb2.AckAlertRequest(alert_id=alert_id, false_alarm=false_alarm, note=note)
    run_connected(server, identity, lambda channel: _ack(channel, request), NO_ALERTS)


async def _watch(channel: grpc.aio.Channel, request: supervisor_service_pb2.WatchAlertsRequest) -> None:
    def lost(reason: str) -> None:
        typer.secho(f"yuetone: {reason}; trying again", err=True, fg=typer.colors.YELLOW)

    async for message in client.watch_alerts(channel, request, lost=lost):
        sys.stdout.write(json.dumps(client.as_json(message), ensure_ascii=False) + "\n")
        sys.stdout.flush()


async def _ack(channel: grpc.aio.Channel, request: supervisor_service_pb2.AckAlertRequest) -> None:
    answer = await client.supervisor_stub(channel).AckAlert(request)
    typer.echo(f"{answer.alert.rule}: {assist_pb2.Alert.State.Name(answer.alert.state)}")
