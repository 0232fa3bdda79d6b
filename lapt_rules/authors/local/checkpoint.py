"""A model and its tokenizer: from a folder, a GGUF file, or by a name on the Hugging Face hub.

Folders and files are read without the network. Weights are read from safetensors or GGUF only, and
no code that comes with a model is run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lapt_rules.authors.backend import AuthorError

_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")
_IDENTITY = re.compile(r"[\w.-]+(/[\w.-]+)?")
INSTALL = "pip install 'lapt-rules[local]'"


def load(
    path_or_id: str,
    device: str = "cpu",
    dtype: str = "auto",
    note: Callable[[str], None] | None = None,
) -> tuple[Any, Any]:
    """The causal language model and the tokenizer, ready on a device.

    `note` is told what takes long, and where its outcome is kept. Raises AuthorError that says
    what is missing, and what to download where.
    """
    path = Path(path_or_id).expanduser()
    is_local = path.exists()
    if not is_local and (_looks_like_a_path(path_or_id) or not _IDENTITY.fullmatch(path_or_id)):
        raise AuthorError(f"{path_or_id}: there is no such folder or file", _advice(path_or_id))
    os.environ.update(HF_HUB_DISABLE_TELEMETRY="1")
    if is_local:
        os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1")
    try:
        import platformdirs  # noqa: F401  (for a GGUF file)
        import psutil  # noqa: F401  (for the memory that is free)
        import torch
        import transformers
    except ImportError as error:
        raise AuthorError(f"a local model needs {error.name}", INSTALL) from error
    quiet: Any = transformers.logging
    quiet.set_verbosity_error()
    quiet.disable_progress_bar()
    where = path_or_id
    if is_local:
        folder = _folder(path, path_or_id, note)
        _check_memory(folder, path_or_id, device)
        where = str(folder)
    safe = {"local_files_only": is_local, "trust_remote_code": False}
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(where, **safe)
        model: Any = transformers.AutoModelForCausalLM.from_pretrained(
            where, dtype=dtype, use_safetensors=True, **safe
        )
        return model.to(torch.device(device)).eval(), tokenizer
    except Exception as error:  # whatever a foreign file makes the library raise
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        fix = _advice(path_or_id)
        if is_out_of_memory(error):
            fix = "use a smaller model, or --dtype bfloat16"
        raise AuthorError(f"{path_or_id} cannot be loaded: {reason}", fix) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is too little memory, on the CPU or on a device."""
    text = str(error)
    words = ("can't allocate memory", "Cannot allocate memory", "out of memory")
    return isinstance(error, MemoryError) or any(word in text for word in words)


def _looks_like_a_path(text: str) -> bool:
    is_written_so = text.startswith((".", "/", "~")) or text.endswith(".gguf")
    return is_written_so or text.count("/") > 1 or Path(text).exists()


def _folder(path: Path, given: str, note: Callable[[str], None] | None) -> Path:
    """The folder to read: the one that is named, or the one that a GGUF file is converted to."""
    if path.is_dir():
        files = sorted(path.glob("*.gguf"))
        if any(path.glob("*.safetensors")) or not files:
            _check(path, given)
            return path
        if len(files) > 1:
            names = ", ".join(file.name for file in files)
            raise AuthorError(f"{given}: the folder has several models: {names}", "name one file")
        path = files[0]
    from lapt_rules.authors.local import gguf

    return gguf.converted(path, note)


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


def _check_memory(folder: Path, given: str, device: str) -> None:
    """That the weights fit into the memory that is free; AuthorError with both sizes."""
    import psutil

    needed = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    free = psutil.virtual_memory().available
    if device == "cpu" and needed > free:
        message = f"{given}: its weights take {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free"
        raise AuthorError(message, "use a smaller model, or free some memory")


def _advice(given: str) -> str:
    if given.endswith(".gguf"):
        return "`hf download ORG/NAME FILE.gguf --local-dir .`, then name that file: hf:FILE.gguf"
    if _looks_like_a_path(given):
        return f"`hf download ORG/NAME --local-dir {given}`, then name that folder"
    name = given.rpartition("/")[2]
    return (
        f"where there is a network, `hf download {given} --local-dir {name}`; "
        f"then name that folder: hf:./{name}"
    )
