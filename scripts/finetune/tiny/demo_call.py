"""Write the demo: a two-party Cantonese service call, 8 kHz µ-law, customer left, agent right.

    python -m scripts.finetune.tiny.demo_call --out pipeline/demo

Voices are espeak-ng variants that the bundled model was not trained on; the sentences are not from the
training grammar. ``call.json`` keeps what was said, for measuring.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr

from scripts.finetune.recogniser.line import add_noise
from scripts.finetune.tiny.synth import Voice, synthesiser

RATE = 8000
VOICES = {
    "customer": Voice(variant="f4", rate=185, pitch=55, pitch_range=55),
    "agent": Voice(variant="m7", rate=175, pitch=40, pitch_range=50),
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


def build() -> tuple[np.ndarray, list[dict[str, object]]]:
    """Return the call, float32 at 8 kHz, shape (samples, 2), and what was said in it."""
    rng = np.random.default_rng(20)
    pieces, turns, position = [], [], 0
    for speaker, pause, text in SCRIPT:
        spoken = synthesiser().speak(text, VOICES[speaker])
        pcm = soxr.resample(spoken, synthesiser().sample_rate, RATE, quality="HQ")
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
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    call, turns = build()
    sf.write(out / "call.wav", call, RATE, subtype="ULAW")
    (out / "call.json").write_text(json.dumps(turns, ensure_ascii=False, indent=1) + "\n", "utf-8")
    print(f"{len(call) / RATE:.1f} s, {len(turns)} turns")


if __name__ == "__main__":
    main()
