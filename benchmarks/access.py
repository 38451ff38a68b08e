"""What identity and the audit log cost: tokens, the gate in front of a request, records, verification.

    python -m benchmarks access                 # two minutes
    python -m benchmarks access --records 20000

Everything runs in this process, on real sockets and real files; processor time is that of the whole process.
Writes benchmarks/results/access.json.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from benchmarks.facts import RESULTS, environment, spread, write_result
from pipeline.access.authenticator import Authenticator
from pipeline.access.oidc import TokenVerifier
from pipeline.audit.entry import AuditEntry
from pipeline.audit.log import AuditLog
from pipeline.audit.service import AuditService, NoAudit
from pipeline.audit.verify import verify
from pipeline.metrics import Metrics
from pipeline.rpc.gate import Gate
from pipeline.sections.access import AccessSettings, IssuerSettings

URL, AUDIENCE = "https://login.example", "yuetone"
KEYS = {
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}
METHOD = "/yuetone.v1.OverviewService/ListCalls"
"""A method that reads content: it is written down first."""
REQUESTS_A_CALL = 13
"""One stream, two watchers, ten commands and feedbacks (assumed)."""
CALL_S = 240.0


class Issuer:
    """Keys of a provider, and tokens that they sign."""

    def __init__(self) -> None:
        self._keys: dict[str, Any] = {algorithm: make() for algorithm, make in KEYS.items()}

    def token(self, algorithm: str, number: int = 0) -> str:
        """Return a token of a supervisor."""
        now = time.time()
        claims = {
            "iss": URL, "aud": AUDIENCE, "sub": f"s{number}", "iat": now, "exp": now + 3600,
            "roles": ["supervisor"],
        }  # fmt: skip
        return jwt.encode(claims, self._keys[algorithm], algorithm=algorithm, headers={"kid": algorithm})

    def client(self) -> httpx2.AsyncClient:
        """Return a client that gets the public keys, whatever it asks for."""
        keys = []
        for algorithm, key in self._keys.items():
            made: Any = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
            keys.append({**made, "kid": algorithm})
        text = json.dumps({"keys": keys})
        transport = httpx2.MockTransport(lambda _request: httpx2.Response(200, text=text))
        return httpx2.AsyncClient(transport=transport)


def issuer_settings() -> IssuerSettings:
    """Return settings that believe the issuer."""
    return IssuerSettings(name="staff", issuer=URL, audience=AUDIENCE, tenant="bank", jwks_url=f"{URL}/keys")


async def cost_us(work: Callable[[], Awaitable[object]], times: int) -> float:
    """Return µs of processor time of one run."""
    await work()
    begun = time.process_time()
    for _ in range(times):
        await work()
    return round((time.process_time() - begun) / times * 1e6, 1)


async def tokens(issuer: Issuer, times: int) -> dict[str, Any]:
    """Measure a token that is new, of each kind, and one that is remembered."""
    found: dict[str, Any] = {}
    for algorithm in KEYS:
        verifier = TokenVerifier((issuer_settings(),), issuer.client())
        fresh = iter([issuer.token(algorithm, number) for number in range(times + 1)])
        found[f"new {algorithm}"] = await cost_us(functools.partial(_next, verifier, fresh), times)
    verifier, token = TokenVerifier((issuer_settings(),), issuer.client()), issuer.token("ES256")
    found["remembered"] = await cost_us(lambda: verifier.identify(token), times)
    return found


async def _next(verifier: TokenVerifier, fresh: Iterator[str]) -> None:
    await verifier.identify(next(fresh))


class _Empty(grpc.GenericRpcHandler):
    """Answers the method with nothing."""

    def service(self, details: Any) -> Any:
        if details.method != METHOD:
            return None
        return grpc.unary_unary_rpc_method_handler(self._answer)

    @staticmethod
    async def _answer(_request: bytes, _context: Any) -> bytes:
        return b""


@asynccontextmanager
async def serving(interceptors: Sequence[Any]) -> AsyncIterator[grpc.aio.Channel]:
    """Yield a channel to a server that answers with nothing, behind these interceptors."""
    server = grpc.aio.server(interceptors=list(interceptors))
    server.add_generic_rpc_handlers((_Empty(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        await server.stop(0)


async def requests(issuer: Issuer, folder: Path, times: int) -> dict[str, Any]:
    """Measure a request without a gate, behind one, and behind one that writes it down."""
    settings = AccessSettings(
        issuers=(issuer_settings(),), store=str(folder / "access.db"), requests_per_s=1e6, identity="required"
    )
    authenticator = Authenticator(settings, development=False, client=issuer.client())
    audit = AuditService(AuditLog(folder / "audit", "benchmark/audit"), Metrics())
    running = asyncio.create_task(audit.run(), name="audit")
    shown = (("authorization", f"Bearer {issuer.token('ES256')}"),)
    doors: dict[str, Sequence[Any]] = {
        "no gate": (),
        "gate": (Gate(authenticator, NoAudit(), settings, Metrics()),),
        "gate and audit": (Gate(authenticator, audit, settings, Metrics()),),
    }
    found: dict[str, Any] = {}
    for name, interceptors in doors.items():
        async with serving(interceptors) as channel:
            call: Any = channel.unary_unary(METHOD)
            found[name] = await cost_us(functools.partial(_ask, call, shown), times)
            begun = time.perf_counter()
            await call(b"", metadata=shown)
            found[f"{name}, one request, ms"] = round((time.perf_counter() - begun) * 1000, 2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await audit.close()
    await authenticator.close()
    return found


async def _ask(call: Any, shown: tuple[tuple[str, str], ...]) -> None:
    await call(b"", metadata=shown)


async def records(folder: Path, times: int) -> dict[str, Any]:
    """Measure records: alone, many at once, and the verification of the whole log."""
    log = AuditLog(folder, "benchmark/audit")
    audit = AuditService(log, Metrics())
    running = asyncio.create_task(audit.run(), name="audit")
    waits = []
    for _ in range(200):
        begun = time.perf_counter()
        await audit.record(entry())
        waits.append(time.perf_counter() - begun)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await audit.close()
    begun = time.process_time()
    for _ in range(0, times, 1000):
        log.append([entry() for _ in range(1000)])
        log.checkpoint()
    written = (time.process_time() - begun) / times * 1e6
    begun = time.perf_counter()
    verdict = verify(folder, log.signer.verifier)
    return {
        "one at a time": spread(waits),
        "append_us": round(written, 1),
        "verified": verdict.records,
        "verify_s": round(time.perf_counter() - begun, 2),
        "problem": verdict.problem,
    }


def entry() -> AuditEntry:
    """Return a record as a watcher leaves it."""
    return AuditEntry(
        action="call.watch", actor="oidc:staff:8f14e45f", actor_type="oidc", roles=("supervisor",),
        tenant="bank", target_kind="call", target="call-1234", scope="tenant", peer="ipv4:10.0.0.1",
    )  # fmt: skip


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure everything."""
    issuer = Issuer()
    with tempfile.TemporaryDirectory(prefix="yuetone-access-") as folder:
        found_tokens = await tokens(issuer, 300)
        found_requests = await requests(issuer, Path(folder), options.requests)
        found_records = await records(Path(folder) / "records", options.records)
    behind = found_requests["gate and audit"] - found_requests["no gate"]
    return {
        "benchmark": "access",
        "environment": environment(),
        "tokens_us": found_tokens,
        "requests_us": found_requests,
        "records": found_records,
        "a_call_second_us": round(behind * REQUESTS_A_CALL / CALL_S, 2),
        "assumed": {"requests_a_call": REQUESTS_A_CALL, "call_s": CALL_S},
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=1_000_000, help="records of the log that is verified")
    parser.add_argument("--requests", type=int, default=2_000, help="requests of each kind")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the JSON result")
    options = parser.parse_args()
    result = asyncio.run(run(options))
    print(json.dumps({key: value for key, value in result.items() if key != "environment"}, indent=1))
    print(write_result("access", result, options.out))


if __name__ == "__main__":
    main()
