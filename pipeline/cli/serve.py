"""``yuetone serve``."""

from __future__ import annotations

import asyncio
import functools
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.cli.handles import allow_handles
from pipeline.cli.logs import configure_logs
from pipeline.cli.memory import use_one_arena
from pipeline.config import ServerSettings, load_settings

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="TOML file of settings (or YUETONE_CONFIG).")
]


def flags(**sections: dict[str, Any]) -> dict[str, Any]:
    """Return nested settings without what was not given on the command line."""
    given = {name: {k: v for k, v in values.items() if v is not None} for name, values in sections.items()}
    return {name: values for name, values in given.items() if values}


def serve_command(
    config: ConfigOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = None,
    port: Annotated[int | None, typer.Option(help="TCP port; 0 picks a free one.")] = None,
    model: Annotated[str | None, typer.Option(help="Recogniser: registry name, directory, or auto.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or auto.")] = None,
    gateways: Annotated[
        int | None, typer.Option(help="Processes that carry the wire, where one core of Python is too few.")
    ] = None,
    nodes: Annotated[
        int | None,
        typer.Option(help="Processes that have the calls: one a core, or a GPU."),
    ] = None,
    max_calls: Annotated[int | None, typer.Option(help="Calls at once.")] = None,
    tls_certificate: Annotated[Path | None, typer.Option(help="PEM certificate chain; turns TLS on.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM private key.")] = None,
    insecure: Annotated[
        bool,
        typer.Option("--insecure", help="Allow a public address without TLS or without identity; for tests."),
    ] = False,
    metrics_port: Annotated[int | None, typer.Option(help="Prometheus port.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
) -> None:
    """Serve calls over gRPC until Ctrl-C or SIGTERM.

    Live calls get a grace period to finish (server.shutdown_grace_s); a call that is still there at its
    end is closed with its last sentences.

    Examples:
        yuetone serve

        yuetone serve --host 0.0.0.0 --port 50051 --tls-certificate server.pem --tls-key server.key

        yuetone serve --host 0.0.0.0 --tls-certificate server.pem --tls-key server.key --gateways 4

        yuetone serve --host 0.0.0.0 --tls-certificate server.pem --tls-key server.key --nodes 16

        yuetone serve --config /etc/yuetone.toml --model whisper-small-cantonese
    """
    from pipeline.rpc.cluster import serve_cluster  # noqa: PLC0415 (keeps --help fast)
    from pipeline.rpc.gateways import serve_behind  # noqa: PLC0415 (keeps --help fast)
    from pipeline.rpc.server import serve  # noqa: PLC0415

    use_one_arena()
    given = flags(
        server={
            "host": host,
            "port": port,
            "gateways": gateways,
            "nodes": nodes,
            "tls_certificate": tls_certificate,
            "tls_key": tls_key,
            "metrics_port": metrics_port,
        },
        access={"insecure": insecure or None},
        asr={"model": model, "device": device},
        limits={"max_calls": max_calls},
        log={"level": log_level},
    )
    read = functools.partial(load_settings, config, given)
    settings = read()
    begin_again_for_tls(settings.server)
    configure_logs(settings.log)
    allow_handles(settings.limits.max_connections)
    if settings.server.nodes or settings.cluster.url is not None:
        whole = settings.model_copy(
            update={"server": settings.server.model_copy(update={"nodes": settings.server.nodes or 1})}
        )
        asyncio.run(serve_cluster(whole, config, given))
    elif settings.server.gateways:
        asyncio.run(serve_behind(settings, reread=read))
    else:
        asyncio.run(serve(settings, reread=read))


def begin_again_for_tls(server: ServerSettings) -> None:
    """Become the same command with what makes gRPC refuse TLS below 1.3, which it reads when imported."""
    from pipeline.rpc.tls import CIPHERS, ciphers_for  # noqa: PLC0415 (keeps --help fast)

    wanted = ciphers_for(server)
    if wanted is None or os.environ.get(CIPHERS) == wanted:
        return
    os.environ[CIPHERS] = wanted
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 (ourselves)
