"""Data sets of labelled images, for whatever trains: three forms, named by a `spec`.

    digits          scikit-learn's handwritten digits, 1x8x8; they come with that package
    cifar10:FOLDER  CIFAR-10 in its published binary form (Krizhevsky, 2009), 3x32x32: the files
                    data_batch_1.bin ... data_batch_5.bin and test_batch.bin, records of 1 byte
                    label and 3072 bytes red, green and blue, row by row
    npz:FOLDER      train.npz, test.npz and, if you like, valid.npz, each with `images` and `labels`

Where there is no validation split, it is cut from the training split by a fixed permutation: digits
are parted 1000/400/397 as in `digits.py`, all others get half, as a search on CIFAR-10 does in
NAS-Bench-201 (arXiv:2001.00326, section 2.2) and DARTS (arXiv:1806.09055, section 3.1.1). Their
halves are other images than these.

Nothing that is read may hold pickled objects.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lapt_rules.errors import DataError, did_you_mean

FORMS = ("digits", "cifar10:FOLDER", "npz:FOLDER")
COLOURS = range(1, 5)
"""The numbers of channels that an image may have."""

_RECORD = 1 + 3 * 32 * 32
_TRAINING_FILES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
_CHUNK = 1024
"""Images that are turned into floats at once."""

_Arrays = tuple[NDArray[Any], NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Split:
    """Images and their labels, `labels` (N,) int64 in 0 ... classes - 1.

    `pixels` (N, C, H, W) are as they were read, uint8 or float32; `mean` and `deviation` (C,) are
    those of the training split's pixels, also in the other splits.
    """

    pixels: Tensor
    labels: Tensor
    mean: Tensor
    deviation: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def images(self) -> Tensor:
        """All images (N, C, H, W), float32 and normalised; kept once asked for.

        Bytes take a quarter of the memory: for a large set see `normalised`.
        """
        return self.normalised(self.pixels)

    def normalised(self, pixels: Tensor) -> Tensor:
        """Some of `pixels` as float32 with mean 0 and deviation 1 over the training split."""
        mean, deviation = self.mean.to(pixels.device), self.deviation.to(pixels.device)
        return (pixels.float() - mean[:, None, None]) / deviation[:, None, None]


@dataclass(frozen=True, eq=False)
class DataSet:
    """A task of classification: what is trained on, what a search asks, what it must not see."""

    name: str
    classes: int
    train: Split
    valid: Split
    test: Split

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(colours, rows, columns)."""
        colours, rows, columns = self.train.pixels.shape[1:]
        return colours, rows, columns

    @cached_property
    def fingerprint(self) -> str:
        """A text that two data sets share if and only if all splits are the same, image by image.

        The name of a folder is no part of it.
        """
        digest = hashlib.sha256(str(self.classes).encode())
        for split in (self.train, self.valid, self.test):
            for part in (split.pixels, split.labels):
                digest.update(f"{part.dtype} {tuple(part.shape)} ".encode())
                digest.update(part.numpy().data)
        return digest.hexdigest()[:16]


def load_data(spec: str) -> DataSet:
    """The data set that `spec` names, in one of the forms above.

    Raises DataError where it is named wrongly, is not there, or is not what its form says: a file
    of another size, images without a clear axis of colours, objects, labels that do not fit.
    """
    form, _, folder = spec.partition(":")
    if form == "digits" and not folder:
        return _digits()
    if form == "cifar10" and folder:
        return _cifar10(Path(folder))
    if form == "npz" and folder:
        return _npz(Path(folder))
    near = did_you_mean(form, [one.partition(":")[0] for one in FORMS])
    meant = next((one for one in FORMS if near and one.startswith(near)), None)
    fix = f"write `{meant}`" if meant else f"write one of {', '.join(FORMS)}"
    raise DataError(f"there is no data set `{spec}`", fix)


def _digits() -> DataSet:
    try:
        from sklearn.datasets import load_digits  # type: ignore[import-untyped]
    except ImportError as error:
        message = "the data set `digits` needs scikit-learn, which holds its images"
        raise DataError(message, "pip install scikit-learn") from error
    found = load_digits()
    order = np.random.RandomState(0).permutation(len(found.images))
    rows = np.split(order, [1000, 1400])
    pixels = found.images.astype(np.uint8)[:, None]  # the values are 0 ... 16
    train, valid, test = ((pixels[some], found.target[some]) for some in rows)
    return _data_set("digits", 10, train, valid, test)


def _cifar10(folder: Path) -> DataSet:
    fix = "unpack cifar-10-binary.tar.gz, and name its folder cifar-10-batches-bin"
    files = {name: _bytes(folder / name, fix) for name in (*_TRAINING_FILES, "test_batch.bin")}
    size = len(files[_TRAINING_FILES[0]])
    for name, content in files.items():
        records, rest = divmod(len(content), _RECORD)
        if rest or not records:
            message = f"{folder / name}: {len(content):,} bytes are no records of {_RECORD} bytes"
            raise DataError(message, fix)
        if len(content) != size:
            message = f"{folder / name}: {records:,} images, the first file has {size // _RECORD:,}"
            raise DataError(message, f"copy it again, or {fix}")
        labels = content.reshape(records, _RECORD)[:, 0]
        if labels.max() > 9:
            message = f"{folder / name}: the label {labels.max()} is not in 0 ... 9"
            raise DataError(message, f"copy it again, or {fix}")
    training = _records(np.concatenate([files[name] for name in _TRAINING_FILES]))
    test = _records(files["test_batch.bin"])
    return _data_set("cifar10", 10, *_halved(training), test)


def _bytes(path: Path, fix: str) -> NDArray[np.uint8]:
    try:
        return np.fromfile(path, np.uint8)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}", fix) from error


def _records(content: NDArray[np.uint8]) -> _Arrays:
    records = content.reshape(-1, _RECORD)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0]


def _npz(folder: Path) -> DataSet:
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder", "name one that holds train.npz")
    train, test = _split_file(folder / "train.npz"), _split_file(folder / "test.npz")
    path = folder / "valid.npz"
    valid: _Arrays | None = _split_file(path) if path.exists() else None
    present = np.unique(train[1])
    classes = len(present)
    if classes < 2 or present[-1] != classes - 1:
        message = f"{folder / 'train.npz'}: {classes} different labels, the last is {present[-1]}"
        raise DataError(message, "number two classes or more from 0 on, each with an image")
    for name, split in (("valid.npz", valid), ("test.npz", test)):
        if split is None:
            continue
        if split[0].shape[1:] != train[0].shape[1:] or split[0].dtype != train[0].dtype:
            message = (
                f"{folder / name}: its images are {_described(split[0])}, "
                f"those of train.npz {_described(train[0])}"
            )
            raise DataError(message, "bring all splits to one size and type")
        if split[1].max() >= classes:
            message = f"{folder / name}: the label {split[1].max()} is not in 0 ... {classes - 1}"
            raise DataError(message, "every class needs an image in train.npz")
    parts = _halved(train) if valid is None else (train, valid)
    return _data_set(f"npz:{folder.resolve().name}", classes, *parts, test)


def _split_file(path: Path) -> _Arrays:
    """The arrays of a .npz: images (N, C, H, W), uint8 or float32, and labels (N,).

    Images are (N, H, W), (N, H, W, C) or (N, C, H, W), of bytes or floats. Which of the last two
    it is, the number of colours tells: 1 to 4 stand at one end only.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [name for name in ("images", "labels") if name not in file]
            if missing:
                message = f"{path}: it has no array `{missing[0]}`"
                raise DataError(message, "save it with np.savez(path, images=..., labels=...)")
            images, labels = file["images"], file["labels"]
    except OSError as error:
        reason = error.strerror or "it is no .npz file"
        raise DataError(f"{path}: cannot be read: {reason}", "save it with np.savez") from error
    except ValueError as error:  # numpy's word for an object array, among others
        message = f"{path}: it holds Python objects, which are not loaded, or is damaged"
        raise DataError(message, "save arrays of numbers, with np.savez") from error
    except (zipfile.BadZipFile, zlib.error, TypeError, AttributeError, EOFError) as error:
        raise DataError(f"{path}: no .npz file, or damaged", "save it with np.savez") from error
    return _pixels(path, images), _labels(path, labels, len(images))


def _pixels(path: Path, images: NDArray[Any]) -> NDArray[Any]:
    described = _described(images)
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        raise DataError(f"{path}: its images are {described}", "save them as uint8 or float32")
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or not images.size:
        fix = "save them as (N, H, W), (N, H, W, C) or (N, C, H, W)"
        raise DataError(f"{path}: its images are {described}", fix)
    last, second = images.shape[3] in COLOURS, images.shape[1] in COLOURS
    if last == second:
        message = f"{path}: its images are {described}: which axis holds the colours is not clear"
        raise DataError(message, "save them as (N, H, W, C) or (N, C, H, W), C from 1 to 4")
    if last:
        images = images.transpose(0, 3, 1, 2)
    if images.dtype != np.uint8:
        images = images.astype(np.float32)
        if not np.isfinite(images).all():
            raise DataError(f"{path}: a pixel is no finite number", "correct the images")
    return images


def _labels(path: Path, labels: NDArray[Any], images: int) -> NDArray[Any]:
    if labels.dtype.kind not in "iu":
        raise DataError(f"{path}: its labels are {labels.dtype}", "save them as int64, from 0 on")
    if labels.shape != (images,):
        message = f"{path}: labels of shape {labels.shape} for {images:,} images"
        raise DataError(message, "save one label an image, in one dimension")
    if labels.min() < 0:
        raise DataError(f"{path}: the label {labels.min()} is negative", "number them from 0 on")
    return labels


def _described(images: NDArray[Any]) -> str:
    return f"{images.dtype} {images.shape}"


def _halved(arrays: _Arrays) -> tuple[_Arrays, _Arrays]:
    """A training and a validation split: each half, by the permutation of seed 0."""
    images, labels = arrays
    order = np.random.RandomState(0).permutation(len(labels))
    middle = (len(labels) + 1) // 2
    first, second = (order[:middle], order[middle:])
    return (images[first], labels[first]), (images[second], labels[second])


def _data_set(name: str, classes: int, train: _Arrays, valid: _Arrays, test: _Arrays) -> DataSet:
    mean, deviation = _moments(train[0])

    def split(images: NDArray[Any], labels: NDArray[Any]) -> Split:
        pixels = torch.from_numpy(np.ascontiguousarray(images))
        return Split(pixels, torch.from_numpy(labels.astype(np.int64)), mean, deviation)

    return DataSet(name, classes, split(*train), split(*valid), split(*test))


def _moments(pixels: NDArray[Any]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel; a channel without variance keeps its values."""
    number = pixels.size // pixels.shape[1]
    mean = sum(chunk.sum((0, 2, 3)) for chunk in _chunks(pixels)) / number
    squares = sum(((chunk - mean[:, None, None]) ** 2).sum((0, 2, 3)) for chunk in _chunks(pixels))
    deviation = np.sqrt(squares / number)
    deviation[deviation == 0] = 1
    return torch.from_numpy(mean).float(), torch.from_numpy(deviation).float()


def _chunks(pixels: NDArray[Any]) -> Iterator[NDArray[np.float64]]:
    for first in range(0, len(pixels), _CHUNK):
        yield pixels[first : first + _CHUNK].astype(np.float64)
