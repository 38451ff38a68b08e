"""Steps that make live text cheap: ``partials`` and ``shorten``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scripts.finetune.commands.app import (
    MODELS,
    DryRunOption,
    ModelsOption,
    OutOption,
    app,
    say,
    say_next,
)
from scripts.finetune.common.folders import is_main_process


@app.command()
def partials(
    model: Annotated[str, typer.Argument(help="A served model: directory or registry name.")],
    data: Annotated[
        Path,
        typer.Option(help="Split folder: trains on its training set, judged on its dev set; or a manifest."),
    ],
    out: OutOption,
    dev: Annotated[Path | None, typer.Option(help="Manifest to judge on instead of the split's.")] = None,
    start: Annotated[
        Path | None, typer.Option(help="Folder with the CTC heads of a training, to begin from.")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training set.")] = 8,
    inner: Annotated[int, typer.Option(min=0, help="Width of the head's own layer; 0 for none.")] = 256,
    rate: Annotated[float, typer.Option(min=0, help="Peak learning rate.")] = 1e-3,
    seed: Annotated[int, typer.Option(help="Of order and first weights.")] = 0,
    threads: Annotated[int, typer.Option(min=0, help="Of torch; 0 lets it choose.")] = 0,
    models: ModelsOption = MODELS,
) -> None:
    """Give a model a CTC head, so that live text costs the encoder only. The model itself stays as it is.

    Examples:
        python -m scripts.finetune partials work/model --data work/split --out work/model-live

        python -m scripts.finetune partials ./whisper-small-ct2 --data work/split --out work/small-live
    """
    from asr.finding import find_recogniser  # noqa: PLC0415 (keeps --help fast)
    from scripts.finetune.recogniser.partials import HeadOptions, add_head  # noqa: PLC0415

    options = HeadOptions(epochs=epochs, rate=rate, inner=inner, start=start, seed=seed, threads=threads)
    facts = add_head(find_recogniser(model, models), data, dev, out, options)
    if not is_main_process():
        return
    say(
        f"partials: {facts['cer']:.1%} character errors on dev by the head, {facts['cer_decoder']:.1%} "
        f"by the decoder; {facts['open']:.0%} of the states are read"
    )
    say(f"serve it: yuetone serve --model {out}")


@app.command()
def shorten(
    model: Annotated[str, typer.Argument(help="A served model: directory or registry name.")],
    audio: Annotated[Path, typer.Option(help="Folder of recordings; nobody need have transcribed them.")],
    out: OutOption,
    name: Annotated[str | None, typer.Option(help="Of the new model; default: name of the folder.")] = None,
    language: Annotated[
        str, typer.Option(help="Whisper code of the speech; default: from manifest.csv, else as heard.")
    ] = "",
    hours: Annotated[float, typer.Option(min=0.001, help="Speech to use, at most.")] = 20.0,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training set.")] = 6,
    batch_seconds: Annotated[
        float, typer.Option(min=1, help="Seconds of audio a step, padding included.")
    ] = 60.0,
    rate: Annotated[float, typer.Option(min=0, help="Peak learning rate.")] = 5e-5,
    test_utterances: Annotated[int, typer.Option(min=1, help="To measure on, at most.")] = 300,
    quantization: Annotated[
        str, typer.Option(help="int8_float32 or int8 for CPUs, int8_float16 or float16 for GPUs.")
    ] = "int8_float32",
    seed: Annotated[int, typer.Option(help="Of everything.")] = 0,
    threads: Annotated[int, typer.Option(min=0, help="Of torch; 0 lets it choose.")] = 0,
    models: ModelsOption = MODELS,
    dry_run: DryRunOption = False,
) -> None:
    """Teach a Whisper to read speech at its own length, with its own ears at 30 s as the teacher.

    Whisper as published reads 30 s at a time, however short the speech; unpadded it writes loops. What comes
    out is served unpadded: a fraction of the cost, and live text in time. A manifest.csv beside the
    recordings (file, speaker, language, transcript; each optional but the first) keeps speakers apart and
    lets errors be counted against transcripts. Stopped at any moment, the same command goes on.

    Examples:
        python -m scripts.finetune shorten whisper-base --audio recordings --out work/short

        python -m scripts.finetune promote work/short --report work/short/report
    """
    from asr.finding import find_recogniser  # noqa: PLC0415 (keeps --help fast)
    from scripts.finetune.shorten.options import ShortenOptions  # noqa: PLC0415
    from scripts.finetune.shorten.plan import plan  # noqa: PLC0415

    directory = find_recogniser(model, models.expanduser())
    options = ShortenOptions(
        model=str(directory.path),
        audio=audio.expanduser(),
        name=name or out.name,
        language=language,
        hours=hours,
        epochs=epochs,
        batch_seconds=batch_seconds,
        rate=rate,
        test_utterances=test_utterances,
        quantization=quantization,
        seed=seed,
        threads=threads,
    )
    planned = plan(directory, options)
    if dry_run:
        for line in planned:
            say(line)
        return
    from scripts.finetune.recogniser.task import TASK  # noqa: PLC0415 (torch)
    from scripts.finetune.shorten.step import shorten as run  # noqa: PLC0415

    for check in TASK.gate(run(directory, out, options)):
        say(f"{'pass' if check.passed else 'FAIL'}  {check.name}: {check.detail}")
    say(f"report: {out / 'report' / 'report.html'}")
    say_next("promote", out, "--report", out / "report")
