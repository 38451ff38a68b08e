"""A small OpenID provider on loopback: discovery, keys that can be rotated, access tokens."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

AUDIENCE = "yuetone"
_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


class Provider:
    """The provider; :func:`running` starts one."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.down = False
        self._keys: dict[str, tuple[str, _Key]] = {}
        self.url = ""
        self.rotate()

    def rotate(self, *, forget: bool = True) -> None:
        """Sign with fresh keys from now on; forget those of before."""
        if forget:
            self._keys.clear()
        name = uuid.uuid4().hex[:6]
        self._keys[f"es-{name}"] = ("ES256", ec.generate_private_key(ec.SECP256R1()))
        self._keys[f"rs-{name}"] = ("RS256", rsa.generate_private_key(65537, 2048))
        self._keys[f"ed-{name}"] = ("EdDSA", ed25519.Ed25519PrivateKey.generate())

    def token(
        self, subject: str = "ann", *, algorithm: str = "ES256", headers: Any = None, **claims: Any
    ) -> str:
        """Return a signed access token; claims that are None are left out."""
        kid, key = next((k, key) for k, (a, key) in reversed(self._keys.items()) if a == algorithm)
        return jwt.encode(
            self.claims(subject, **claims), key, algorithm=algorithm, headers={"kid": kid, **(headers or {})}
        )

    def claims(self, subject: str = "ann", **claims: Any) -> dict[str, Any]:
        now = time.time()
        usual = {
            "iss": self.url, "aud": AUDIENCE, "sub": subject, "iat": now - 1, "exp": now + 300,
            "jti": uuid.uuid4().hex, "company": "bank", "roles": ["supervisor"],
        }  # fmt: skip
        return {key: value for key, value in {**usual, **claims}.items() if value is not None}

    def answer(self, path: str) -> dict[str, Any] | None:
        self.requests.append(path)
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        return {"keys": [self._public(kid) for kid in self._keys]} if path == "/keys" else None

    def _public(self, kid: str) -> dict[str, Any]:
        algorithm, key = self._keys[kid]
        made = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
        return {**made, "kid": kid, "use": "sig"}


@contextmanager
def running() -> Iterator[Provider]:
    """Run a provider until the block ends."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = None if provider.down else provider.answer(self.path)
            body = json.dumps(found).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
