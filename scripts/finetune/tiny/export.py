"""Turn a training run into what ships: a Hugging Face directory and a CTranslate2 int8 one.

    python -m scripts.finetune.tiny.export --run runs/tiny --hf OUT/hf --ct2 OUT/ct2

The Hugging Face directory holds half-precision safetensors, CTC heads included, for fine-tuning.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import GenerationConfig, PreTrainedTokenizerFast, WhisperFeatureExtractor
from transformers.models.whisper.tokenization_whisper import LANGUAGES

from asr.convert import convert
from scripts.finetune.recogniser.checkpoint import HEADS
from scripts.finetune.tiny.model import Recogniser, build
from scripts.finetune.tiny.tokenizer import token_id
from scripts.finetune.tiny.train import TOKENIZER, load

GUIDED_HEADS = [[layer, head] for layer in range(2) for head in (1, 2)]
"""Cross-attention heads that training kept on the diagonal (see model.stray_attention)."""


def generation_config(tokenizer: Tokenizer) -> GenerationConfig:
    """Return what Whisper's generation and CTranslate2's converter want to know."""
    special = partial(token_id, tokenizer)
    config = GenerationConfig(
        bos_token_id=special("<|endoftext|>"),
        eos_token_id=special("<|endoftext|>"),
        pad_token_id=special("<|endoftext|>"),
        decoder_start_token_id=special("<|startoftranscript|>"),
        max_length=448,
        is_multilingual=True,
        lang_to_id={f"<|{code}|>": special(f"<|{code}|>") for code in LANGUAGES},
        task_to_id={task: special(f"<|{task}|>") for task in ("transcribe", "translate")},
        no_timestamps_token_id=special("<|notimestamps|>"),
        alignment_heads=GUIDED_HEADS,
        suppress_tokens=[],
        begin_suppress_tokens=[special("<|endoftext|>")],
    )
    config._from_model_config = False  # noqa: SLF001 (else transformers 5 saves none of the above)
    return config


def export_hf(model: Recogniser, tokenizer: Tokenizer, out: Path) -> None:
    """Write the Hugging Face directory."""
    out.mkdir(parents=True, exist_ok=True)
    model.whisper.generation_config = generation_config(tokenizer)
    model.whisper.half().save_pretrained(out)
    heads = {
        f"{name}.{key}": value.half().contiguous()
        for name, head in (("phone_head", model.phone_head), ("ctc_head", model.ctc_head))
        for key, value in head.state_dict().items()
    }
    save_file(heads, out / HEADS)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|endoftext|>",
        eos_token="<|endoftext|>",
        unk_token="<|endoftext|>",
        pad_token="<|endoftext|>",
    )
    fast.save_pretrained(out)
    tokenizer.save(str(out / "tokenizer.json"))
    WhisperFeatureExtractor(feature_size=80).save_pretrained(out)


def main() -> None:
    """Export one run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, required=True, help="folder of the training run")
    parser.add_argument("--hf", type=Path, required=True, help="Hugging Face directory to write")
    parser.add_argument("--ct2", type=Path, required=True, help="CTranslate2 directory to write")
    parser.add_argument(
        "--keep", type=Path, nargs="*", default=[], help="files to put beside the CT2 weights"
    )
    options = parser.parse_args()
    tokenizer = Tokenizer.from_file(str(options.run / TOKENIZER))
    model = build(tokenizer)
    step = load(options.run, model)
    if not step:
        raise SystemExit(f"no checkpoint in {options.run}; train first")
    torch.set_grad_enabled(False)
    export_hf(model, tokenizer, options.hf)
    convert(options.hf, options.ct2)
    print(f"exported step {step}: {options.hf} and {options.ct2}")


if __name__ == "__main__":
    main()
