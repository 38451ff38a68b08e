"""Steps that make data: ``prepare``, ``validate``, ``split``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from scripts.finetune.commands.app import (
    EXIT_FAILED,
    MODELS,
    DryRunOption,
    ModelsOption,
    OutOption,
    app,
    console,
    say,
    say_next,
)
from scripts.finetune.common.errors import FinetuneError
from scripts.finetune.corpus.personal import Personal

ROLE_NAMES = ("customer", "agent", "unknown")


def _roles(text: str) -> tuple[str, str]:
    names = tuple(name.strip() for name in text.split(","))
    if len(names) != 2 or len(set(names)) != 2 or any(name not in ROLE_NAMES for name in names):
        raise FinetuneError(f"--roles {text}: two of {', '.join(ROLE_NAMES)}, left channel first")
    return names[0], names[1]


@app.command()
def prepare(
    calls: Annotated[Path, typer.Argument(help="Folder of recordings.")],
    out: OutOption,
    transcripts: Annotated[
        Path | None, typer.Option(help="File or folder of transcripts; default: beside the recordings.")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="Of text that is not UTF-8, such as big5hkscs.")
    ] = None,
    roles: Annotated[str, typer.Option(help="Of the channels of stereo files.")] = "customer,agent",
    mono_role: Annotated[str, typer.Option(help="Of mono files: customer, agent or unknown.")] = "unknown",
    model: Annotated[str, typer.Option(help="That aligns: registry name, directory, or auto.")] = "auto",
    models: ModelsOption = MODELS,
    min_agreement: Annotated[
        float, typer.Option(min=0, max=1, help="Reject pieces where text and audio agree less.")
    ] = 0.35,
    personal: Annotated[
        Personal,
        typer.Option(help="Utterances with names, numbers, addresses: leave-out (and silent), or keep."),
    ] = Personal.LEAVE_OUT,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = os.cpu_count() or 1,
    dry_run: DryRunOption = False,
) -> None:
    """Cut calls into utterances and give each its part of the transcript.

    Reads WAV (also µ-law), MP3, FLAC, Ogg; CSV, JSONL, SRT, VTT, TextGrid, ELAN and plain text, with times
    or without. Writes manifest.jsonl, 16 kHz FLAC shards, and rejects.jsonl with a reason for each thing
    that was left out.

    Examples:
        python -m scripts.finetune prepare calls/ --out work/prepared

        python -m scripts.finetune prepare calls/ --transcripts texts.csv --encoding big5hkscs --out prepared

        python -m scripts.finetune prepare synthetic/ --personal keep --out work/prepared
    """
    from scripts.finetune.corpus.prepare import PrepareOptions, plan  # noqa: PLC0415 (keeps --help fast)
    from scripts.finetune.corpus.prepare import prepare as run  # noqa: PLC0415

    options = PrepareOptions(
        calls=calls,
        transcripts=transcripts or calls,
        encoding=encoding,
        roles=_roles(roles),
        mono_role=mono_role,
        model=model,
        models=models,
        min_agreement=min_agreement,
        personal=personal,
        workers=workers,
    )
    if mono_role not in ROLE_NAMES:
        raise FinetuneError(f"--mono-role {mono_role}: one of {', '.join(ROLE_NAMES)}")
    if dry_run:
        matched, bad = plan(options)
        say(f"{len(matched)} recordings, {sum(map(len, matched.values()))} transcript lines")
        for reject in bad[:20]:
            say(f"  {reject.source}: {reject.reason}")
        if len(bad) > 20:
            say(f"  and {len(bad) - 20} more")
        return
    summary = run(options, out)
    say(
        f"{summary['utterances']} utterances, {summary['hours']:.2f} h, from {summary['recordings_used']} of "
        f"{summary['recordings']} recordings; {summary['rejects']} rejects (rejects.jsonl):"
    )
    for reason, count in summary["reasons"].items():
        say(f"  {count:5d}  {reason}")
    say_next("validate", out, "--out", out.parent / "validation")


@app.command()
def validate(
    prepared: Annotated[Path, typer.Argument(help="Folder that 'prepare' wrote.")],
    out: OutOption,
    allow_fewer: Annotated[
        bool, typer.Option("--allow-fewer", help="Do not insist on 500 recordings.")
    ] = False,
    model: Annotated[str, typer.Option(help="Current model: registry name, directory, or auto.")] = "auto",
    models: ModelsOption = MODELS,
    dry_run: DryRunOption = False,
) -> None:
    """Look at prepared data before training on it: exit code 0 if it passes, 1 if not.

    Writes report.html with plots, report.json, and review.csv with the utterances behind each warning.

    Examples:
        python -m scripts.finetune validate work/prepared --out work/validation
    """
    from scripts.finetune.corpus.validate import inspect, passed  # noqa: PLC0415
    from scripts.finetune.corpus.validate import validate as run  # noqa: PLC0415

    if dry_run:
        _, _, findings = inspect(prepared, model=model, models=models, allow_fewer=allow_fewer)
    else:
        findings = run(prepared, out, model=model, models=models, allow_fewer=allow_fewer)
    colours = {"ok": "green", "warning": "yellow", "failure": "red"}
    for finding in findings:
        console.print(f"[{colours[finding.level]}]{finding.level:8}[/] {finding.name}: ", end="")
        say(finding.detail)
    if not passed(findings):
        console.print("[red]FAIL[/]: mend what failed and prepare again")
        raise typer.Exit(EXIT_FAILED)
    say("PASS")
    say_next("split", prepared, "--out", out.parent / "split")


@app.command()
def split(
    prepared: Annotated[Path, typer.Argument(help="Folder that 'prepare' wrote.")],
    out: OutOption,
    shares: Annotated[str, typer.Option(help="Of the speech: train, dev, test.")] = "80,10,10",
    frozen: Annotated[
        Path | None, typer.Option(help="Earlier split whose test set stays the test set.")
    ] = None,
    tie: Annotated[
        str, typer.Option(help="Whose voices may be in one set only: all, customer or agent.")
    ] = "all",
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    dry_run: DryRunOption = False,
) -> None:
    """Deal calls to train, dev and test, no speaker and no call in two of them, and freeze the test set.

    Examples:
        python -m scripts.finetune split work/prepared --out work/split

        python -m scripts.finetune split work/prepared2 --out work/split2 --frozen work/split
    """
    from scripts.finetune.common.split_step import (  # noqa: PLC0415
        deal_sets,
        describe,
        make_split,
        parse_shares,
    )

    if tie not in ("all", "customer", "agent"):
        raise FinetuneError(f"--tie {tie}: all, customer or agent")
    wanted = parse_shares(shares)
    if dry_run:
        sets, _, _ = deal_sets(prepared, wanted, seed=seed, frozen=frozen, tie=tie)
        summary = describe(sets)
    else:
        summary = make_split(prepared, out, wanted, seed=seed, frozen=frozen, tie=tie)
    for name, facts in summary.items():
        hours = ", ".join(f"{role} {value:.2f} h" for role, value in facts["hours"].items())
        say(f"{name:6} {facts['calls']:5d} calls {facts['speakers']:5d} speakers  {hours}")
    if not dry_run:
        say_next("train", out, "--out", out.parent / "run")


@app.command()
def general(
    out: OutOption,
    count: Annotated[int, typer.Option(min=1, help="Sentences in each of four sets.")] = 100,
    replay: Annotated[
        int, typer.Option(min=0, help="Instead: this many utterances to train on, against forgetting.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 11,
) -> None:
    """Make synthetic general Cantonese: to see what a tuned model has forgotten, or to prevent that.

    Better: prepare real general speech, such as Common Voice yue, and give its manifests to 'train --replay'
    and 'evaluate --general'.

    Examples:
        python -m scripts.finetune general --out work/general

        python -m scripts.finetune general --replay 6000 --out work/replay
    """
    from scripts.finetune.tiny.general import make_general, make_replay  # noqa: PLC0415

    if replay:
        say(f"{make_replay(out, count=replay, seed=seed)} utterances to replay in {out}")
    else:
        say(f"{make_general(out, count=count, seed=seed)} utterances in {out}")
