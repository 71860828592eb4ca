"""What a person may hand to a training that cannot be used, or only in part."""

from __future__ import annotations

import errno
import gc
import os
import weakref
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import torch

from model.errors import InputError
from model.networks import architectures as networks
from model.runs import checkpoint
from model.shots.table import table_of_file
from model.training import engine
from model.training import loop as training_loop
from model.training.train import Options, train
from tests.helpers.shots import NAMES, make_file, make_shots, tiny_recipe, write_file

pytestmark = pytest.mark.usefixtures("narrow_network")


def run(path, out, recipe=None, table=None, **options):
    table = table or table_of_file(path)
    return list(train(table, recipe or tiny_recipe(epochs=1), out, options=Options(**options)))


def failure(events):
    assert events[-1]["event"] == "failed", events[-1]
    return events[-1]["text"]


def notes(events):
    return " ".join(e["text"] for e in events if e["event"] == "note")


def test_shots_in_hard_error_are_left_out_and_counted(tmp_path):
    images, labels = make_shots(30)
    labels[[0, 3]] = 1  # everything at once
    events = run(write_file(tmp_path / "s.h5", images, labels), tmp_path / "run")
    started = next(e for e in events if e["event"] == "started")
    assert (started["excluded"], started["shots"]) == (2, 28)
    assert "Left out 2 shots" in notes(events)
    assert events[-1]["event"] == "finished"


@pytest.mark.parametrize("way", ["link", "pipe"])
def test_no_line_is_added_to_what_a_link_of_a_stranger_leads_to(tmp_path, way):
    """A run to go on with, in a project that someone sent: its names of classes are theirs too."""
    mine, out = tmp_path / "profile", tmp_path / "run"
    mine.write_text("umask 022\n")
    out.mkdir()
    if way == "link":
        (out / "events.jsonl").symlink_to(mine)
    else:
        os.mkfifo(out / "events.jsonl")
    images, labels = make_shots(30)
    with pytest.raises(InputError, match="there is a link"):
        run(write_file(tmp_path / "s.h5", images, labels), out)
    assert mine.read_text() == "umask 022\n"


def test_a_class_without_a_positive_label_is_named_and_training_goes_on(tmp_path):
    images, labels = make_shots(24)
    events = run(write_file(tmp_path / "s.h5", images, labels), tmp_path / "run")
    assert "Double Rings" in notes(events)
    assert events[-1]["event"] == "finished"
    assert np.isfinite([v for v in events[-1]["metrics"].values() if v is not None]).all()


def test_the_same_labels_everywhere_are_refused(tmp_path):
    images, _ = make_shots(24)
    labels = np.zeros((24, len(NAMES)), np.uint8)
    labels[:, 4] = 1
    text = failure(run(write_file(tmp_path / "s.h5", images, labels), tmp_path / "run"))
    assert "same labels" in text


def test_the_same_picture_everywhere_is_refused(tmp_path):
    images, labels = make_shots(24)
    images[:] = images[0]
    text = failure(run(write_file(tmp_path / "s.h5", images, labels), tmp_path / "run"))
    assert "same picture" in text
    assert "s.h5" in text


@pytest.mark.parametrize("n", [1, 9])
def test_too_few_labelled_shots_are_refused(n, tmp_path):
    text = failure(run(make_file(tmp_path / "s.h5", n), tmp_path / "run"))
    assert f"{n} labelled shots are too few" in text


def test_a_file_without_labels_is_refused(tmp_path):
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["images"] = make_shots(24)[0]
    assert "0 labelled shots" in failure(run(tmp_path / "s.h5", tmp_path / "run"))


def test_a_single_class_is_enough(tmp_path):
    images, labels = make_shots(30)
    path = write_file(tmp_path / "s.h5", images, labels[:, 4:], ("Hit",))
    events = run(path, tmp_path / "run", tiny_recipe(epochs=1, rule_aware=True))
    assert events[-1]["event"] == "finished", events[-1]
    assert "no hard rules" in notes(events)


def test_shots_with_bad_pixels_train(tmp_path):
    images, labels = make_shots(24)
    images = images.astype(np.float32)
    images[0], images[1, :30], images[2] = np.nan, np.inf, -5
    events = run(write_file(tmp_path / "s.h5", images, labels), tmp_path / "run")
    assert events[-1]["event"] == "finished", events[-1]
    assert "Left out 2 shots that cannot be read" in notes(events)  # -5 in all pixels is no light


def test_counts_that_may_be_none_are_said_before_a_training(tmp_path):
    images, labels = make_shots(24)
    path = write_file(tmp_path / "s.h5", -images.astype(np.int32), labels)
    *events, _ = run(path, tmp_path / "run")
    assert "s.h5: light lies below the background" in notes(events)


def test_shots_that_cannot_be_read_are_left_out(tmp_path):
    path = make_file(tmp_path / "s.h5", 30)
    table = table_of_file(path)
    with h5py.File(path, "r+") as file:  # shorter than it was when its shots were counted
        images = file["images"][:28]
        del file["images"]
        file["images"] = images
    events = run(path, tmp_path / "run", table=table)
    if events[-1]["event"] == "failed":  # the whole file is refused because it changed
        assert "s.h5" in failure(events)
        return
    assert next(e for e in events if e["event"] == "started")["excluded"] == 2
    assert "cannot be read" in notes(events)


def test_a_file_that_vanished_is_named(tmp_path):
    path = make_file(tmp_path / "s.h5", 24)
    table = table_of_file(path)
    path.unlink()
    assert "s.h5" in failure(run(path, tmp_path / "run", table=table))


def test_a_loss_that_is_no_number_stops_and_names_the_shots(tmp_path, monkeypatch):
    path = make_file(tmp_path / "s.h5", 24)
    true_step, steps = training_loop.Loop._backward, []

    def poisoned(self, rows, random):
        steps.append(rows)
        loss = true_step(self, rows, random)
        return float("nan") if len(steps) == 4 else loss

    monkeypatch.setattr(training_loop.Loop, "_backward", poisoned)
    text = failure(run(path, tmp_path / "run", tiny_recipe(epochs=5)))
    assert "epoch 2, step 4" in text
    assert str(min(steps[3]) + 1) in text
    assert "network of epoch 1 is kept" in text
    network, _ = checkpoint.load(tmp_path / "run")
    assert all(torch.isfinite(p).all() for p in network.parameters())


def test_out_of_memory_halves_the_batch_and_says_so(tmp_path, monkeypatch):
    path = make_file(tmp_path / "s.h5", 24)
    true_forward = training_loop.Network.forward

    def forward(self, x):
        if self.training and len(x) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return true_forward(self, x)

    monkeypatch.setattr(training_loop.Network, "forward", forward)
    events = run(path, tmp_path / "run", tiny_recipe(epochs=1, batch=8))
    assert events[-1]["event"] == "finished", events[-1]
    assert "2 shots at a time" in notes(events)


def test_a_batch_that_would_not_fit_is_divided_beforehand(tmp_path, monkeypatch):
    path = make_file(tmp_path / "s.h5")
    monkeypatch.setattr(engine.psutil, "virtual_memory", lambda: SimpleNamespace(available=7e6))
    events = run(path, tmp_path / "run")
    assert "A batch of 10 would need" in notes(events)
    assert "shots at a time" in notes(events)
    assert events[-1]["event"] == "finished"


def test_what_a_forward_pass_keeps_grows_with_the_batch_and_not_with_the_weights():
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten())
    one, four = (engine.kept_bytes(network, torch.rand(n, 1, 10, 10)) for n in (1, 4))
    assert one == 4 * (100 + 4 * 64)  # the input of the convolution, the output of the ReLU
    assert four == 4 * one


def test_a_network_that_was_asked_what_it_keeps_is_given_back():
    network = networks.create("resnet18")
    engine.kept_bytes(network, torch.rand(1, 1, 64, 64))
    weights = weakref.ref(next(network.parameters()))
    del network
    gc.collect()
    assert weights() is None


def test_memory_for_not_even_one_shot_is_one_message(tmp_path, monkeypatch):
    path = make_file(tmp_path / "s.h5", 24)

    def backward(self, rows, random):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(training_loop.Loop, "_backward", backward)
    assert "smaller --size" in failure(run(path, tmp_path / "run"))


def test_one_of_several_processes_that_runs_out_of_memory_says_so_and_ends(tmp_path, monkeypatch):
    """If it took more parts, the others would wait for ever for the passes that it makes alone."""
    path = make_file(tmp_path / "s.h5", 24)

    def backward(self, rows, random):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(training_loop.Loop, "_backward", backward)
    monkeypatch.setattr(engine.Engine, "world", 2)
    text = failure(run(path, tmp_path / "run", tiny_recipe(epochs=1, batch=8)))
    assert "not enough memory for 4 shots in one process" in text
    assert "--set batch=N" in text


def test_processes_agree_on_the_parts_of_a_batch_and_on_the_number_format():
    class Fabric:
        """Another process, first of two, has less memory and finds bf16 faster."""

        world_size = 2
        device = torch.device("cpu")

        def all_reduce(self, value, reduce_op):
            assert reduce_op == "max"
            return torch.maximum(value, torch.tensor(4))

        def broadcast(self, value):
            return "bf16"

    found = engine.Engine(Fabric())
    found.probe(networks.create("resnet18"), 64, 1, "32", 8)
    assert (found.parts, found.number_format) == (4, "bf16")


def test_an_input_smaller_than_64_pixels_is_refused(tmp_path):
    text = failure(run(make_file(tmp_path / "s.h5", 24), tmp_path / "run", tiny_recipe(size=32)))
    assert "32 pixels" in text


def test_a_full_disk_is_one_message(tmp_path, monkeypatch):
    path = make_file(tmp_path / "s.h5", 24)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert "No space left" in failure(run(path, tmp_path / "run"))


def test_more_devices_than_there_are_is_refused(tmp_path):
    text = failure(run(make_file(tmp_path / "s.h5", 24), tmp_path / "run", devices="many"))
    assert "'many'" in text


def test_what_takes_long_is_probed_once_and_what_is_quick_several_times(
    monkeypatch,
):
    calls, clock = [], iter(np.arange(0, 9, 0.06))
    clock_only = SimpleNamespace(perf_counter=lambda: next(clock))  # 0.06 s between two looks
    monkeypatch.setattr(engine, "time", clock_only)
    engine._fastest(lambda: calls.append(None), 0.01)
    assert len(calls) == 1
    engine._fastest(lambda: calls.append(None), 1.0)
    assert len(calls) > 4
