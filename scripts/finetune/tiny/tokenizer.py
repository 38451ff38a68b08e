"""Build the small model's tokenizer: byte-level BPE, one token per Chinese character.

Layout as in Whisper (Radford et al. 2022, multilingual v3): text tokens, ``<|endoftext|>``,
``<|startoftranscript|>``, languages, tasks, control tokens, then 1,501 timestamps. All Whisper special
tokens are present, so that CTranslate2 and faster-whisper read the directory as any other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers.models.whisper.tokenization_whisper import LANGUAGES

from cantonese.characters import is_han

MIN_CHARACTER_COUNT = 3
ENGLISH_PIECES = 900  # tokens left for Latin words once every character has its own
_CONTROL = ("translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps")
_PIECES = Regex(r"[\u2e80-\u303f\u3400-\u9fff\uff00-\uffef\U00020000-\U0003ffff]| ?[A-Za-z'\-]+| ?[^ ]")


def special_tokens() -> list[str]:
    """Return Whisper's special tokens in order, timestamps excluded."""
    languages = [f"<|{code}|>" for code in LANGUAGES]
    if "<|yue|>" not in languages:
        languages.append("<|yue|>")
    control = [f"<|{name}|>" for name in _CONTROL]
    return ["<|endoftext|>", "<|startoftranscript|>", *languages, *control]


def timestamp_tokens() -> list[str]:
    """Return ``<|0.00|>`` to ``<|30.00|>`` in steps of 20 ms."""
    return [f"<|{index * 0.02:.2f}|>" for index in range(1501)]


def token_id(tokenizer: Tokenizer, token: str) -> int:
    """Return the id of ``token``; raise KeyError if there is none."""
    index = tokenizer.token_to_id(token)
    if index is None:
        raise KeyError(token)
    return int(index)


def character_set(lines: Iterable[str]) -> Counter[str]:
    """Count Chinese characters and marks in verbatim ``lines``."""
    return Counter(char for line in lines for char in line if is_han(char) or char in "，。？！")


def build_tokenizer(lines: list[str]) -> Tokenizer:
    """Train the tokenizer on verbatim ``lines``.

    Every character seen at least :data:`MIN_CHARACTER_COUNT` times becomes one token; rarer ones fall
    back to bytes, so nothing is out of vocabulary.
    """
    counts = character_set(lines)
    kept = sorted(char for char, n in counts.items() if n >= MIN_CHARACTER_COUNT)
    latin = Counter(word for line in lines for word in line.split(" ")[1:] if word and not is_han(word[0]))
    words = [" " + "".join(c for c in word if c.isascii()) for word, n in latin.items() for _ in range(n)]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(_PIECES, "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    prefixes = {char.encode()[:end] for char in kept for end in range(2, len(char.encode()))}
    trainer = trainers.BpeTrainer(
        vocab_size=len(alphabet) + len(prefixes) + len(kept) + ENGLISH_PIECES,
        initial_alphabet=alphabet,
        min_frequency=2,
        show_progress=False,
    )
    weight = 4 * max(Counter(words).values(), default=1)  # characters are merged before words
    tokenizer.train_from_iterator([*(char for char in kept for _ in range(weight)), *words], trainer)
    tokenizer.add_special_tokens([AddedToken(t, special=True) for t in special_tokens()])
    tokenizer.add_tokens([AddedToken(t, special=False) for t in timestamp_tokens()])
    return tokenizer
