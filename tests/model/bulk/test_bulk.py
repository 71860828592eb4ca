"""Bulk work is the same by one process and by Dask, whoever dies; trouble is said once."""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import sys
from dataclasses import replace
from functools import partial

import h5py
import numpy as np
import psutil
import pytest

from model.bulk import dask_clusters, engines, filling, on_dask
from model.bulk.filling import Filling
from model.bulk.plain import WorkerPool
from model.errors import InputError
from model.physics import correlation_file, noise_file
from model.physics.correlation import MapRecipe
from model.physics.correlation_file import correlate
from model.physics.noise_file import add_noise_file
from model.prediction import predict as prediction
from model.prediction.predict import predict
from model.preprocessing.count_scale import FileScale
from model.preprocessing.file_pixels import FilePixels
from model.preprocessing.network_input import Preprocessing
from model.shots.layouts import Geometry
from model.shots.table import table_of_file
from model.simulate.generate import simulate
from tests.model.prediction.test_prediction import make_run

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.usefixtures("narrow_network")

RECIPE = MapRecipe(radii=32, angles=64)
SOON_S = 3
"""A stranger who was let in by then would be in."""


def open_cluster(**more):
    """A cluster of someone else, of two workers, found by its address."""
    import dask

    environment = {"distributed.nanny.pre-spawn-environ": dask_clusters._ENVIRONMENT}
    with dask.config.set(environment):
        return distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, memory_limit=0,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL, **more,
        )  # fmt: skip


@pytest.fixture(scope="module")
def cluster():
    with open_cluster(preload="tests.helpers.narrow_worker") as found:
        yield found


@pytest.fixture
def address(cluster):
    return cluster.scheduler_address


@pytest.fixture
def shots(tmp_path, monkeypatch):
    """75 shots: three ranges of maps."""
    monkeypatch.setattr(correlation_file, "BLOCK", 32)
    return make_shots(tmp_path / "shots.h5", 75)


def make_shots(path, n):
    with h5py.File(path, "w") as file:
        file["images"] = np.random.default_rng(0).poisson(9, (n, 64, 64)).astype(np.uint16)
    return path


def test_maps_by_dask_are_the_bytes_of_one_process(shots, tmp_path, address):
    one, many = tmp_path / "one.h5", tmp_path / "many.h5"
    list(correlate(shots, one, RECIPE, workers=1))
    events = list(correlate(shots, many, RECIPE, scheduler=address))
    assert one.read_bytes() == many.read_bytes()
    parts = sorted((e["first"], e["last"]) for e in events if e["event"] == "progress")
    assert parts == [(0, 32), (32, 64), (64, 75)]
    assert not list(tmp_path.glob(".*"))


def test_a_cluster_of_this_machine_simulates_the_bytes_of_one_process(tmp_path):
    one, many = tmp_path / "one.h5", tmp_path / "many.h5"
    list(simulate(one, 40, 5, 64, workers=1))
    events = list(simulate(many, 40, 5, 64, workers=2, scheduler="local"))
    assert events[-1]["event"] == "finished"
    assert one.read_bytes() == many.read_bytes()


@pytest.mark.parametrize(
    "engine",
    ["torch", pytest.param("openvino", marks=pytest.mark.slow)],  # compiled three times
)
def test_predictions_by_dask_are_the_bytes_of_one_process(tmp_path, address, monkeypatch, engine):
    path = make_shots(tmp_path / "shots.h5", 150)
    with h5py.File(path, "r+") as file:
        file["images"][7] = 0
    run = make_run(tmp_path / "run")
    table, one, many = table_of_file(path), tmp_path / "one.h5", tmp_path / "many.h5"
    monkeypatch.setattr(prediction, "BATCHES", 1)
    assert list(predict(table, run, one, engine=engine))[-1]["event"] == "finished"
    events = list(predict(table, run, many, engine=engine, scheduler=address))
    assert events[-1]["event"] == "finished", events[-1]
    with h5py.File(one) as a, h5py.File(many) as b:
        assert set(a) == set(b)
        for name in a:
            assert a[name].dtype == b[name].dtype
            assert a[name][()].tobytes() == b[name][()].tobytes(), name
        assert {k: np.array(v).tolist() for k, v in a.attrs.items()} == {
            k: np.array(v).tolist() for k, v in b.attrs.items()
        }


def test_predictions_by_dask_go_on_only_while_files_tell_the_same_scale_and_pixels(
    shots, tmp_path, monkeypatch
):
    run, out, table = make_run(tmp_path / "run"), tmp_path / "out.h5", table_of_file(shots)

    def no_workers(*given):
        raise InputError("the cluster has gone")

    monkeypatch.setattr(prediction, "open_workers", no_workers)

    def begun(found):
        monkeypatch.setattr(Preprocessing, "scales_of", lambda steps, table: (found,))
        list(predict(table, run, out, scheduler="tcp://nowhere"))
        return (tmp_path / ".out.h5.journal").read_text("utf-8")

    bad = np.zeros((64, 64), bool)
    bad[3, 3] = True
    before = FileScale(8.0, 100.0)
    others = (
        FileScale(9.0, 100.0),
        FileScale(8.0, 100.0, pixels=FilePixels(bad)),
        FileScale(8.0, 100.0, pixels=FilePixels(full=900.0)),
    )
    for other in others:
        first = begun(before)
        assert begun(before) == first
        assert begun(other) != first


@pytest.mark.parametrize("beam", [(31.5, 95.5), (31.5, 40.0)])
def test_predictions_by_dask_go_on_only_while_the_beam_is_where_it_was(tmp_path, monkeypatch, beam):
    path = tmp_path / "wide.h5"
    with h5py.File(path, "w") as file:
        file["images"] = np.random.default_rng(0).poisson(9, (4, 64, 192)).astype(np.uint16)
    run, out, table = make_run(tmp_path / "run"), tmp_path / "out.h5", table_of_file(path)

    def no_workers(*given):
        raise InputError("the cluster has gone")

    monkeypatch.setattr(prediction, "open_workers", no_workers)

    def begun(beam):
        (source,) = table.sources
        moved = (replace(source, geometry=Geometry(centre=beam)),)
        events = list(predict(replace(table, sources=moved), run, out, scheduler="tcp://nowhere"))
        assert "the cluster has gone" in events[-1]["text"]
        return (tmp_path / ".out.h5.journal").read_text("utf-8")

    before = begun(None)
    assert begun(None) == before
    assert (begun(beam) == before) == (beam == (31.5, 95.5)), "the middle is no other place"


@pytest.mark.parametrize("stored", [{}, {"compression": "gzip", "chunks": (10, 64, 64)}])
def test_noise_by_dask_is_the_bytes_of_one_process(tmp_path, address, monkeypatch, stored):
    monkeypatch.setattr(noise_file, "BLOCK_BYTES", 20 * 64 * 64 * 2)
    path, one, many = (tmp_path / name for name in ("shots.h5", "one.h5", "many.h5"))
    with h5py.File(path, "w") as file:
        images = np.random.default_rng(0).poisson(9, (75, 64, 64)).astype(np.uint16)
        file.create_dataset("images", data=images, **stored)
        file["labels"] = np.eye(75, 11, dtype=np.uint8)
    first = list(add_noise_file(path, one, "mean+std", 4))[-1]
    last = list(add_noise_file(path, many, "mean+std", 4, scheduler=address))[-1]
    assert first | {"time": 0, "out": ""} == last | {"time": 0, "out": ""}
    with h5py.File(one) as a, h5py.File(many) as b:
        assert set(a) == set(b) == {"images", "labels"}
        for name in a:
            assert a[name][()].tobytes() == b[name][()].tobytes()
        assert dict(a["images"].attrs) == dict(b["images"].attrs)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_worker_killed_in_the_middle_costs_its_chunk_and_changes_no_byte(tmp_path, monkeypatch):
    monkeypatch.setattr(correlation_file, "BLOCK", 32)
    monkeypatch.setattr(on_dask, "LOOK_S", 0.1)
    path = make_shots(tmp_path / "shots.h5", 320)
    recipe = MapRecipe(radii=64, angles=4096)
    one, many = tmp_path / "one.h5", tmp_path / "many.h5"
    list(correlate(path, one, recipe, workers=1))
    killed, events = None, []
    with open_cluster() as cluster:
        for item in correlate(path, many, recipe, scheduler=cluster.scheduler_address):
            events.append(item)
            if item["event"] == "progress" and killed is None:
                killed = next(iter(cluster.workers.values())).pid
                os.kill(killed, signal.SIGKILL)
    assert killed is not None
    assert any("Lost 1 of 2 workers" in e.get("text", "") for e in events)
    assert one.read_bytes() == many.read_bytes()
    ranges = [(e["first"], e["last"]) for e in events if e["event"] == "progress"]
    assert len(ranges) == len(set(ranges))  # each shot once


def test_a_cancelled_run_goes_on_by_another_engine(shots, tmp_path, address):
    one, many = tmp_path / "one.h5", tmp_path / "many.h5"
    list(correlate(shots, one, RECIPE, workers=1))
    first = list(correlate(shots, many, RECIPE, scheduler=address, stop=lambda: True))
    assert first[-1]["event"] == "cancelled"
    assert not many.exists()
    second = list(correlate(shots, many, RECIPE, workers=1))
    kept, last = second[0]["done"], second[-1]["shots"] % 32
    assert 0 < kept <= first[-2]["done"]
    assert kept % 32 in (0, last)  # whole ranges of 32, and perhaps the shorter last one
    assert one.read_bytes() == many.read_bytes()


def test_a_full_disk_keeps_what_was_finished(shots, tmp_path, monkeypatch, address):
    monkeypatch.setattr(correlation_file, "BLOCK", 10)
    put, taken = Filling.put, []

    def full(self, *args):
        taken.append(args)
        if len(taken) > 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        put(self, *args)

    out = tmp_path / "maps.h5"
    with monkeypatch.context() as patch:
        patch.setattr(filling.Filling, "put", full)
        with pytest.raises(InputError, match=r"No space left.*Free some space"):
            list(correlate(shots, out, RECIPE, scheduler=address))
    assert not out.exists()
    assert next(correlate(shots, out, RECIPE, workers=1))["done"] == 30


def test_workers_of_another_version_are_refused_with_both_versions(
    shots, tmp_path, monkeypatch, address
):
    mine = on_dask.versions() | {"numpy": "1.0"}
    monkeypatch.setattr(on_dask, "versions", lambda: mine)
    with pytest.raises(InputError, match=r"numpy .* instead of 1\.0.*same environment"):
        list(correlate(shots, tmp_path / "maps.h5", RECIPE, scheduler=address))


def test_a_scheduler_out_of_reach_is_said_once(shots, tmp_path, monkeypatch):
    monkeypatch.setattr(dask_clusters, "CONNECT_S", 1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(InputError, match="does not answer"):
        list(correlate(shots, tmp_path / "m.h5", RECIPE, scheduler=f"tcp://127.0.0.1:{port}"))


@pytest.mark.parametrize("word", ["locall", "tcp://host", "http://host:1", "tcp://h:port"])
def test_what_can_be_no_scheduler_is_refused_before_any_work(shots, tmp_path, word):
    with pytest.raises(InputError, match="is no scheduler"):
        list(correlate(shots, tmp_path / "m.h5", RECIPE, scheduler=word))


def test_a_chunk_that_fails_is_told_and_the_others_are_done(tmp_path):
    class Some:
        def run(self, blocks):
            for block in blocks:
                yield block, engines.BlockError("broken") if block[0] == 4 else "made"

    taken, events = [], []
    todo = filling.blocks(12, 4)
    run = engines.each_block("x", Some(), todo, lambda b, _: taken.append(b), 0, 12, lambda: False)
    with pytest.raises(InputError, match=r"1 of 3 chunks failed; 8 of 12 shots are kept"):
        events.extend(run)
    assert taken == [(0, 4), (8, 12)]
    assert [e["text"] for e in events if e["event"] == "note"] == ["Shots 5 to 8 failed: broken"]


def test_slurm_is_given_one_thread_a_worker_and_what_the_site_says(tmp_path, monkeypatch):
    pytest.importorskip("dask_jobqueue")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    import dask

    site = {"jobqueue.slurm.queue": "upex", "jobqueue.slurm.account": "p1234"}
    with dask.config.set(site):
        cluster = dask_clusters._slurm_cluster()
        script = cluster.job_script()
        cluster.close()
    for line in ("#SBATCH -p upex", "#SBATCH -A p1234", "#SBATCH --cpus-per-task=1"):
        assert line in script
    assert "--nthreads 1" in script
    assert "export OMP_WAIT_POLICY=passive" in script
    keys = tmp_path / "airylabel" / "slurm"
    assert str(keys) in script
    assert keys.stat().st_mode & 0o077 == 0


def test_no_sbatch_is_one_message(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="no sbatch"):
        dask_clusters.slurm_cluster()


def test_a_cluster_of_this_machine_is_closed_to_who_has_not_its_key(monkeypatch):
    pytest.importorskip("cryptography")
    with dask_clusters._local(1) as cluster:
        address = cluster.scheduler_address
        assert address.startswith("tls://127.0.0.1:")
        for spoken in (address, address.replace("tls://", "tcp://")):
            stranger = distributed.security.Security.temporary() if "tls" in spoken else None
            join = partial(distributed.Client, spoken, timeout=SOON_S, security=stranger)
            with pytest.raises((OSError, TimeoutError)):
                join().submit(int).result(SOON_S)
        for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
            ports = [c.laddr for c in process.net_connections("inet") if c.status == "LISTEN"]
            assert all(port.ip in ("127.0.0.1", "::1") for port in ports), ports


def test_without_a_scheduler_nobody_needs_dask():
    assert isinstance(engines.open_workers(int, None, 1, 1, None), WorkerPool)


def test_a_run_stops_where_another_one_with_other_options_has_begun_the_same_file(tmp_path):
    def lay_out(path):
        with h5py.File(path, "w") as file:
            filling.reserve(file, "maps", (8, 4), "f4")

    def rows(value):
        return {"maps": np.full((2, 4), value, np.float32)}

    first = Filling(tmp_path / "maps.h5", {"recipe": "A"})
    first.begin(lay_out)
    first.put((0, 2), rows(1))
    first.save()
    again = Filling(tmp_path / "maps.h5", {"recipe": "A"})
    assert again.resumed
    again.put((2, 4), rows(1))  # the same order by another process: the same bytes
    other = Filling(tmp_path / "maps.h5", {"recipe": "B"})
    other.begin(lay_out)
    for stale in (first, again):
        with pytest.raises(InputError, match=r"maps\.h5: another run has begun"):
            stale.put((2, 4), rows(1))
        with pytest.raises(InputError, match="another run"):
            stale.save()
    for start in (0, 2, 4, 6):
        other.put((start, start + 2), rows(2))
    other.finish()
    with h5py.File(tmp_path / "maps.h5") as file:
        assert (file["maps"][()] == 2).all()
