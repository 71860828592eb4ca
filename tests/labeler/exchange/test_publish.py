"""What is handed to a facility comes back by the service's own reader; first it is only said."""

import hashlib
import json
import subprocess
import sys

import h5py
import numpy as np
import pytest

from labeler.cli import main
from labeler.project.project import Project
from model.errors import InputError
from model.runs.folder import PREDICTIONS, WEIGHTS
from model.shots.layouts.formats.servers import allow_server
from model.shots.layouts.formats.tiled_array import write_address
from model.shots.table import open_source
from tests.helpers.predictions import HELIUM, write_predictions
from tests.helpers.runs import make_shots
from tests.helpers.waiting import PATIENCE_S, until

SHOTS = (12, 8)
N = sum(SHOTS)


@pytest.fixture
def week(tmp_path):
    """A project of two files with labels, and a run in use that reads all shots."""
    files = [make_shots(tmp_path / f"r000{k}.h5", n) for k, n in enumerate(SHOTS, 1)]
    with Project.create(tmp_path / "week", files, annotator="Ada") as project:
        folder = project.new_run_folder()
        (folder / WEIGHTS).write_bytes(b"weights")
        probabilities = np.random.default_rng(0).random((N, len(HELIUM)))
        write_predictions(folder / PREDICTIONS, probabilities)
        project.current_run = 1
    return tmp_path / "week"


def publish(week, *words):
    return main(["publish", str(week), *map(str, words)])


def test_without_send_nothing_is_written_and_what_would_be_is_said(week, tmp_path, capsys):
    before = sorted(tmp_path.iterdir())
    assert publish(week, "--to", "folder", "--place", tmp_path / "out") == 0
    said = capsys.readouterr().out
    assert "Nothing was sent: add --send." in said
    assert f"{N} shots" in said
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_explains_itself_and_holds_what_labels_and_run_say(week, tmp_path):
    out = tmp_path / "out"
    words = ("--author", "Ada Lovelace", "--licence", "CC-BY-4.0", "--send")
    assert publish(week, "--to", "folder", "--place", out, *words) == 0
    for line in (out / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest
    with Project.open(week) as project, h5py.File(out / "shots.h5") as file:
        table = {item.attrs["name"]: item[()] for item in file.values()}
        stored = project.run_folder(1) / PREDICTIONS
        with h5py.File(stored) as run:
            for c, name in enumerate(HELIUM.names):
                np.testing.assert_array_equal(
                    table[f"probability {name}"], run["probabilities"][:, c]
                )
        shots = project.shot_table()
        said = np.where(shots.decided, shots.labels.astype(int), -1)
        for c, name in enumerate(HELIUM.names):
            np.testing.assert_array_equal(table[f"label {name}"], said[:, c])
        provenance = json.loads(file.attrs["provenance"])
        assert [s["fingerprint"] for s in provenance["sources"]] == [
            s.fingerprint for s in project.sources
        ]
    assert provenance["run"]["weights_sha256"] == hashlib.sha256(b"weights").hexdigest()
    described = json.loads((out / "datacite.json").read_text())
    needed = {"types", "titles", "creators", "publicationYear", "schemaVersion"}
    assert needed <= set(described)
    assert described["creators"][0]["name"] == "Ada Lovelace"
    found = json.loads((out / "findings.json").read_text())
    assert [s["name"] for s in found["sources"]] == ["r0001.h5", "r0002.h5"]
    assert (out / "fractions.png").read_bytes().startswith(b"\x89PNG")


def test_a_place_that_is_there_and_a_missing_database_are_refused(week, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    assert publish(week, "--to", "folder", "--place", tmp_path / "out", "--send") == 1
    assert "already there" in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []
    assert publish(week, "--to", "damnit", "--place", tmp_path, "--proposal", 2746) == 1
    said = capsys.readouterr().err
    assert "DAMNIT" in said
    assert publish(week, "--to", "damnit", "--place", tmp_path) == 1
    assert "--proposal" in capsys.readouterr().err


def test_damnits_own_reader_finds_every_run_with_the_same_numbers(week, tmp_path):
    db = pytest.importorskip("damnit.backend.db", reason="needs airylabel[publish]")
    db.DamnitDB.from_dir(tmp_path, create=True).close()
    words = ("--to", "damnit", "--place", tmp_path, "--proposal", 2746)
    assert publish(week, *words) == 0
    with db.DamnitDB.from_dir(tmp_path) as database:
        assert database.conn.execute("SELECT count(*) FROM run_info").fetchone()[0] == 0
    assert publish(week, *words, "--send") == 0
    assert publish(week, *words, "--send") == 0, "again: the same rows, not twice"
    assert publish(week, "--to", "folder", "--place", tmp_path / "out", "--send") == 0
    sides = json.loads((tmp_path / "out" / "findings.json").read_text())["sources"]
    with db.DamnitDB.from_dir(tmp_path) as database:
        rows = database.conn.execute("SELECT * FROM runs ORDER BY run").fetchall()
    assert [(row["proposal"], row["run"]) for row in rows] == [(2746, 1), (2746, 2)]
    for row, side in zip(rows, sides, strict=True):
        assert row["airylabel_shots"] == side["judged"]
        assert row["airylabel_hit_rate"] == side["hit_rate"][0]
        assert row["airylabel_newton_rings_low"] == side["fractions"]["Newton Rings"][1]
        assert db.BlobTypes.identify(row["airylabel_picture"]) is db.BlobTypes.png
        assert len(json.loads(row["airylabel_provenance"])["sources"]) == 2


def test_a_file_without_a_run_number_is_not_guessed(week, tmp_path, capsys):
    db = pytest.importorskip("damnit.backend.db", reason="needs airylabel[publish]")
    db.DamnitDB.from_dir(tmp_path, create=True).close()
    place = make_shots(tmp_path / "shots.h5", 5)
    Project.create(tmp_path / "other", [place]).close()
    words = ("--labels", "--to", "damnit", "--place", tmp_path, "--proposal", 1, "--send")
    assert publish(tmp_path / "other", *words) == 1
    assert "no run number" in capsys.readouterr().err


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a Tiled server on a loopback port, which ends with the test."""
    pytest.importorskip("tiled.server", reason="needs tiled[server]")
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    tmp_path = tmp_path_factory.mktemp("tiled")
    words = ["serve", "catalog", "--temp", "--api-key", "secret", "--port", str(port)]
    log = (tmp_path / "tiled.log").open("wb")
    program = "import sys; from tiled.commandline.main import main; sys.exit(main())"
    child = subprocess.Popen([sys.executable, "-c", program, *words], stdout=log, stderr=log)
    try:
        until(lambda: _answers(port) or child.poll() is not None)
        assert child.poll() is None, (tmp_path / "tiled.log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        child.terminate()
        child.wait()
        log.close()


def _answers(port):
    import socket

    with socket.socket() as there:
        return there.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def client(server):
    """Tiled's own client of the server."""
    from tiled.client import from_uri

    made = from_uri(server, api_key="secret")
    yield made
    made.context.http_client.close()


def test_tileds_own_client_reads_back_both_tables_the_picture_and_where_it_comes_from(
    week, server, client, monkeypatch, capsys
):
    monkeypatch.setenv("TILED_API_KEY", "secret")
    words = ("--to", "tiled", "--place", server, "--name", "week", "--send")
    assert publish(week, *words) == 0, capsys.readouterr().err
    made = client["week"]
    shots, sources = made["shots"].read(), made["sources"].read()
    with Project.open(week) as project:
        with h5py.File(project.run_folder(1) / PREDICTIONS) as file:
            column = list(HELIUM.names).index("Round")
            expected = file["probabilities"][:, column].astype(float)
            np.testing.assert_array_equal(shots["probability Round"], expected)
        files = [str(s.path) for s in project.sources]
        prints = [s.fingerprint for s in project.sources]
    assert list(shots["file"]) == [f for f, n in zip(files, SHOTS, strict=True) for _ in range(n)]
    assert list(sources["judged"]) == list(SHOTS)
    about = made.metadata["airylabel"]
    assert [s["fingerprint"] for s in about["provenance"]["sources"]] == prints
    assert made["fractions"].shape[2] in (3, 4)
    capsys.readouterr()
    assert publish(week, *words) == 1
    assert "has a container week" in capsys.readouterr().err


def test_a_tiled_server_that_is_not_there_is_said_in_a_line(week):
    pytest.importorskip("tiled.client", reason="needs airylabel[publish]")
    words = [sys.executable, "-m", "labeler", "publish", str(week), "--to", "tiled"]
    words += ["--place", "http://127.0.0.1:9", "--send"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 1
    assert "does not take it" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_array_that_tileds_own_client_wrote_is_a_source_once_the_server_is_allowed(
    server, client, tmp_path, monkeypatch, capsys
):
    expected = np.random.default_rng(5).integers(0, 999, (30, 48, 40), dtype=np.uint16)
    url = client.write_array(expected, key="shots").uri
    monkeypatch.setenv("TILED_API_KEY", "secret")
    monkeypatch.setenv("AIRYLABEL_CONFIG_DIR", str(tmp_path / "mine"))
    assert main(["create", str(tmp_path / "p"), url]) == 0
    capsys.readouterr()
    assert main(["look", str(tmp_path / "shots.tiled")]) == 0
    assert "30 shots of 48 × 40 uint16" in capsys.readouterr().out
    monkeypatch.setenv("AIRYLABEL_CONFIG_DIR", str(tmp_path / "colleague"))
    with Project.open(tmp_path / "p") as project:
        (info,) = project.sources
        assert project.unknown_servers() == [server]
    with pytest.raises(InputError, match=r"never called from here\. If you trust.*allow-server"):
        open_source(info.path)
    assert main(["allow-server", str(tmp_path / "p")]) == 0
    with open_source(info.path, known=info) as source:
        assert all(np.array_equal(source.read(k), expected[k]) for k in (0, 7, 29))
    monkeypatch.setenv("TILED_API_KEY", "wrong")
    assert main(["look", str(info.path)]) == 1
    said = capsys.readouterr().out
    assert "does not answer" in said
    assert "the key in TILED_API_KEY" in said


def test_an_address_that_is_none_and_a_server_that_is_gone_are_said(tmp_path, monkeypatch):
    utils = pytest.importorskip("tiled.client.utils", reason="needs airylabel[formats]")
    monkeypatch.setattr(utils, "TILED_RETRY_ATTEMPTS", 1)
    monkeypatch.setenv("AIRYLABEL_CONFIG_DIR", str(tmp_path / "mine"))
    (tmp_path / "a.tiled").write_text("file:///etc/passwd")
    with pytest.raises(InputError, match=r"a\.tiled: holds no address of a Tiled server"):
        open_source(tmp_path / "a.tiled")
    allow_server("http://127.0.0.1:9")
    write_address("http://127.0.0.1:9/api/v1/metadata/x", tmp_path / "b.tiled")
    with pytest.raises(InputError, match=r"b\.tiled: Tiled at http://127.0.0.1:9.*does not answer"):
        open_source(tmp_path / "b.tiled")
