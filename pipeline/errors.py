"""All errors of the service, in one tree.

    YuetoneError
    ├── SettingsError            the configuration is wrong; refused at start-up
    ├── SecondLookFailed         a recording could not be looked at again; the call is over and complete
    └── CallError                a call, or a request about one, cannot go on
        ├── Unauthenticated      nobody knows who asks
        │   └── TokenExpired     the token was good until a moment ago
        ├── PermissionDenied     they may not do that
        ├── AuditUnavailable     what must be on record cannot be recorded now
        ├── InvalidRequest       the client broke the protocol
        │   └── UnsupportedAudio codec, rate or channel count
        ├── DuplicateCall        a live call has that id
        ├── UnknownCall          no live call has that id
        ├── UnknownAlert         no alert has that id
        ├── AlertClosed          the alert is over
        ├── UnknownSuggestion    no suggestion has that id in that call
        ├── AlertsUnavailable    alerts cannot be stored now
        ├── UnknownRecord        no recorded call has that id
        ├── UnknownHold          no hold of that id is in force
        ├── UnknownErasure       no erasure has that id
        ├── UnknownReview        no review has that id, within reach
        ├── UnknownOriginalRequest   no request to read what was hidden waits under that id
        ├── ExportUnavailable    the server lacks what writes such a file
        ├── StoreUnavailable     a file or a database cannot be used now
        ├── RecognitionFailed    a recogniser of the pool failed on this audio
        ├── RecordUnavailable    the record cannot be read now
        ├── AtCapacity           too many calls
        ├── ShuttingDown         the server is going away
        ├── IdleTimeout          nothing came for too long
        ├── CallTooLong          the longest call was reached
        ├── SlowConsumer         the client does not read
        └── InternalFailure      our fault

``code`` is stable and for programs; ``retryable`` says whether the same again may work. Messages never
carry speech, names or numbers from a call.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import ClassVar, TypeVar

SOONEST_MS, SPREAD_MS = 2_000, 10_000
"""When those who are refused may come again: at a random moment of this stretch."""


class YuetoneError(Exception):
    """Root of the tree."""


class SettingsError(YuetoneError):
    """The configuration is wrong; the message names the key and the fix."""


class SecondLookFailed(YuetoneError):
    """A recording could not be looked at again; the message is for people."""


class CallError(YuetoneError):
    """A call cannot go on.

    Attributes:
        code: stable name, for programs.
        retryable: the same request may succeed later.
        retry_after_ms: how long to wait before, if known.
        ended_reason: what Ended says of a call that ends by it.
    """

    code: ClassVar[str] = "INTERNAL"
    retryable: ClassVar[bool] = False
    retry_after_ms: int | None = None
    ended_reason: ClassVar[str] = "error"


class Unauthenticated(CallError):
    """Nobody knows who asks; the message never says which part of a credential was wrong."""

    code = "UNAUTHENTICATED"


class TokenExpired(Unauthenticated):
    """The token was good until a moment ago; with a fresh one, the same goes on."""

    code = "TOKEN_EXPIRED"
    retryable = True


class PermissionDenied(CallError):
    """They may not do that."""

    code = "PERMISSION_DENIED"


class AuditUnavailable(CallError):
    """What must be on record before it happens cannot be recorded now."""

    code = "AUDIT_UNAVAILABLE"
    retryable = True


class InvalidRequest(CallError):
    """The client broke the protocol."""

    code = "INVALID_REQUEST"


class UnsupportedAudio(InvalidRequest):
    """Codec, sample rate or channels that the server does not take."""

    code = "UNSUPPORTED_AUDIO"


class DuplicateCall(CallError):
    """A live call has that id."""

    code = "DUPLICATE_CALL"


class UnknownCall(CallError):
    """No live call has that id."""

    code = "UNKNOWN_CALL"


class CallMoved(CallError):
    """Another node has the call by now, or shall have it: resume or watch again, through any gateway."""

    code = "CALL_MOVED"
    retryable = True


class CallTaken(CallError):
    """Another stream of the same client brings the call by now: this one ends."""

    code = "CALL_TAKEN"


class UnknownAlert(CallError):
    """No alert has that id."""

    code = "UNKNOWN_ALERT"


class AlertClosed(CallError):
    """The alert is over."""

    code = "ALERT_CLOSED"


class UnknownSuggestion(CallError):
    """No suggestion has that id in that call."""

    code = "UNKNOWN_SUGGESTION"


class AlertsUnavailable(CallError):
    """Alerts are turned off, or cannot be stored now."""

    code = "ALERTS_UNAVAILABLE"
    retryable = True


class UnknownRecord(CallError):
    """No recorded call has that id."""

    code = "UNKNOWN_RECORD"


class UnknownHold(CallError):
    """No hold of that id is in force."""

    code = "UNKNOWN_HOLD"


class UnknownErasure(CallError):
    """No erasure has that id."""

    code = "UNKNOWN_ERASURE"


class UnknownReview(CallError):
    """No review of a call has that id, within reach."""

    code = "UNKNOWN_REVIEW"


class UnknownOriginalRequest(CallError):
    """No request to read what was hidden of a call waits under that id."""

    code = "UNKNOWN_ORIGINAL_REQUEST"


class ExportUnavailable(CallError):
    """The server lacks what writes a file of this form."""

    code = "EXPORT_UNAVAILABLE"


class RecognitionFailed(CallError):
    """The model failed on this audio; another server of the pool has the same one."""

    code = "MODEL_FAILED"


class StoreUnavailable(CallError):
    """A file or a database of the server cannot be read or written now."""

    code = "STORE_UNAVAILABLE"
    retryable = True


class RecordUnavailable(CallError):
    """The record cannot be read now, or what is in it is damaged."""

    code = "RECORD_UNAVAILABLE"
    retryable = True


class AtCapacity(CallError):
    """Too many calls at once.

    Args:
        message: for people.
        draw: gives random numbers in [0, 1): who is refused together shall not come again together.
    """

    code = "AT_CAPACITY"
    retryable = True

    def __init__(self, message: str, draw: Callable[[], float] = random.random) -> None:
        super().__init__(message)
        self.retry_after_ms = SOONEST_MS + int(SPREAD_MS * draw())


class ShuttingDown(CallError):
    """The server is going away; another one may take the call."""

    code = "SHUTTING_DOWN"
    retryable = True
    retry_after_ms = 1000


class IdleTimeout(CallError):
    """Nothing came from the client for too long."""

    code = "IDLE_TIMEOUT"
    retryable = True
    ended_reason = "idle"


class CallTooLong(CallError):
    """The longest call was reached."""

    code = "CALL_TOO_LONG"
    ended_reason = "limit"


class SlowConsumer(CallError):
    """The client does not read what it is sent."""

    code = "SLOW_CONSUMER"
    retryable = True


class InternalFailure(CallError):
    """Our fault; the log has the reason under the call's id."""

    code = "INTERNAL"
    retryable = True


E = TypeVar("E", bound=BaseException)


def leaves(group: BaseExceptionGroup[E]) -> Iterator[E]:
    """Yield the errors of a group, and of the groups in it, in their order."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        else:
            yield error
