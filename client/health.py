"""``yuetone-health``: does a server take requests? For container and service managers, so it starts fast."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

EXAMPLES = """examples:
  yuetone-health
  yuetone-health --server 127.0.0.1:50060 --tls-ca /etc/yuetone/nodes.pem --tls-name asr-pool
"""


def health(server: str, *, roots: bytes | None, tls: bool, tls_name: str | None, within_s: float) -> str:
    """Ask a server, a gateway or a recogniser of the pool; return ``serving``, or why not. Needs no token.

    Args:
        server: host:port, or unix:path.
        roots: PEM authorities that signed its certificate; None takes the system's.
        tls: whether it speaks TLS.
        tls_name: name in its certificate, where it is asked under another one.
        within_s: how long to wait for an answer, s.
    """
    if tls:
        options = [("grpc.ssl_target_name_override", tls_name)] if tls_name else []
        channel = grpc.secure_channel(server, grpc.ssl_channel_credentials(roots), options=options)
    else:
        channel = grpc.insecure_channel(server)
    with channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=within_s
            )
        except grpc.RpcError as error:
            return str(error.code().name).lower().replace("_", " ")
    serving = answer.status == health_pb2.HealthCheckResponse.SERVING
    return "serving" if serving else "not serving"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return 0 where the server serves, 1 where not, 2 where the options are wrong."""
    parser = argparse.ArgumentParser(
        prog="yuetone-health",
        description="Exit 0 if a Yuetone server, gateway or recogniser takes requests. Needs no token.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--server", default="127.0.0.1:50051", help="host:port, or unix:path (%(default)s)")
    parser.add_argument("--tls", action="store_true", help="TLS, with the authorities of this system")
    parser.add_argument("--tls-ca", type=Path, help="PEM authorities of the server; turns TLS on")
    parser.add_argument("--tls-name", help="name in its certificate, where it is asked under another one")
    parser.add_argument("--within", type=float, default=3.0, help="s to wait for an answer (%(default)s)")
    told = parser.parse_args(arguments)
    try:
        roots = told.tls_ca.read_bytes() if told.tls_ca else None
    except OSError as error:
        parser.error(f"{told.tls_ca} cannot be read ({error.strerror})")
    answer = health(
        told.server,
        roots=roots,
        tls=told.tls or roots is not None,
        tls_name=told.tls_name,
        within_s=told.within,
    )
    print(answer, file=sys.stdout if answer == "serving" else sys.stderr)
    return 0 if answer == "serving" else 1


if __name__ == "__main__":
    sys.exit(main())
