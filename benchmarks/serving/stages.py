"""What a second of a live stream costs, stage by stage, against the floor.

    python -m benchmarks stages
    python -m benchmarks stages --talk 0.9 --chunk-ms 100

Every stage alone, warm, on one core, over the same test speech: processor ms for a second of one stream.
The floor is every necessary stage once: the wire under the same traffic, the codec, the voice detector for
all calls in one run, log-mel and encoder over each sentence once at its own length, the decoder once,
greedily. What the server really used, with partials, finals by beam search, word times and Python in
between, is told as a multiple.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from asr.base import AsrRequest
from asr.features import LogMel
from asr.finding import find_recogniser
from asr.options import BEAM_SIZE, WhisperOptions
from asr.whisper import WhisperEngine
from benchmarks.facts import environment, write_result
from benchmarks.serving.load import start_s
from benchmarks.serving.measuring import (
    arguments,
    conditions,
    cores_for,
    driver,
    measured,
    parser_for,
    speeches,
    take,
)
from benchmarks.serving.processes import TRANSCRIPTS_ONLY, cpu_seconds, pinned, yuetone
from benchmarks.serving.speech import RATE, Speech
from pipeline.audio.codecs import Blocks
from pipeline.audio.resample import Resampler
from pipeline.calls.info import Codec
from vad import FRAME_SAMPLES, VadStream
from vad.endpointer import Endpointer, EndpointerSettings
from vad.gated import GatedVad

Pcm = NDArray[np.float32]
TOGETHER = 32
"""Streams in one run of the voice detector."""
ROUNDS_OF_FEW = 40
MARGIN = RATE // 4
"""Audio around a sentence that a recogniser hears with it: pre-roll."""


def spent_ms(work: Callable[[], object], rounds: int = 3) -> float:
    """Return the least processor time of a few rounds, ms; the first one is thrown away."""
    work()
    found = []
    for _ in range(rounds):
        before = time.process_time()
        work()
        found.append((time.process_time() - before) * 1000)
    return min(found)


def sentences(pool: Sequence[Speech]) -> list[Pcm]:
    """Return every sentence of the test speech with its margins."""
    found = []
    for speech in pool:
        pcm = speech.floats
        found += [pcm[max(0, s.start_ms * 16 - MARGIN) : s.end_ms * 16 + MARGIN] for s in speech.said]
    return found


def audio_stages(pool: Sequence[Speech], chunk_ms: int) -> dict[str, float]:
    """Return ms a stream-second of the codec, the resampler and the voice detector."""
    seconds = sum(speech.seconds for speech in pool)
    floats = [speech.floats for speech in pool]
    narrow = [pcm[::2].copy() for pcm in floats]
    size = RATE * chunk_ms // 1000

    def codec() -> None:
        for speech in pool:
            data = speech.pcm.tobytes()
            for start in range(0, len(data), 2 * size):
                for _block in Blocks(data[start : start + 2 * size], Codec.L16, 1):
                    pass

    def resample() -> None:
        for pcm in narrow:
            resampler = Resampler(RATE // 2)
            for start in range(0, len(pcm), size):
                resampler.accept(pcm[start : start + size])

    vad = GatedVad()

    def detect(together: int) -> None:
        crowd = (floats * -(-together // len(floats)))[:together]
        streams = [vad.stream() for _ in crowd]
        for start in range(0, max(map(len, crowd)), 2 * FRAME_SAMPLES):
            parts: list[tuple[VadStream, Pcm]] = [
                (stream, pcm[start : start + 2 * FRAME_SAMPLES])
                for stream, pcm in zip(streams, crowd, strict=True)
                if start < len(pcm)
            ]
            vad.accept(parts)

    crowd_s = sum(take(pool, TOGETHER)[i].seconds for i in range(TOGETHER))
    segmenter, probabilities = Endpointer(EndpointerSettings()), [0.0] * 40 + [0.9] * 80 + [0.1] * 40
    return {
        "codec": spent_ms(codec) / seconds,
        "resample 8 to 16 kHz (where sent so)": spent_ms(resample) / seconds,
        "voice detector, one stream": spent_ms(lambda: detect(1), 1) / pool[0].seconds,
        f"voice detector, {TOGETHER} together": spent_ms(lambda: detect(TOGETHER), 1) / crowd_s,
        "segmenter": spent_ms(lambda: [segmenter.accept(p) for p in probabilities])
        / (len(probabilities) * FRAME_SAMPLES / RATE),
    }


def speech_stages(engines: dict[str, WhisperEngine], clips: Sequence[Pcm]) -> dict[str, float]:
    """Return ms a second of *speech* of the recogniser's steps."""
    seconds = sum(map(len, clips)) / RATE
    rounds = max(2, ROUNDS_OF_FEW // len(clips))  # differences of few sentences need more of them
    log_mel = LogMel()

    def each(engine: WhisperEngine, *, final: bool) -> float:
        return spent_ms(lambda: [engine.transcribe([AsrRequest(pcm=c, final=final)]) for c in clips], rounds)

    def states() -> object:
        return [engines["greedy"].states([AsrRequest(pcm=c, final=False)]) for c in clips]

    mel, encoded = spent_ms(lambda: [log_mel(c) for c in clips], rounds), spent_ms(states, rounds)
    told = {
        "log-mel": mel,
        "encoder": encoded - mel,
        "decoder, greedy": each(engines["greedy"], final=False) - encoded,
        f"decoder, beam {BEAM_SIZE}, and word times": each(engines["beam"], final=True) - encoded,
    }
    if "ctc" in engines:
        told["partial by CTC head, beside log-mel and encoder"] = each(engines["ctc"], final=False) - encoded
    return {name: value / seconds for name, value in told.items()}


def engines_for(options: argparse.Namespace) -> dict[str, WhisperEngine]:
    """Return the recogniser as it is needed here."""
    directory = find_recogniser(options.model, Path("~/.local/share/yuetone/models"))
    made = {
        "greedy": WhisperEngine(directory, WhisperOptions(device=options.device, partials="decoder")),
        "beam": WhisperEngine(directory, WhisperOptions(device=options.device)),
    }
    if (directory.path / "ctc.npz").is_file():
        made["ctc"] = WhisperEngine(directory, WhisperOptions(device=options.device, partials="ctc"))
    return made


async def wire_ms(chunk_ms: int, streams: int, seconds: float, cores: set[int] | None) -> float:
    """Return ms a stream-second of a gRPC server that only reads, under the same traffic as ours.

    Streams begin as those of the load do: messages that come at the same moment are read together, and cost
    less than those of real calls.
    """
    command = [sys.executable, "-m", "benchmarks.serving.transport"]
    async with pinned(command, cores, {}, pipe="stdout") as process:
        if process.stdout is None:
            raise RuntimeError("no pipe to the server")
        port = int(await process.stdout.readline())
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            await channel.channel_ready()
            before = cpu_seconds(process.pid)
            pushes = (_push(channel, chunk_ms, seconds, start_s(i)) for i in range(streams))
            await asyncio.gather(*pushes)
            used = cpu_seconds(process.pid) - before
        return used * 1000 / (streams * seconds)


async def _push(channel: grpc.aio.Channel, chunk_ms: int, seconds: float, delay_s: float) -> None:
    await asyncio.sleep(delay_s)
    call: Any = channel.stream_stream("/any/Method")()
    data, began = bytes(32 * chunk_ms), time.monotonic()
    for number in range(int(seconds * 1000 / chunk_ms)):
        await asyncio.sleep(max(0.0, began + number * chunk_ms / 1000 - time.monotonic()))
        await call.write(data)
    await call.done_writing()
    async for _ in call:
        pass


def floor_of(audio: dict[str, float], speech: dict[str, float], wire: float, talk: float) -> float:
    """Return ms a stream-second of every necessary stage once."""
    hearing = audio["codec"] + audio[f"voice detector, {TOGETHER} together"] + audio["segmenter"]
    reading = speech["log-mel"] + speech["encoder"] + speech["decoder, greedy"]
    return wire + hearing + talk * reading


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure the stages, then the server."""
    pool = speeches(options)
    audio = audio_stages(pool, options.chunk_ms)
    speech = speech_stages(engines_for(options), sentences(pool)[: options.sentences])
    cores = cores_for(options)
    wire = await wire_ms(options.chunk_ms, options.streams, 3 if options.smoke else 10, cores)
    settings = {} if options.everything else TRANSCRIPTS_ONLY
    async with yuetone(*arguments(options), cores=cores, settings=settings) as (process, address):
        drive = driver(address, options.chunk_ms, "stages")
        await drive(take(pool, 1))
        served = await measured(process.pid, take(pool, options.streams), drive)
    floor = floor_of(audio, speech, wire, served["talk"])
    used = served["cpu_s_per_stream_s"] * 1000
    return {
        "benchmark": "stages",
        **conditions(options),
        "ms_per_stream_second": {"wire (gRPC that only reads)": round(wire, 3), **_rounded(audio)},
        "ms_per_speech_second": _rounded(speech),
        "floor_ms_per_stream_second": round(floor, 3),
        "server_ms_per_stream_second": round(used, 3),
        "times_the_floor": round(used / floor, 2),
        "served": served,
        "environment": environment(),
    }


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in values.items()}


def main() -> None:
    """Measure, print, write."""
    parser = parser_for(__doc__, seconds=30)
    parser.add_argument("--streams", type=int, default=16, help="at once, for wire and server")
    parser.add_argument("--sentences", type=int, default=60, help="for the recogniser's steps")
    options = parser.parse_args()
    if options.smoke:
        options.streams, options.sentences = 2, 2
    result = asyncio.run(run(options))
    print(json.dumps({k: v for k, v in result.items() if k not in ("environment", "served")}, indent=1))
    print(write_result("stages_all" if options.everything else "stages", result, options.out))


if __name__ == "__main__":
    main()
