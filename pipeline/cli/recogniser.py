"""``yuetone recogniser``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.logs import configure_logs
from pipeline.cli.memory import use_one_arena
from pipeline.cli.serve import ConfigOption, begin_again_for_tls, flags
from pipeline.config import load_settings


def recogniser_command(
    config: ConfigOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = None,
    port: Annotated[int, typer.Option(help="TCP port; 0 picks a free one.")] = 50060,
    model: Annotated[str | None, typer.Option(help="Recogniser: registry name, directory, or auto.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or auto.")] = None,
    tls_certificate: Annotated[Path | None, typer.Option(help="PEM certificate chain; turns TLS on.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM private key.")] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Allow a public address without TLS or secret; for tests.")
    ] = False,
    metrics_port: Annotated[int | None, typer.Option(help="Prometheus port.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
) -> None:
    """Recognise utterances for servers without a GPU, which name this one in asr.remote.

    It keeps nothing. Any number of them may stand behind one name; a server asks them in turn, and asks the
    next one when one does not answer. Ends with what it has begun, at Ctrl-C or SIGTERM.

    Examples:
        yuetone recogniser --device cuda --model whisper-small-cantonese

        yuetone recogniser --config /etc/yuetone.toml --host 0.0.0.0 --port 50060
    """
    from pipeline.rpc.pool import serve_pool  # noqa: PLC0415 (keeps --help fast)

    use_one_arena()
    server = {
        "host": host,
        "port": port,
        "tls_certificate": tls_certificate,
        "tls_key": tls_key,
        "metrics_port": metrics_port,
    }
    given = flags(
        server=server,
        access={"insecure": insecure or None},
        asr={"model": model, "device": device},
        log={"level": log_level},
    )
    settings = load_settings(config, given)
    begin_again_for_tls(settings.server)
    configure_logs(settings.log)
    asyncio.run(serve_pool(settings))
