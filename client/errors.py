"""Errors of the client library; what a server refuses comes as ``grpc.aio.AioRpcError``."""

from __future__ import annotations


class ClientError(Exception):
    """Something that the user of the library can mend; the message is one line and names the fix."""


class NotReachable(ClientError):
    """Nobody answers at the address."""


class LineLost(ClientError):
    """The line to the server broke and could not be mended in time; what was not acknowledged may be lost."""


class BadAudio(ClientError):
    """A recording cannot be read, or cannot go over the wire."""
