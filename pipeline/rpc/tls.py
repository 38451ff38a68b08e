"""TLS of the wire: 1.3 only, certificates that are read again when they are renewed."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from pipeline.config import ServerSettings
from pipeline.errors import SettingsError

CIPHERS = "GRPC_SSL_CIPHER_SUITES"
"""gRPC for Python has no setting for the least version of TLS (grpc/grpc issue 37305). Its list of ciphers is
for 1.2 alone: one that the certificate's kind of key cannot serve makes 1.2 fail and leaves 1.3 as it is. It
is read when gRPC is imported, so ``yuetone serve`` begins again with it."""
_FOR_RSA, _FOR_OTHERS = "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Files:
    """The files of a server's TLS, as they are now."""

    certificate: Path
    key: Path
    authorities: Path | None

    def stamps(self) -> tuple[tuple[int, int], ...]:
        """Return what changes when a file does; raises OSError."""
        named = [path for path in (self.certificate, self.key, self.authorities) if path is not None]
        return tuple((stat.st_mtime_ns, stat.st_ino) for stat in map(os.stat, named))

    def configuration(self) -> grpc.ServerCertificateConfiguration:
        """Return what gRPC is to use; raises OSError, ValueError."""
        check_pair(self.certificate, self.key)
        pair = (self.key.read_bytes(), self.certificate.read_bytes())
        authorities = self.authorities.read_bytes() if self.authorities else None
        return grpc.ssl_server_certificate_configuration([pair], root_certificates=authorities)


class RenewedCertificates:
    """Gives gRPC the newest certificates at each handshake; those that cannot be used are not taken.

    Args:
        files: to read.
    """

    def __init__(self, files: _Files) -> None:
        self._files = files
        self._stamps = files.stamps()
        self._ciphers = _ciphers(files.certificate)

    def __call__(self) -> grpc.ServerCertificateConfiguration | None:
        """Return the certificates if they are new; None to go on with those of before."""
        try:
            stamps = self._files.stamps()
            if stamps == self._stamps:
                return None
            fresh = self._files.configuration()
            same_kind = _ciphers(self._files.certificate) == self._ciphers
        except (OSError, SettingsError, ValueError) as error:
            _log.warning("renewed certificate cannot be used, the old one stays", error=type(error).__name__)
            return None
        if not same_kind:
            _log.warning("renewed certificate has a key of another kind: start the server again to use it")
            return None
        self._stamps = stamps
        _log.info("certificate renewed")
        return fresh


def server_credentials(settings: ServerSettings, *, machines: bool) -> grpc.ServerCredentials:
    """Return the credentials of a port.

    Args:
        settings: with a certificate and its key.
        machines: whether clients must present a certificate of ``tls_client_ca``.

    Raises:
        SettingsError: certificate and key cannot be used.
    """
    if settings.tls_certificate is None or settings.tls_key is None:
        raise SettingsError("server.tls_certificate and server.tls_key are not set")
    files = _Files(settings.tls_certificate, settings.tls_key, settings.tls_client_ca if machines else None)
    try:
        return grpc.dynamic_ssl_server_credentials(
            files.configuration(),
            RenewedCertificates(files),  # type: ignore[arg-type] # None is allowed: "no change"
            require_client_authentication=machines,
        )
    except OSError as error:
        raise SettingsError(f"cannot read {error.filename or 'the TLS files'}: {error.strerror}") from error


def ciphers_for(settings: ServerSettings) -> str | None:
    """Return what :data:`CIPHERS` must be, before gRPC is imported, for handshakes below TLS 1.3 to fail.

    Returns:
        Its value; None without TLS, or where the certificate cannot be read (:func:`check_pair` says why).
    """
    if settings.tls_certificate is None:
        return None
    try:
        return _ciphers(settings.tls_certificate)
    except (OSError, ValueError):
        return None


def _ciphers(certificate: Path) -> str:
    key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    return _FOR_RSA if isinstance(key, RSAPublicKey) else _FOR_OTHERS


def check_pair(certificate: Path, key: Path) -> None:
    """Check that certificate and key can be read and belong together; gRPC does not say what is wrong.

    Raises:
        SettingsError: they do not; the message names the setting.
    """
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        raise SettingsError(
            f"server.tls_key {key} does not fit server.tls_certificate "
            f"{certificate}, or one of them is no PEM file ({error.reason or 'unreadable'})"
        ) from error
    except OSError as error:
        raise SettingsError(f"cannot read {error.filename or 'the TLS files'}: {error.strerror}") from error
