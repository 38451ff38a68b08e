"""Steps that make and judge models: ``train``, ``evaluate``, ``export``, ``promote``, ``rollback``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from scripts.finetune.commands.app import (
    EXIT_FAILED,
    MODELS,
    DryRunOption,
    ModelsOption,
    OutOption,
    TaskOption,
    app,
    console,
    say,
    say_next,
)
from scripts.finetune.common.errors import FinetuneError
from scripts.finetune.common.folders import is_main_process
from scripts.finetune.common.task import find_task

DataArgument = Annotated[Path, typer.Argument(help="Folder that 'split' wrote.")]


@app.command()
def train(
    data: DataArgument,
    out: Annotated[Path, typer.Option("--out", help="Folder of the run; a killed run goes on there.")],
    init: Annotated[
        str, typer.Option(help="Registry name, directory of a Whisper, or owner/name on the hub.")
    ] = "bundled",
    epochs: Annotated[float, typer.Option(min=0.01, help="Passes over the training set.")] = 8.0,
    batch_seconds: Annotated[
        float, typer.Option(min=1, help="Seconds of audio a step, padding included.")
    ] = 80.0,
    rate: Annotated[float, typer.Option(min=0, help="Peak learning rate; 0 picks one for the model.")] = 0.0,
    decay_from: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the steps at the full rate, which then falls to 0.")
    ] = 0.4,
    optimizer: Annotated[str, typer.Option(help="adamw or muon.")] = "adamw",
    lora: Annotated[int, typer.Option(min=0, help="Rank of LoRA adapters; 0 trains every weight.")] = 0,
    language: Annotated[str, typer.Option(help="Whisper code of the transcripts.")] = "yue",
    short_context: Annotated[
        bool, typer.Option(help="Train at utterance length, so that the server need not pad to 30 s.")
    ] = True,
    augment: Annotated[float, typer.Option(min=0, max=1, help="Strength of augmentation.")] = 1.0,
    timestamps: Annotated[float, typer.Option(min=0, max=1, help="Share of examples with timestamps.")] = 0.2,
    ctc_weight: Annotated[float, typer.Option(min=0, help="Of a CTC head on the encoder; 0 for none.")] = 0.3,
    precision: Annotated[str, typer.Option(help="fp32, bf16, or auto: bf16 on a GPU.")] = "auto",
    patience: Annotated[
        int, typer.Option(min=0, help="Evaluations without a better CER before stopping.")
    ] = 4,
    dev_utterances: Annotated[int, typer.Option(min=1, help="Of the dev set, in each evaluation.")] = 300,
    save_every: Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")] = 100,
    seed: Annotated[int, typer.Option(help="Of everything.")] = 0,
    threads: Annotated[int, typer.Option(min=0, help="Of torch; 0 lets it choose.")] = 0,
    workers: Annotated[int, typer.Option(min=0, help="Processes that make examples.")] = 1,
    replay: Annotated[
        str, typer.Option(help="Manifest of general speech to train on beside, against forgetting.")
    ] = "",
    replay_share: Annotated[
        float, typer.Option(min=0, max=0.95, help="Of the speech in an epoch, as far as there is.")
    ] = 0.5,
    shuffle_texts: Annotated[
        bool, typer.Option("--shuffle-texts", help="Train on wrong transcripts, to see the gate refuse.")
    ] = False,
    task: TaskOption = "recogniser",
    dry_run: DryRunOption = False,
) -> None:
    """Fine-tune a recogniser. Killed at any moment, the same command goes on and ends with the same weights.

    On several GPUs: accelerate launch --multi_gpu --num_processes 4 -m scripts.finetune train ...

    Examples:
        python -m scripts.finetune train work/split --replay work/replay --out work/run

        python -m scripts.finetune train work/split --init ./whisper-small --lora 16 --out work/run-lora

        tensorboard --logdir work/run/tensorboard
    """
    options = _chosen(locals())
    if optimizer not in ("adamw", "muon") or precision not in ("auto", "fp32", "bf16"):
        raise FinetuneError("--optimizer is adamw or muon; --precision is auto, fp32 or bf16")
    if dry_run:
        _say_all(find_task(task).plan_training(data, init, options))
        return
    result = find_task(task).train(data, init, out, options)
    if not is_main_process():
        return
    _say_all(find_task(task).told("train", result))
    say_next("export", out, "--out", out.parent / "model")


def _say_all(lines: list[str]) -> None:
    for line in lines:
        say(line)


def _chosen(values: dict[str, Any]) -> dict[str, Any]:
    """Return the training options among a command's arguments."""
    passed = {"data", "out", "init", "task", "dry_run"}
    return {name: value for name, value in values.items() if name not in passed}


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="The model in question: directory or registry name.")],
    data: Annotated[Path, typer.Option(help="Split folder; its frozen test set is used.")],
    out: OutOption,
    base: Annotated[str, typer.Option(help="What it is compared with; auto is the served one.")] = "auto",
    general: Annotated[
        Path | None, typer.Option(help="Manifest of general speech, to see what was forgotten.")
    ] = None,
    terms: Annotated[
        Path | None, typer.Option(help="File of product names, one a line, whose recall is counted.")
    ] = None,
    models: ModelsOption = MODELS,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    limit: Annotated[
        int, typer.Option(min=0, help="Utterances of each set, for a quick look; 0 for all.")
    ] = 0,
    task: TaskOption = "recogniser",
    dry_run: DryRunOption = False,
) -> None:
    """Measure a model against the served one, side by side; write report.html and report.json.

    Examples:
        python -m scripts.finetune general --out work/general

        python -m scripts.finetune evaluate work/model --data work/split --general work/general --out report
    """
    options: dict[str, Any] = {
        "general": general,
        "terms": _terms(terms),
        "models": models,
        "device": device,
        "limit": limit,
    }
    if dry_run:
        _say_all(find_task(task).plan_evaluation(model, base, data, options))
        return
    report = find_task(task).evaluate(model, base, data, out, options)
    _say_all(find_task(task).told("evaluate", report))
    say(f"report: {out / 'report.html' if (out / 'report.html').is_file() else out / 'report.json'}")
    say_next("promote", model, "--report", out)


def _terms(path: Path | None) -> tuple[str, ...]:
    if path is None:
        return ()
    from scripts.finetune.corpus.encoding import read_text  # noqa: PLC0415

    if not path.is_file():
        raise FinetuneError(f"no file {path}")
    return tuple(line.strip() for line in read_text(path).splitlines() if line.strip())


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Folder of a finished training run.")],
    out: OutOption,
    name: Annotated[str | None, typer.Option(help="Of the model; default: name of the folder.")] = None,
    quantization: Annotated[
        str, typer.Option(help="int8_float32 or int8 for CPUs, int8_float16 or float16 for GPUs.")
    ] = "int8_float32",
    blend: Annotated[
        float, typer.Option(min=0, max=1, help="Below 1, give up a little of the gain to forget less.")
    ] = 1.0,
    trim_vocabulary: Annotated[
        bool, typer.Option("--trim-vocabulary", help="Leave out scripts other than Chinese and Latin.")
    ] = False,
    min_context: Annotated[
        float | None, typer.Option(min=0, max=30, help="Shortest input in s; default: as trained.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Split folder, if it was moved since training.")] = None,
    task: TaskOption = "recogniser",
    dry_run: DryRunOption = False,
) -> None:
    """Turn a run into a model directory that the server, CTranslate2 and faster-whisper load.

    Examples:
        python -m scripts.finetune export work/run --out work/model --name acme-2026-11

        yuetone serve --model work/model
    """
    options = {
        "name": name or out.name,
        "quantization": quantization,
        "blend": blend,
        "trim_vocabulary": trim_vocabulary,
        "min_context_s": min_context,
        "data": data,
    }
    if dry_run:
        _say_all(find_task(task).plan_export(run))
        return
    _say_all([str(out), *find_task(task).told("export", find_task(task).export(run, out, options))])
    say_next("evaluate", out, "--data", "SPLIT", "--general", "GENERAL", "--out", out.parent / "report")


@app.command()
def promote(
    model: Annotated[Path, typer.Argument(help="Model directory that 'export' wrote.")],
    report: Annotated[Path, typer.Option(help="Folder that 'evaluate' wrote for it.")],
    models: ModelsOption = MODELS,
    force: Annotated[
        str | None, typer.Option(help="Promote although the gate failed; say why. It is kept with your name.")
    ] = None,
    reload_pid: Annotated[int | None, typer.Option(min=2, max=2**22, help="Running server to tell.")] = None,
    task: TaskOption = "recogniser",
    dry_run: DryRunOption = False,
) -> None:
    """Serve a model from now on, if it passes the gate: exit code 1 if it does not.

    A running server takes it up on SIGHUP, without dropping calls, if its asr.model is auto or promoted.

    Examples:
        python -m scripts.finetune promote work/model --report work/report --reload-pid 4711

        python -m scripts.finetune rollback
    """
    from scripts.finetune.common.promotion import promote as run  # noqa: PLC0415
    from scripts.finetune.common.promotion import read_report, tell_server  # noqa: PLC0415

    chosen = find_task(task)
    measured = read_report(report, model, chosen.served(models))
    try:
        checks = chosen.gate(measured)
    except (KeyError, TypeError, AttributeError) as error:
        raise FinetuneError(f"{report} is no whole evaluation report; evaluate again") from error
    for check in checks:
        mark = "[green]pass[/]" if check.passed else "[red]FAIL[/]"
        console.print(f"{mark}  {check.name}: ", end="")
        say(check.detail)
    if not all(check.passed for check in checks) and not force:
        console.print("[red]not promoted[/]; --force 'why' overrules the gate")
        raise typer.Exit(EXIT_FAILED)
    if dry_run:
        return
    target = run(model, models, kind=task, checks=checks, report=measured, reason=force)
    say(f"promoted: {target}")
    if reload_pid is None:
        say("a running server takes it up with: kill -HUP PID")
    else:
        tell_server(reload_pid)


@app.command()
def rollback(
    reason: Annotated[str, typer.Option(help="Why; kept with your name.")] = "",
    models: ModelsOption = MODELS,
    reload_pid: Annotated[int | None, typer.Option(min=2, max=2**22, help="Running server to tell.")] = None,
    task: TaskOption = "recogniser",
) -> None:
    """Serve the model before the last promotion again.

    Examples:
        python -m scripts.finetune rollback --reason 'names of new products are wrong'
    """
    from scripts.finetune.common.promotion import rollback as run  # noqa: PLC0415
    from scripts.finetune.common.promotion import tell_server  # noqa: PLC0415

    current = run(models, kind=task, reason=reason)
    say(f"served from now on: {current or 'the installed model of the highest rank'}")
    if reload_pid is not None:
        tell_server(reload_pid)
