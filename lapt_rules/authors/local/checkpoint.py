"""A model and its tokenizer from a folder, or by the name they have on the Hugging Face hub.

A folder is read without the network. Weights are read from safetensors only, and no code that
comes with a model is run.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from lapt_rules.authors.backend import AuthorError

_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")
_IDENTITY = re.compile(r"[\w.-]+(/[\w.-]+)?")
INSTALL = "pip install 'lapt-rules[local]'"


def load(path_or_id: str, device: str = "cpu", dtype: str = "auto") -> tuple[Any, Any]:
    """The causal language model and the tokenizer, ready on a device.

    Raises AuthorError that says what is missing, and what to download where.
    """
    folder = Path(path_or_id).expanduser()
    is_local = folder.is_dir()
    if is_local:
        _check(folder, path_or_id)
        os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1")
    elif _looks_like_a_path(path_or_id) or not _IDENTITY.fullmatch(path_or_id):
        raise AuthorError(f"{path_or_id}: there is no such folder", _advice(path_or_id))
    os.environ.update(HF_HUB_DISABLE_TELEMETRY="1")
    try:
        import torch
        import transformers
    except ImportError as error:
        raise AuthorError(f"a local model needs {error.name}", INSTALL) from error
    quiet: Any = transformers.logging
    quiet.set_verbosity_error()
    quiet.disable_progress_bar()
    where = str(folder) if is_local else path_or_id
    safe = {"local_files_only": is_local, "trust_remote_code": False}
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(where, **safe)
        model: Any = transformers.AutoModelForCausalLM.from_pretrained(
            where, dtype=dtype, use_safetensors=True, **safe
        )
        return model.to(torch.device(device)).eval(), tokenizer
    except Exception as error:  # whatever a foreign file makes the library raise
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise AuthorError(
            f"{path_or_id} cannot be loaded: {reason}", _advice(path_or_id)
        ) from error


def _looks_like_a_path(text: str) -> bool:
    return text.startswith((".", "/", "~")) or text.count("/") > 1 or Path(text).exists()


def _check(folder: Path, given: str) -> None:
    """That a folder holds what a model is made of; AuthorError names all that is missing."""
    missing = []
    if not (folder / "config.json").is_file():
        missing.append("config.json")
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        missing.append("tokenizer (tokenizer.json)")
    if not any(folder.glob("*.safetensors")):
        unsafe = any(folder.glob("*.bin")) or any(folder.glob("*.pt"))
        missing.append("*.safetensors" + " (other weights are not read)" * unsafe)
    if missing:
        raise AuthorError(f"{given}: the folder has no {', no '.join(missing)}", _advice(given))


def _advice(given: str) -> str:
    if _looks_like_a_path(given):
        return f"`hf download ORG/NAME --local-dir {given}`, then name that folder"
    name = given.rpartition("/")[2]
    return (
        f"where there is a network, `hf download {given} --local-dir {name}`; "
        f"then name that folder: hf:./{name}"
    )
