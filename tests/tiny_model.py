"""A language model with a million random weights, and tokenizers for it, saved like a real one."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
WITHOUT_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    + TEMPLATE
)
SPECIAL = ["<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]


@cache
def trained_tokenizer(size: int) -> Any:
    """Byte-level BPE with `size` tokens at most, learned from the project's own texts."""
    pytest.importorskip("tokenizers")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [ROOT / "grammar" / "README.md", *(ROOT / "spaces").glob("*/*.toml")]
    tokenizer.train_from_iterator((path.read_text() for path in sorted(texts)), trainer)
    return tokenizer


def save_tiny_model(
    folder: Path,
    tokens: int = 2000,
    template: str | None = TEMPLATE,
    hidden: int = 192,
    layers: int = 4,
    spare: int = 12,
    window: int = 4096,
) -> Path:
    """A Llama in a folder; `tokens` 260 is one token a byte, `spare` logits stand for nothing."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=trained_tokenizer(tokens),
        eos_token=SPECIAL[0],
        model_input_names=["input_ids", "attention_mask"],  # what a Llama reads
    )
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=len(tokenizer) + spare,
        max_position_embeddings=window,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        pad_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder
