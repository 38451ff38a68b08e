"""A general set: held-out Cantonese sentences by held-out voices, none of them a centre's own.

What fine-tuning must not forget. A centre that has real general speech (Common Voice, CantoMap) prepares that
and gives its manifest instead.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rich.progress import track

from scripts.finetune.bundled.evaluate import SETS, examples
from scripts.finetune.corpus.call import spoken
from scripts.finetune.corpus.recordings import write_shard
from scripts.finetune.frame.folders import building
from scripts.finetune.frame.manifest import MANIFEST, Utterance, pcm_sha256, write_manifest


def make_general(out: Path, *, count: int, seed: int) -> int:
    """Write a manifest of ``count`` sentences of each set; return how many there are.

    Raises:
        FinetuneError: ``out`` exists.
    """
    utterances = []
    with building(out, {"count": count, "seed": seed}) as folder:
        (folder / "audio").mkdir(exist_ok=True)
        for name in SETS:
            drawn = examples(name, count, seed, None)
            for number, (text, pcm) in enumerate(track(drawn, name, disable=not sys.stderr.isatty())):
                audio = f"audio/{name}-{number:04d}.flac"
                kept = write_shard(folder / audio, pcm[:, None])[:, 0]
                utterances.append(
                    Utterance(
                        id=f"{name}/{number}",
                        call=f"{name}-{number}",
                        audio=audio,
                        channel=0,
                        start=0,
                        end=len(kept),
                        speaker=f"{name}-{number}",
                        speaker_known=False,
                        role="unknown",
                        text=spoken(text),
                        source="synthetic",
                        sha256=pcm_sha256(kept),
                        labels={"set": name},
                    )
                )
        write_manifest(folder / MANIFEST, utterances)
    return len(utterances)
