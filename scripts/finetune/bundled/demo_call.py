"""Write the demo: a two-party Cantonese service call, 8 kHz µ-law, customer left, agent right.

    python -m scripts.finetune.bundled.demo_call --out pipeline/demo --syllables jyutnet
    python -m scripts.finetune.bundled.demo_call --out benchmarks/speech

Both parties are made of one man's recorded syllables (see :mod:`.vocoder`), she in another voice; English
words come from espeak-ng. Without syllables both are espeak-ng variants that no model was trained on. The
sentences are not from the training grammar. ``call.json`` keeps what was said, for measuring.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr
from numpy.typing import NDArray

from scripts.finetune.bundled.turns import sentence
from scripts.finetune.bundled.vocoder import SAMPLE_RATE, Speaker, VocoderVoice
from scripts.finetune.recogniser.line import add_noise
from scripts.finetune.tiny.synth import Voice, synthesiser

Pcm = NDArray[np.float32]
RATE = 8000
SYNTHETIC = {
    "customer": Voice(variant="f4", rate=185, pitch=55, pitch_range=55),
    "agent": Voice(variant="m7", rate=175, pitch=40, pitch_range=50),
}
SPEAKERS = {
    "customer": Speaker(
        pitch_hz=205.0, pitch_range=0.9, tract=1.13, seconds=0.19, breath=0.02, slur=1.0, tilt=0.0
    ),
    "agent": Speaker(
        pitch_hz=125.0, pitch_range=0.9, tract=0.98, seconds=0.18, breath=0.0, slur=0.8, tilt=0.0
    ),
}
# Speaker, seconds of silence before (negative: talks over the other), text as spoken.
SCRIPT = (
    ("agent", 0.6, "早晨，歡迎致電粵通電訊，我姓黃，請問有咩可以幫到你？"),
    ("customer", 0.5, "喂，你好，我想問下點解今個月張單貴咗咁多呀？"),
    ("agent", 0.5, "明白，麻煩你講返登記嘅電話號碼俾我核對。"),
    ("customer", 0.6, "我嘅電話號碼係九一二三四五六七。"),
    ("agent", 0.4, "多謝你，陳小姐。等我睇一睇你嘅紀錄先。"),
    ("customer", 0.4, "唔該晒。"),
    ("agent", 1.2, "我見到上個月十五號有一筆三百二十蚊嘅漫遊費用。"),
    ("customer", 0.3, "吓，點會呀？我成個月都冇離開過香港喎。"),
    ("agent", 0.5, "唔好意思，可能係系統計錯咗，我幫你查清楚佢。"),
    ("customer", 0.5, "我已經打咗三次電話嚟，次次都話會有人覆我，等咗兩個禮拜都冇消息。"),
    ("customer", 0.7, "如果今次再搞唔掂，我就去消委會投訴你哋。"),
    ("agent", 0.5, "真係好對唔住，我完全明白你嘅心情。我而家即刻幫你取消呢筆收費。"),
    ("customer", 0.5, "咁幾時先可以退返錢俾我呀？"),
    ("agent", 0.5, "退款會喺五個工作天之內退返去你張信用卡。"),
    ("customer", 0.5, "好啦，麻煩你 send 個 email 俾我做紀錄。"),
    ("agent", 0.5, "冇問題，下晝三點半之前你會收到確認電郵。請問仲有冇其他嘢可以幫到你？"),
    ("customer", 0.4, "冇喇，唔該你，拜拜。"),
    ("agent", 0.4, "多謝你嘅來電，祝你有愉快嘅一日，再見。"),
)  # fmt: skip


def synthetic(text: str, party: str) -> Pcm:
    """Return a sentence by espeak-ng, float32 at 8 kHz."""
    spoken = synthesiser().speak(text, SYNTHETIC[party])
    return np.asarray(soxr.resample(spoken, synthesiser().sample_rate, RATE, quality="HQ"), np.float32)


def recorded(text: str, party: str, voice: VocoderVoice, rng: random.Random) -> Pcm:
    """Return a sentence made of syllables, float32 at 8 kHz; what they cannot say comes from espeak-ng."""
    parts = []
    for speakable, pieces in itertools.groupby(sentence(text).pieces, lambda p: p.syllable is not None):
        own = list(pieces)
        if speakable:
            spoken = voice.speak([piece.syllable or "" for piece in own], SPEAKERS[party], rng)
            parts.append(soxr.resample(spoken.pcm, SAMPLE_RATE, RATE, quality="HQ"))
        else:
            parts.append(synthetic("".join(piece.text for piece in own), party) * 0.8)
    pcm = np.concatenate(parts)
    return np.asarray(pcm / np.abs(pcm).max(), np.float32)


def build(voice: VocoderVoice | None) -> tuple[Pcm, list[dict[str, object]]]:
    """Return the call, float32 at 8 kHz, shape (samples, 2), and what was said in it."""
    rng, pace = np.random.default_rng(20), random.Random(20)
    pieces, turns, position = [], [], 0
    for speaker, pause, text in SCRIPT:
        pcm = recorded(text, speaker, voice, pace) if voice else synthetic(text, speaker)
        start = position + int(pause * RATE)
        position = start + len(pcm)
        channel = ("customer", "agent").index(speaker)
        pieces.append((channel, start, pcm * (0.45 if channel else 0.3)))
        turns.append(
            {
                "channel": channel,
                "role": speaker,
                "start_ms": start * 1000 // RATE,
                "end_ms": position * 1000 // RATE,
                "text": text,
            }
        )
    call = np.zeros((position + RATE, 2), np.float32)
    for channel, start, pcm in pieces:
        call[start : start + len(pcm), channel] += pcm
    for channel in range(2):
        call[:, channel] = add_noise(rng, call[:, channel], 32.0)
    return np.clip(call, -1, 1), turns


def main() -> None:
    """Write ``call.wav`` and ``call.json``."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--syllables", type=Path, help="folder of recorded syllables; else espeak-ng speaks")
    parser.add_argument("--cache", type=Path, default=Path("runs/syllables.npz"), help="their analysis")
    options = parser.parse_args()
    out = options.out
    out.mkdir(parents=True, exist_ok=True)
    call, turns = build(VocoderVoice(options.syllables, options.cache) if options.syllables else None)
    sf.write(out / "call.wav", call, RATE, subtype="ULAW")
    (out / "call.json").write_text(json.dumps(turns, ensure_ascii=False, indent=1) + "\n", "utf-8")
    print(f"{len(call) / RATE:.1f} s, {len(turns)} turns")


if __name__ == "__main__":
    main()
