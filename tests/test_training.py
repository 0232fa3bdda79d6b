"""Training: the data it reads, the same result from the same seed, and values paid for once."""

from __future__ import annotations

import json
import pickle
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT

from lapt_rules.errors import ArchitectureError, DataError, LaptError, ModelError, TrainingError
from lapt_rules.evaluate import cache
from lapt_rules.evaluate.setting import Setting
from lapt_rules.network import isomorphism_key
from lapt_rules.space import Space, load_space
from lapt_rules.subspace import whole

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from torch import nn  # noqa: E402

from lapt_rules.evaluate.data import DataSet, Split, load_data  # noqa: E402
from lapt_rules.evaluate.trainer import (  # noqa: E402
    CHECKPOINT,
    Outcome,
    Step,
    accuracy,
    augmented,
    train,
)
from lapt_rules.evaluate.training import TrainingEvaluator  # noqa: E402

BEST_CELL = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
    "+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|"
)
"""The best of NAS-Bench-201 by CIFAR-10 validation accuracy."""

DEAD_CELL = "|none~0|+|nor_conv_3x3~0|skip_connect~1|+|none~0|nor_conv_3x3~1|none~2|"
"""The worst: no path leads from its input to its output."""

TWINS = (
    "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|skip_connect~2|",
    "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|",
)


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    """Threads add up numbers in another order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def digits() -> DataSet:
    return load_data("digits")


@pytest.fixture(scope="module")
def few(digits: DataSet) -> DataSet:
    """The first digits, for tests in which it does not matter how well they are learned."""
    return replace(digits, train=first(digits.train, 200), valid=first(digits.valid, 100))


def first(split: Split, number: int) -> Split:
    return replace(split, pixels=split.pixels[:number], labels=split.labels[:number])


def network() -> nn.Module:
    """Small, with a choice of its own at random: dropout."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, stride=2), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(),
        nn.Dropout(0.3), nn.LazyLinear(10),
    )  # fmt: skip


class Scores(nn.Module):
    """Gives every image the same scores."""

    def __init__(self, scores: Any) -> None:
        super().__init__()
        self.scores = nn.Parameter(scores)

    def forward(self, images: Any) -> Any:
        return self.scores.expand(len(images), -1)


def trained(data: DataSet, setting: Setting, **more: Any) -> tuple[Outcome, dict[str, Any]]:
    made = network()
    made(data.valid.images[:2])
    outcome = train(made, data, setting, device="cpu", **{"seed": 0, **more})
    return outcome, made.state_dict()


def same_weights(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def interrupt_at(epoch: int, step: int) -> Any:
    def progress(seen: Step) -> None:
        if (seen.epoch, seen.step) >= (epoch, step):
            raise KeyboardInterrupt

    return progress


class TestDigits:
    def test_they_are_parted_by_a_fixed_permutation(self, digits: DataSet) -> None:
        from sklearn.datasets import load_digits

        splits = (digits.train, digits.valid, digits.test)
        assert [len(split) for split in splits] == [1000, 400, 397]
        together = np.concatenate([split.pixels.numpy().reshape(-1, 64) for split in splits])
        assert sorted(map(bytes, together)) == sorted(
            map(bytes, load_digits().data.astype(np.uint8))
        )
        assert load_data("digits").fingerprint == digits.fingerprint

    def test_images_are_normalised_by_the_training_split(self, digits: DataSet) -> None:
        images = digits.train.images
        assert images.shape == (1000, 1, 8, 8)
        assert images.dtype == torch.float32
        assert digits.train.labels.dtype == torch.int64
        assert images.mean().item() == pytest.approx(0, abs=1e-5)
        assert images.std().item() == pytest.approx(1, abs=1e-3)
        expected = (digits.valid.pixels.float() - digits.train.mean) / digits.train.deviation
        assert torch.allclose(digits.valid.images, expected)


def write_cifar10(folder: Path, records: int = 20) -> Any:
    """The published binary form with random images; all records in order, the test file last."""
    random = np.random.default_rng(0)
    files = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
    content = random.integers(0, 256, (len(files), records, 3073), np.uint8)
    content[:, :, 0] %= 10
    for name, part in zip(files, content, strict=True):
        (folder / name).write_bytes(part.tobytes())
    return content


class TestCifar10:
    def test_the_binary_form_is_read_and_halved(self, tmp_path: Path) -> None:
        content = write_cifar10(tmp_path)
        data = load_data(f"cifar10:{tmp_path}")
        assert (data.name, data.classes, data.image_shape) == ("cifar10", 10, (3, 32, 32))
        assert [len(data.train), len(data.valid), len(data.test)] == [50, 50, 20]
        assert data.train.pixels.dtype == torch.uint8
        record = content[5, 7]
        assert data.test.labels[7] == record[0]
        red, green, blue = record[1:].reshape(3, 32, 32)
        assert np.array_equal(data.test.pixels[7].numpy(), [red, green, blue])
        halves = torch.cat([data.train.pixels, data.valid.pixels]).flatten(1).numpy()
        assert sorted(map(bytes, halves)) == sorted(
            map(bytes, content[:5, :, 1:].reshape(-1, 3072))
        )

    @pytest.mark.parametrize(
        ("name", "content", "said"),
        [
            ("data_batch_2.bin", None, "cannot be read"),
            ("data_batch_3.bin", b"\0" * 3072, "no records of 3073 bytes"),
            ("data_batch_4.bin", b"", "no records of 3073 bytes"),
            ("data_batch_5.bin", b"\0" * 3073, "1 images, the first file has 20"),
            ("test_batch.bin", b"\x0a" * 3073 * 20, "the label 10 is not in 0 ... 9"),
        ],
    )
    def test_a_file_of_another_form_is_named(
        self, tmp_path: Path, name: str, content: bytes | None, said: str
    ) -> None:
        write_cifar10(tmp_path)
        if content is None:
            (tmp_path / name).unlink()
        else:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=said) as caught:
            load_data(f"cifar10:{tmp_path}")
        assert str(tmp_path / name) in caught.value.message
        assert "cifar-10-batches-bin" in caught.value.fix


class Mine:
    """What a harmful pickle holds: its loading makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


class TestFolderOfNpz:
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 9, 3), np.uint8)
    labels = np.arange(20) % 4

    def write(self, folder: Path, **parts: Any) -> str:
        for name in ("train", "test"):
            given = {"images": self.images, "labels": self.labels, **parts.get(name, {})}
            np.savez(folder / f"{name}.npz", **given)
        return f"npz:{folder}"

    def test_the_axis_of_colours_is_told_by_its_length(self, tmp_path: Path) -> None:
        spec = self.write(tmp_path, train={"images": self.images.transpose(0, 3, 1, 2)})
        data = load_data(spec)
        assert (data.name, data.classes) == (f"npz:{tmp_path.name}", 4)
        assert data.image_shape == (3, 8, 9)
        assert [len(data.train), len(data.valid), len(data.test)] == [10, 10, 20]
        assert np.array_equal(data.test.pixels.permute(0, 2, 3, 1).numpy(), self.images)

    def test_grey_images_and_floats(self, tmp_path: Path) -> None:
        grey = {"images": self.images[..., 0] / 255}
        data = load_data(self.write(tmp_path, train=grey, test=grey))
        assert data.image_shape == (1, 8, 9)
        assert data.test.pixels.dtype == torch.float32

    def test_a_validation_split_of_its_own(self, tmp_path: Path) -> None:
        spec = self.write(tmp_path)
        np.savez(tmp_path / "valid.npz", images=self.images[:5], labels=self.labels[:5])
        data = load_data(spec)
        assert [len(data.train), len(data.valid)] == [20, 5]

    @pytest.mark.parametrize(
        ("part", "said"),
        [
            ({"labels": labels - 1}, "the label -1 is negative"),
            ({"labels": labels + 1}, "the label 4 is not in 0 ... 3"),
            ({"labels": labels / 1.0}, "its labels are float64"),
            ({"labels": labels[:3]}, "for 20 images"),
            ({"images": images[:, :5]}, "those of train.npz uint8"),
            ({"images": images.astype(np.int64)}, "its images are int64"),
            ({"images": images.transpose(0, 3, 1, 2)[..., :3]}, "colours is not clear"),
            ({"images": images[..., 0, 0]}, r"its images are uint8 \(20, 8\)"),
            ({"images": images + np.nan}, "no finite number"),
        ],
    )
    def test_what_does_not_fit_is_said(self, tmp_path: Path, part: Any, said: str) -> None:
        with pytest.raises(DataError, match=said) as caught:
            load_data(self.write(tmp_path, test=part))
        assert str(tmp_path / "test.npz") in caught.value.message
        assert caught.value.fix

    def test_labels_without_a_gap(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="the last is 5"):
            load_data(self.write(tmp_path, train={"labels": self.labels + 2}))

    def test_objects_are_never_loaded(self, tmp_path: Path) -> None:
        harm = np.array([Mine(tmp_path / "harm")] * 20, object)
        with pytest.raises(DataError, match="Python objects"):
            load_data(self.write(tmp_path, test={"labels": harm}))
        (tmp_path / "test.npz").write_bytes(pickle.dumps(Mine(tmp_path / "harm")))
        with pytest.raises(DataError, match="Python objects"):
            load_data(f"npz:{tmp_path}")
        assert not (tmp_path / "harm").exists()

    @pytest.mark.parametrize("content", [b"", b"PK\3\4", b"images"])
    def test_a_damaged_file(self, tmp_path: Path, content: bytes) -> None:
        spec = self.write(tmp_path)
        (tmp_path / "train.npz").write_bytes(content)
        with pytest.raises(DataError, match=r"train\.npz"):
            load_data(spec)


@pytest.mark.parametrize(
    ("spec", "fix"),
    [
        ("digit", "write `digits`"),
        ("cifar10", "write `cifar10:FOLDER`"),
        ("svhn", "write one of digits, cifar10:FOLDER, npz:FOLDER"),
        ("npz:/there/is/none", "name one that holds train.npz"),
    ],
)
def test_a_data_set_that_is_not_there(spec: str, fix: str) -> None:
    with pytest.raises(DataError) as caught:
        load_data(spec)
    assert caught.value.fix == fix


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"batch": 1}, {"rate": 0.0}, {"warm_up": 1.0}, {"patience": -1}]
)
def test_a_setting_that_cannot_be_trained_with(wrong: dict[str, Any]) -> None:
    with pytest.raises(TrainingError, match=f"`{next(iter(wrong))}`"):
        Setting(**wrong)


class TestDeterminism:
    setting = Setting(epochs=2, augment=True)

    def test_the_seed_decides_all(self, few: DataSet) -> None:
        torch.manual_seed(1)
        one = trained(few, self.setting)
        torch.manual_seed(2)
        other = trained(few, self.setting)
        assert one[0] == other[0]
        assert same_weights(one[1], other[1])
        assert not same_weights(one[1], trained(few, self.setting, seed=1)[1])

    def test_the_order_of_images_is_of_the_seed_too(self, few: DataSet) -> None:
        ends = []
        for seed in (0, 0, 1):
            made = Scores(torch.zeros(10))  # no module draws its weights: only the order is left
            train(made, few, self.setting, seed=seed, device="cpu")
            ends.append(made.state_dict())
        assert same_weights(ends[0], ends[1])
        assert not same_weights(ends[0], ends[2])

    def test_the_schedule_is_followed(self, few: DataSet) -> None:
        weights = [trained(few, replace(self.setting, warm_up=part))[1] for part in (0.0, 0.5)]
        assert not same_weights(*weights)

    def test_nothing_is_left_behind(self, few: DataSet) -> None:
        made = network()
        made(few.valid.images[:2])
        before = torch.get_rng_state()
        train(made, few, self.setting, seed=0, device="cpu")
        assert torch.equal(before, torch.get_rng_state())
        assert not torch.are_deterministic_algorithms_enabled()

    def test_the_test_split_is_not_touched(self, few: DataSet) -> None:
        nothing: Any = None
        assert (
            trained(replace(few, test=few.valid), self.setting)[0]
            == (trained(few, self.setting)[0])
        )
        assert nothing is None

    def test_crops_and_flips_show_the_same_image(self) -> None:
        pixels = torch.arange(1, 65, dtype=torch.uint8).view(1, 1, 8, 8).repeat(50, 2, 1, 1)
        shown = augmented(pixels, torch.Generator().manual_seed(0))
        assert shown.shape == pixels.shape
        assert torch.equal(shown[:, 0], shown[:, 1])
        flipped = 0
        for image in shown[:, 0].int():
            rows, columns = image.nonzero().unbind(1)
            window = image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
            assert (window > 0).all()
            right = window[:, 1:] - window[:, :-1]
            assert right.unique().tolist() in ([1], [-1])
            assert (window[1:] - window[:-1] == 8).all()
            flipped += int(right[0, 0] == -1)
        assert 15 < flipped < 35


class TestEnds:
    def test_patience(self, few: DataSet) -> None:
        setting = Setting(epochs=50, rate=1e-9, patience=3)
        outcome = train(Scores(torch.eye(10)[3]), few, setting, seed=0, device="cpu")
        assert outcome.epochs == 4  # the first is the best, and three are no better

    def test_a_network_that_diverges(self, few: DataSet) -> None:
        made = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        setting = Setting(epochs=50, rate=1e30, clip=0, warm_up=0)
        assert train(made, few, setting, seed=0, device="cpu").epochs < 5

    def test_progress_counts_every_step(self, few: DataSet) -> None:
        seen: list[Step] = []
        outcome, _ = trained(few, Setting(epochs=3), progress=seen.append)
        assert [step.step for step in seen] == list(range(1, 10))  # 200 images are 3 full batches
        assert {(step.steps, step.epochs) for step in seen} == {(9, 3)}
        assert [step.epoch for step in seen] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
        assert seen[-1].history == outcome.history[:2]
        assert outcome.best == max(outcome.history)
        assert outcome.last == outcome.history[-1]

    def test_a_device_that_is_not_there(self, few: DataSet) -> None:
        with pytest.raises(TrainingError, match="there is no device `warp`"):
            train(network(), few, Setting(), seed=0, device="warp")


class TestResume:
    setting = Setting(epochs=4, augment=True)

    @pytest.mark.parametrize("at", [(1, 2), (2, 4), (4, 11)])
    def test_an_interrupted_training_ends_as_an_unbroken_one(
        self, few: DataSet, tmp_path: Path, at: tuple[int, int]
    ) -> None:
        with pytest.raises(KeyboardInterrupt):
            trained(few, self.setting, folder=tmp_path, progress=interrupt_at(*at))
        seen: list[Step] = []
        outcome, weights = trained(few, self.setting, folder=tmp_path, progress=seen.append)
        assert seen[0].epoch == at[0]
        unbroken, expected = trained(few, self.setting)
        assert outcome == unbroken
        assert same_weights(weights, expected)

    def test_a_killed_training_ends_as_an_unbroken_one(
        self, nas201: Space, digits: DataSet, tmp_path: Path
    ) -> None:
        script = tmp_path / "train.py"
        script.write_text(
            "import sys, torch\n"
            "from pathlib import Path\n"
            "from lapt_rules.evaluate.data import load_data\n"
            "from lapt_rules.evaluate.setting import Setting\n"
            "from lapt_rules.evaluate.training import TrainingEvaluator\n"
            "from lapt_rules.space import load_space\n"
            "torch.set_num_threads(1)\n"
            "space = load_space('nas201')\n"
            "tell = lambda step: print(step.epoch, step.step, flush=True)\n"
            "evaluator = TrainingEvaluator(\n"
            "    space, load_data('digits'), Setting(epochs=4), channels=4,\n"
            "    cache=Path(sys.argv[1]), device='cpu', progress=tell)\n"
            "evaluator.evaluate(space.parse(sys.argv[2]))\n"
        )
        folder = tmp_path / "cache"
        command = [sys.executable, str(script), str(folder), TWINS[0]]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.split() == ["3", "37"]:  # 15 steps an epoch
                    process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert len(list(folder.rglob(CHECKPOINT))) == 1
        assert not list(folder.rglob("values.jsonl"))

        seen: list[Step] = []
        setting = Setting(epochs=4)
        resumed = TrainingEvaluator(
            nas201, digits, setting, channels=4, cache=folder, device="cpu", progress=seen.append
        )
        value = resumed.evaluate(nas201.parse(TWINS[0]))
        assert seen[0].step == 31
        whole_folder = tmp_path / "unbroken"
        unbroken = TrainingEvaluator(
            nas201, digits, setting, channels=4, cache=whole_folder, device="cpu"
        )
        assert unbroken.evaluate(nas201.parse(TWINS[0])) == value
        lines = [
            json.loads(next(path.rglob("values.jsonl")).read_text())
            for path in (folder, whole_folder)
        ]
        assert lines[0]["history"] == lines[1]["history"]
        assert not list(folder.rglob(CHECKPOINT))

    def test_a_finished_training_is_not_repeated(self, few: DataSet, tmp_path: Path) -> None:
        outcome, weights = trained(few, self.setting, folder=tmp_path)
        seen: list[Step] = []
        again, loaded = trained(few, self.setting, folder=tmp_path, progress=seen.append)
        assert not seen
        assert again == outcome
        assert same_weights(loaded, weights)

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"setting": Setting(epochs=5, augment=True)}, "its epochs is 4, not 5"),
            ({"seed": 1}, "its seed is 0, not 1"),
            ({"name": "another"}, "its network is"),
        ],
    )
    def test_the_checkpoint_of_another_training_is_refused(
        self, few: DataSet, tmp_path: Path, change: dict[str, Any], said: str
    ) -> None:
        trained(few, self.setting, folder=tmp_path)
        with pytest.raises(TrainingError, match=said) as caught:
            trained(few, **{"setting": self.setting, "folder": tmp_path, **change})
        assert str(tmp_path / CHECKPOINT) in caught.value.message

    def test_other_images_are_another_training(self, few: DataSet, tmp_path: Path) -> None:
        trained(few, self.setting, folder=tmp_path)
        other = replace(few, train=replace(few.train, labels=few.train.labels.flip(0)))
        with pytest.raises(TrainingError, match="its data is"):
            trained(other, self.setting, folder=tmp_path)

    def test_a_damaged_checkpoint_is_refused(self, few: DataSet, tmp_path: Path) -> None:
        trained(few, self.setting, folder=tmp_path)
        path = tmp_path / CHECKPOINT
        whole_file = path.read_bytes()
        for part in (b"", b"?", whole_file[: len(whole_file) // 2]):
            path.write_bytes(part)
            with pytest.raises(TrainingError, match="damaged"):
                trained(few, self.setting, folder=tmp_path)

    def test_code_in_a_checkpoint_is_never_run(self, few: DataSet, tmp_path: Path) -> None:
        torch.save({"form": 1, "about": Mine(tmp_path / "harm")}, tmp_path / CHECKPOINT)
        with pytest.raises(TrainingError, match="code in a checkpoint is refused"):
            trained(few, self.setting, folder=tmp_path)
        assert not (tmp_path / "harm").exists()


class TestEvaluator:
    setting = Setting(epochs=1)

    def evaluator(self, space: Space, data: DataSet, **more: Any) -> TrainingEvaluator:
        return TrainingEvaluator(
            space, data, **{"setting": self.setting, "channels": 4, "device": "cpu", **more}
        )

    def test_twins_are_trained_once(self, nas201: Space, few: DataSet) -> None:
        evaluator = self.evaluator(nas201, few)
        values = [evaluator.evaluate(nas201.parse(text)) for text in TWINS]
        assert values[0] == values[1]
        assert evaluator.trained == 1

    def test_another_run_pays_nothing(self, nas201: Space, few: DataSet, tmp_path: Path) -> None:
        value = self.evaluator(nas201, few, cache=tmp_path).evaluate(nas201.parse(TWINS[0]))
        another = self.evaluator(nas201, few, cache=tmp_path)
        assert another.evaluate(nas201.parse(TWINS[1])) == value
        assert another.trained == 0

    @pytest.mark.parametrize(
        "change", [{"setting": Setting(epochs=2)}, {"seed": 1}, {"channels": 6}, {"cells": 2}]
    )
    def test_another_setting_has_values_of_its_own(
        self, nas201: Space, few: DataSet, tmp_path: Path, change: dict[str, Any]
    ) -> None:
        one = self.evaluator(nas201, few, cache=tmp_path)
        other = self.evaluator(nas201, few, cache=tmp_path, **change)
        assert one.fingerprint != other.fingerprint
        assert len(list(tmp_path.iterdir())) == 2

    def test_another_network_has_values_of_its_own(
        self, nas201: Space, few: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = self.evaluator(nas201, few).fingerprint
        model = (ROOT / "models" / "nas201.py").read_text()
        (tmp_path / "models").mkdir()
        (tmp_path / "models" / "nas201.py").write_text(model + "\n# mine\n")
        monkeypatch.setenv("LAPT_PATH", str(tmp_path))
        assert self.evaluator(nas201, few).fingerprint != before

    def test_the_best_cell_is_better_than_the_worst(self, nas201: Space, digits: DataSet) -> None:
        evaluator = self.evaluator(nas201, digits, setting=Setting(epochs=3))
        best, worst = (evaluator.evaluate(nas201.parse(text)) for text in (BEST_CELL, DEAD_CELL))
        assert best > 80
        assert worst < 20  # nothing of the image arrives

    @pytest.mark.parametrize("name", ["nas201", "trans101", "darts", "digits"])
    def test_every_space_fits_grey_digits(self, name: str, few: DataSet) -> None:
        space = load_space(name)
        evaluator = self.evaluator(space, few, setting=Setting(epochs=1, batch=100))
        (architecture,) = whole(space).sample(1, seed=1)
        assert 0 <= evaluator.evaluate(architecture) <= 100

    def test_a_skeleton_has_every_layer(self, darts: Space, few: DataSet) -> None:
        assert self.evaluator(darts, few).skeleton["cells"] == 3

    def test_coloured_images(self, nas201: Space, tmp_path: Path) -> None:
        write_cifar10(tmp_path)
        data = load_data(f"cifar10:{tmp_path}")
        assert self.evaluator(nas201, data).evaluate(nas201.parse(TWINS[1])) >= 0
        space = load_space("digits")
        with pytest.raises(ModelError, match=r"on an image of cifar10 \(3, 32, 32\)"):
            self.evaluator(space, data).evaluate(next(iter(whole(space).sample(1, seed=0))))

    def test_a_network_of_a_fixed_number_of_classes(
        self, nas201: Space, few: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "models").mkdir()
        (tmp_path / "models" / "nas201.py").write_text(
            "from torch import nn\n"
            "class Network(nn.Module):\n"
            "    def __init__(self, **layers): super().__init__()\n"
        )
        monkeypatch.setenv("LAPT_PATH", str(tmp_path))
        with pytest.raises(ModelError, match="cannot be told how many classes"):
            self.evaluator(nas201, few)

    def test_an_architecture_of_another_space(self, nas201: Space, few: DataSet) -> None:
        with pytest.raises(ArchitectureError):
            self.evaluator(nas201, few).evaluate(load_space("trans101").parse("3_33_333"))


class TestCache:
    def test_a_torn_line_is_passed_over(self, tmp_path: Path) -> None:
        path = tmp_path / "values.jsonl"
        cache.add(path, {"key": "a", "value": 1.0})
        with path.open("ab") as file:
            file.write(b'{"key": "b", "val')
        assert cache.read(path) == {"a": 1.0}
        cache.add(path, {"key": "b", "value": 2.0})
        cache.add(path, {"key": "a", "value": 3.0})
        assert cache.read(path) == {"a": 1.0, "b": 2.0}

    @pytest.mark.parametrize("line", [b"1", b"null", b'{"key": 1, "value": 1.0}', b"\xff", b"[]"])
    def test_what_is_no_value_is_passed_over(self, tmp_path: Path, line: bytes) -> None:
        path = tmp_path / "values.jsonl"
        path.write_bytes(line + b'\n{"key": "a", "value": NaN}\n')
        assert cache.read(path) == {}

    def test_a_folder_that_cannot_be_used(
        self, nas201: Space, few: DataSet, tmp_path: Path
    ) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(LaptError, match="file"):
            TrainingEvaluator(nas201, few, cache=tmp_path / "file")


def test_accuracy_is_in_percent(few: DataSet) -> None:
    threes = few.valid.labels.eq(3).double().mean().item()
    assert accuracy(Scores(torch.eye(10)[3]), few.valid) == 100 * threes


def test_the_two_twins_are_twins(nas201: Space) -> None:
    one, other = (isomorphism_key(nas201.parse(text)) for text in TWINS)
    assert one == other
