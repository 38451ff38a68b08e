"""The recogniser of another machine, as calls see it: a pool of servers behind one name."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from dataclasses import dataclass

import grpc
import structlog

from asr import AsrRequest, Transcript
from models import ModelError
from pipeline.access.exposure import is_near
from pipeline.config import Settings
from pipeline.errors import SettingsError
from pipeline.inference.admission import Admission, CallCost
from pipeline.inference.recogniser import ServedModel
from pipeline.metrics import Metrics
from pipeline.rpc.recognition import LARGEST_BYTES, SECRET, SERVICE, from_response, to_request
from pipeline.rpc.routing import KEEPALIVE, channel_credentials
from yuetone.v1 import recogniser_service_pb2 as pb
from yuetone.v1 import recogniser_service_pb2_grpc as pb_grpc

LOOK_S = 1.0
"""Time between two looks at the pool, s; each asks the next of its servers."""
TRY_S = 10.0
"""Time that a server has for a final, s; one whose line is dead is given up after 1.7 s already."""
PARTIAL_S = 2.0
"""The same for a partial, s; a later one says more anyway."""
SAMPLES = 16
"""Answers from which the pool's load is averaged."""
REMOTE_S = 0.001
"""S of a core that asking for one utterance takes here: 0.48 ms for 96 kB, with room (2 cores of an EPYC)."""
SOON_S, LATEST_S = 0.05, 1.0
"""Pause before the first repetition, and before later ones at most, s."""
_AGAIN = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
}
"""What says nothing about the audio: another server may do better."""
_SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "healthCheckConfig": {"serviceName": SERVICE},
}
_log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Wanted:
    request: AsrRequest
    future: asyncio.Future[Transcript | None]


@dataclass(frozen=True, slots=True)
class _Load:
    at: float
    busy: float
    finals: float
    waiting: int


class RemoteRecogniser:
    """A :class:`pipeline.inference.recogniser.Recogniser` whose work other machines do; for one event loop.

    Finals are sent again, to the next server, until one answers. A channel has one partial under way and one
    waiting at most.

    Args:
        settings: name the pool.
        metrics: metrics that count its requests.

    Raises:
        SettingsError: the pool would be asked in clear over a network, or its certificate cannot be read.
    """

    name = "model"
    measures = True
    cost: CallCost | None = CallCost.of_inferences(REMOTE_S, REMOTE_S)

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        asr = settings.asr
        self._target, self._patience_s = asr.remote or "", asr.remote_patience_s
        self._metadata = ((SECRET, asr.remote_secret.get_secret_value()),) if asr.remote_secret else ()
        self._metrics = metrics
        self._channel = _channel(settings)
        self._stub: pb_grpc.RecogniserServiceAsyncStub = pb_grpc.RecogniserServiceStub(self._channel)  # type: ignore[assignment]
        self._model: ServedModel | None = None
        self._room = asyncio.Semaphore(asr.max_pending_finals)
        self._admission = Admission()
        self._loads: deque[_Load] = deque(maxlen=SAMPLES)
        self._waiting: dict[str, _Wanted | None] = {}  # by channel of a call, while one is under way
        self._asking: set[asyncio.Task[None]] = set()  # one a channel

    # ---------------------------------------------------------------- what it does

    @property
    def ready(self) -> bool:
        """Whether a server of the pool has said what it serves."""
        return self._model is not None

    @property
    def model(self) -> ServedModel:
        """The model that the pool serves; its address until it has said so."""
        return self._model or ServedModel(self._target)

    @property
    def waiting(self) -> int:
        """Requests that wait at a server of the pool, on the average."""
        loads = self._recent()
        return round(sum(load.waiting for load in loads) / len(loads)) if loads else 0

    def load(self, *, finals_only: bool = False) -> float:
        """Return the share of the last seconds that the pool was busy, in [0, 1]."""
        loads = self._recent()
        return sum(load.finals if finals_only else load.busy for load in loads) / len(loads) if loads else 0.0

    def _recent(self) -> list[_Load]:
        since = time.monotonic() - SAMPLES * LOOK_S
        return [load for load in self._loads if load.at > since]

    def predicted_wait_s(self, calls: int, lag_s: float) -> float:
        """Return how long finals would wait with one call more; see :mod:`pipeline.inference.admission`."""
        busy = self.load(finals_only=True)
        return self._admission.predicted_s(time.monotonic(), calls=calls, busy=busy, lag_s=lag_s)

    # ---------------------------------------------------------------- in the background

    async def run(self) -> None:
        """Look at the pool until cancelled; calls come and go meanwhile."""
        told = False
        try:
            while True:
                try:
                    await self.reload()
                    told = False
                except ModelError as error:
                    if not told:
                        _log.error("the recogniser pool does not answer", reason=str(error))
                    told = True
                await asyncio.sleep(LOOK_S)
        finally:
            for task in self._asking:
                task.cancel()
            for wanted in self._waiting.values():
                if wanted is not None:
                    wanted.future.cancel()
            await self._channel.close()

    async def reload(self) -> str:
        """Ask a server of the pool what it serves; return the model's name.

        Raises:
            ModelError: it does not answer, or does not know us.
        """
        try:
            answer = await self._stub.GetRecogniser(
                pb.GetRecogniserRequest(), timeout=PARTIAL_S, metadata=self._metadata
            )
        except grpc.aio.AioRpcError as error:
            raise ModelError(f"asr.remote: {_words(error)}") from None
        model = ServedModel(answer.model, tuple(answer.languages))
        if model != self._model:
            _log.info("recogniser pool", model=model.name)
        self._model = model
        self._note(answer.load)
        return model.name

    def _note(self, load: pb.RecogniserLoad) -> None:
        self._loads.append(_Load(time.monotonic(), load.busy, load.busy_with_finals, load.waiting))

    # ---------------------------------------------------------------- finals

    async def final(self, request: AsrRequest) -> Transcript:
        """Have a complete utterance transcribed; servers that do not answer are passed over.

        Raises:
            ModelError: the model failed on it, or no server answered for ``asr.remote_patience_s``.
        """
        message, asked = to_request(request), time.monotonic()
        async with self._room:
            pause = SOON_S
            while True:
                left = self._patience_s - (time.monotonic() - asked)
                began = time.monotonic()
                try:
                    answer = await self._stub.Recognise(
                        message,
                        timeout=min(TRY_S, max(0.1, left)),
                        metadata=self._metadata,
                        wait_for_ready=True,
                    )
                except grpc.aio.AioRpcError as error:
                    self._metrics.failures.labels("asr_pool").inc()
                    if error.code() not in _AGAIN or left <= pause:
                        raise ModelError(f"asr.remote: {_words(error)}") from None
                    await asyncio.sleep(pause)
                    pause = min(LATEST_S, 2 * pause)
                    continue
                ended = time.monotonic()
                self._admission.note(ended, began - asked + answer.waited_ms / 1_000)
                self._metrics.inference.labels("final").observe(ended - began)
                self._note(answer.load)
                return from_response(answer)

    # ---------------------------------------------------------------- partials

    def partial(self, key: str, request: AsrRequest) -> asyncio.Future[Transcript | None]:
        """Ask for a partial; None if a newer one took its place, or no server answered soon."""
        wanted = _Wanted(request, asyncio.get_running_loop().create_future())
        if key in self._waiting:
            self._forget(self._waiting[key])
            self._waiting[key] = wanted
        else:
            self._waiting[key] = wanted
            task = asyncio.create_task(self._ask(key), name=f"partials {key}")
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
        return wanted.future

    def drop_partial(self, key: str) -> None:
        """Forget the waiting partial of ``key``, if there is one."""
        if key in self._waiting:
            self._forget(self._waiting[key])
            self._waiting[key] = None

    def _forget(self, wanted: _Wanted | None) -> None:
        if wanted is not None and not wanted.future.done():
            wanted.future.set_result(None)
            self._metrics.dropped.labels("partial").inc()

    async def _ask(self, key: str) -> None:
        """Ask for the partials of a channel, one after the other, until none waits."""
        try:
            while (wanted := self._waiting[key]) is not None:
                self._waiting[key] = None
                result = await self._partial(wanted.request)
                if not wanted.future.done():
                    wanted.future.set_result(result)
        finally:
            del self._waiting[key]

    async def _partial(self, request: AsrRequest) -> Transcript | None:
        began = time.monotonic()
        try:
            answer = await self._stub.Recognise(
                to_request(request), timeout=PARTIAL_S, metadata=self._metadata
            )
        except grpc.aio.AioRpcError:
            self._metrics.dropped.labels("partial").inc()
            return None
        self._metrics.inference.labels("partial").observe(time.monotonic() - began)
        self._note(answer.load)
        return from_response(answer)


def _words(error: grpc.aio.AioRpcError) -> str:
    """Return what happened; never what a server says about audio."""
    return error.code().name.lower().replace("_", " ")


def _channel(settings: Settings) -> grpc.aio.Channel:
    asr, target = settings.asr, settings.asr.remote or ""
    options = (
        *KEEPALIVE,
        ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
        ("grpc.dns_min_time_between_resolutions_ms", 1_000),
        ("grpc.max_send_message_length", LARGEST_BYTES),
    )
    if asr.remote_ca is not None:
        credentials = channel_credentials(asr.remote_ca, "asr.remote_ca")
        return grpc.aio.secure_channel(target, credentials, options=options)
    if not (settings.access.insecure or _is_near(target)):
        raise SettingsError(
            f"asr.remote: speech would go to {target} in clear: set asr.remote_ca, or say --insecure"
        )
    return grpc.aio.insecure_channel(target, options=options)


def _is_near(target: str) -> bool:
    """Tell whether a target of gRPC names this machine alone."""
    if target.startswith(("unix:", "unix-abstract:")):
        return True
    addresses = target.rpartition("/")[2].removeprefix("ipv4:").removeprefix("ipv6:").removeprefix("dns:")
    return all(is_near(address.rpartition(":")[0] or address) for address in addresses.split(","))
