"""The option that says how a recording without a header is coded."""

from __future__ import annotations

from typing import Annotated

import typer

from client.decoding import RawFormat, raw_format
from client.errors import BadAudio
from pipeline.errors import SettingsError

RawOption = Annotated[
    str | None,
    typer.Option(
        "--raw", help="How files without a header are coded: coding,rate,channels, such as ulaw,8000,2."
    ),
]


def raw_of(text: str | None) -> RawFormat | None:
    """Return what the option says.

    Raises:
        SettingsError: nothing that is known.
    """
    if text is None:
        return None
    try:
        return raw_format(text)
    except BadAudio as error:
        raise SettingsError(f"--raw: {error}") from error
