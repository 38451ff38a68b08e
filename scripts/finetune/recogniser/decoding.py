"""Greedy decoding of a network in training, and the error rate that early stopping watches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import torch
from transformers import WhisperForConditionalGeneration

from asr.guards import token_cap
from scripts.finetune.common.manifest import SAMPLE_RATE, Manifest
from scripts.finetune.recogniser.examples import BUCKET, WINDOW, ExampleOptions, Examples
from scripts.finetune.recogniser.network import Network, encode
from scripts.finetune.recogniser.tokens import TokenLayout

FRAMES_PER_SECOND = 100
EVALUATION_BATCH_SECONDS = 120.0
MOST_TOKENS = 440
"""What the start and a few marks leave of Whisper's 448 positions."""


def greedy(
    whisper: WhisperForConditionalGeneration,
    states: torch.Tensor,
    start: Sequence[int],
    end: int,
    longest: int,
) -> tuple[list[list[int]], torch.Tensor]:
    """Return the likeliest next token, again and again, until ``end``.

    Args:
        whisper: in evaluation mode.
        states: of its encoder, shape (batch, n, d_model).
        start: decoder tokens that every sequence begins with.
        end: token behind which nothing follows.
        longest: tokens behind ``start``, at most.

    Returns:
        tokens behind ``start``, ``end`` left out; and the decoder's states behind each token from the first
        on, float32, shape (batch, m, d_model), of which rows that ended early need fewer.
    """
    decoder = whisper.model.decoder
    rows: list[list[int]] = [[] for _ in states]
    running = torch.ones(len(rows), dtype=torch.bool, device=states.device)
    tokens = torch.tensor([list(start)] * len(rows), device=states.device)
    cache = None
    seen: list[torch.Tensor] = []
    for _ in range(min(MOST_TOKENS, longest)):
        output = decoder(
            input_ids=tokens, encoder_hidden_states=states, past_key_values=cache, use_cache=True
        )
        cache = output.past_key_values
        seen.append(output.last_hidden_state.float())
        best = whisper.proj_out(output.last_hidden_state[:, -1]).argmax(-1)
        running &= best != end
        if not bool(running.any()):
            break
        for index in running.nonzero().flatten().tolist():
            rows[index].append(int(best[index]))
        tokens = best[:, None]
    return rows, torch.cat(seen, dim=1)


def transcribe(
    network: Network, manifest: Manifest, layout: TokenLayout, n_mels: int, *, short_context: bool
) -> list[str]:
    """Return what ``network`` writes for each utterance, in the manifest's order."""
    device = next(network.parameters()).device
    options = ExampleOptions(seed=0, short_context=short_context, augment=0.0, timestamps=0.0)
    examples = Examples(manifest, layout, n_mels, options)
    texts = [""] * len(manifest)
    training = network.training
    network.eval()
    start = [*layout.start, layout.no_timestamps]
    for indices in _equal_lengths(manifest, short_context=short_context):
        batch = examples[0, indices].to(device)
        with torch.no_grad():
            states = encode(network.whisper, batch.features)
            longest = token_cap(batch.features.shape[-1] / FRAMES_PER_SECOND)
            rows, _states = greedy(network.whisper, states, start, layout.end, longest)
        for index, tokens in zip(indices, rows, strict=True):
            texts[index] = layout.decode(tokens[: _longest_answer(manifest, index)])
    network.train(training)
    return texts


def _longest_answer(manifest: Manifest, index: int) -> int:
    """Return the most tokens that serving takes for an utterance, by its own length without padding."""
    utterance = manifest.utterances[index]
    return token_cap((utterance.end - utterance.start) / SAMPLE_RATE)


def _equal_lengths(manifest: Manifest, *, short_context: bool) -> Iterator[tuple[int, ...]]:
    """Yield batches whose utterances are padded alike, as in serving: attention is not masked."""
    buckets: dict[int, list[int]] = defaultdict(list)
    for index, u in enumerate(manifest.utterances):
        buckets[-(-(u.end - u.start) // BUCKET) if short_context else WINDOW // BUCKET].append(index)
    for size, members in sorted(buckets.items()):
        count = max(1, int(EVALUATION_BATCH_SECONDS * SAMPLE_RATE / (size * BUCKET)))
        yield from (tuple(members[i : i + count]) for i in range(0, len(members), count))
