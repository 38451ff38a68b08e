"""The step that makes live text cheap: ``partials``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scripts.finetune.commands.app import MODELS, ModelsOption, OutOption, app, say


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
    say(
        f"partials: {facts['cer']:.1%} character errors on dev by the head, {facts['cer_decoder']:.1%} "
        f"by the decoder; {facts['open']:.0%} of the states are read"
    )
    say(f"serve it: yuetone serve --model {out}")
