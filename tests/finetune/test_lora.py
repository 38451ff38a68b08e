"""LoRA on a random checkpoint of whisper-tiny's shape: nothing from a hub, every part of the way."""

from __future__ import annotations

import json
import shutil
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
import torch
from faster_whisper import WhisperModel
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration

from asr.directory import read_recogniser
from cantonese.characters import is_han
from scripts.finetune.recogniser.checkpoint import TINY_CHECKPOINT, open_checkpoint
from scripts.finetune.recogniser.export import read_run
from scripts.finetune.recogniser.network import Network, add_lora, encode, merge_lora, trainable_state
from scripts.finetune.recogniser.task import TASK
from scripts.finetune.recogniser.trim import trim_ctc, trim_tokenizer, trim_weights
from scripts.finetune.tiny.export import generation_config
from scripts.finetune.tiny.model import whisper_config
from tests.finetune.toy import toy_data

pytestmark = pytest.mark.training


@lru_cache(maxsize=1)
def random_tiny() -> Path:
    """Return a Hugging Face directory: whisper-tiny's layers, random weights, the bundled vocabulary."""
    out = Path(mkdtemp(prefix="yuetone-tiny-"))
    tokenizer = Tokenizer.from_file(str(TINY_CHECKPOINT / "tokenizer.json"))
    torch.manual_seed(0)
    config = whisper_config(tokenizer, d_model=384, encoder_layers=4, decoder_layers=4)
    whisper = WhisperForConditionalGeneration(config)
    whisper.generation_config = generation_config(tokenizer)
    whisper.save_pretrained(out)
    shutil.copy(TINY_CHECKPOINT / "tokenizer.json", out)
    WhisperFeatureExtractor(feature_size=80).save_pretrained(out)
    return out


def test_loss_falls_adapters_merge_and_faster_whisper_loads_the_export(tmp_path: Path) -> None:
    options = {"lora": 8, "epochs": 3, "batch_seconds": 8, "dev_utterances": 2, "threads": 1, "workers": 0}
    TASK.train(toy_data() / "split", str(random_tiny()), tmp_path / "run", {**options, "augment": 0.0})
    rows = [json.loads(line) for line in (tmp_path / "run" / "train.jsonl").read_text().splitlines()]
    for name, share in (("loss", 0.6), ("attention", 0.97)):
        values = [row[name] for row in rows if name in row]
        assert values[-1] < share * values[0], (name, values)
    assert (tmp_path / "run" / "best.safetensors").stat().st_size < 30_000_000, "adapters and head alone"
    parity = TASK.export(tmp_path / "run", tmp_path / "model", {"name": "lora"})["parity"]
    assert parity["difference"] == 0.0
    assert parity["same"] == parity["utterances"] > 0
    assert read_recogniser(tmp_path / "model").min_context_s == 0.0
    segments, _ = WhisperModel(str(tmp_path / "model"), device="cpu").transcribe(
        np.zeros(16_000, np.float32), language="yue", beam_size=1, max_new_tokens=5
    )
    assert isinstance(list(segments), list)
    merged = read_run(tmp_path / "run").network.whisper
    assert not any("lora" in name for name, _ in merged.named_parameters())


def test_merged_adapters_give_what_adapters_gave() -> None:
    start = open_checkpoint(str(random_tiny()))
    add_lora(start.whisper, rank=4, dropout=0.0)
    network = Network(start.whisper, text_tokens=100, ctc_weight=0.0)
    torch.manual_seed(1)
    for name, parameter in network.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    assert all("lora" in name for name in trainable_state(network))
    features = torch.randn(1, 80, 150)
    with torch.no_grad():
        before = encode(network.whisper, features)
        merge_lora(network.whisper)
        after = encode(network.whisper, features)
        plain = encode(open_checkpoint(str(random_tiny())).whisper, features)
    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-3)
    assert not torch.allclose(after, plain, atol=1e-3)


def mixed_tokenizer() -> Tokenizer:
    """Return a byte-level vocabulary that knows Chinese, English, Russian and Thai words."""
    lines = ["唔該你幫我查下張單", "please check my order", "пожалуйста проверьте заказ", "กรุณาตรวจสอบ"] * 50
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(lines, trainer)
    tokenizer.add_special_tokens(["<|endoftext|>", "<|startoftranscript|>", "<|yue|>"])
    return tokenizer


def test_trimming_drops_other_scripts_and_keeps_ours_as_they_were() -> None:
    whole = mixed_tokenizer()
    trimmed = trim_tokenizer(whole)
    small = trimmed.tokenizer
    assert small.get_vocab_size() < whole.get_vocab_size()
    gone = whole.get_vocab().keys() - small.get_vocab().keys()
    words = {whole.decode([whole.get_vocab()[token]]).strip() for token in gone}
    assert {"заказ", "пожалуйста"} & words
    assert not any(char.isascii() or is_han(char) for word in words for char in word)
    for text in ("唔該 please check 張單", "查下 order。"):
        assert small.encode(text).tokens == whole.encode(text).tokens
        assert [trimmed.kept[i] for i in small.encode(text).ids] == whole.encode(text).ids
    for text in ("пожалуйста", "กรุณา", "한국"):
        assert small.decode(small.encode(text).ids) == text, "what is left out can still be written in bytes"
    assert small.token_to_id("<|yue|>") == small.get_vocab_size() - 1


def test_trimmed_weights_are_the_rows_of_the_kept_tokens() -> None:
    whisper = open_checkpoint(str(random_tiny())).whisper
    old = whisper.model.decoder.embed_tokens.weight.detach().clone()
    end = int(whisper.config.eos_token_id)
    kept = [0, 2, 5, *range(end, len(old))]
    trim_weights(whisper, kept)
    assert torch.equal(whisper.model.decoder.embed_tokens.weight, old[kept])
    assert torch.equal(whisper.proj_out.weight, old[kept])
    assert whisper.config.eos_token_id == 3
    assert whisper.generation_config.lang_to_id["<|en|>"] < len(kept)
    head = {"weight": torch.arange(8.0)[:, None], "bias": torch.arange(8.0)}
    assert trim_ctc(head, [0, 2, 5, 7, 8], 7)["bias"].tolist() == [0.0, 2.0, 5.0, 7.0]
