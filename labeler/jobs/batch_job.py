"""Long work on all shots that the window sends for: what the subcommands are asked, in words.

The work itself is a Job like any other; who does it, processes of this machine or the workers of a
Dask scheduler, is one choice for all of them. No Qt, and nothing is read here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from labeler.project.project import Project

READ, THUMBNAILS, MAPS, NOISE = "read", "thumbnails", "maps", "noise"
WORKS: dict[str, str] = {
    READ: "Read all shots by the network in use",
    THUMBNAILS: "Make all thumbnails",
    MAPS: "Correlation maps of a file",
    NOISE: "A noisy copy of a file",
}
"""Kind of work -> what it is called."""
NEEDS_FILE = (MAPS, NOISE)
LEVELS = ("mean", "mean+std", "max")
HERE, DASK, SLURM, ADDRESS = "", "local", "slurm", "address"
ENGINES: dict[str, str] = {
    HERE: "This computer",
    DASK: "Dask on this computer",
    SLURM: "Slurm, by Dask",
    ADDRESS: "A Dask scheduler at",
}
"""What does it -> what it is called."""


@dataclass(frozen=True)
class BatchJob:
    """One piece of work. `file` and `out` matter to maps and noise; `workers` 0 is: as many as fit.

    `engine` is one of ENGINES, `address` that of a scheduler which runs already.
    """

    kind: str
    engine: str = HERE
    address: str = ""
    workers: int = 0
    file: Path | None = None
    out: Path | None = None
    level: str = LEVELS[0]

    def lacking(self, project: Project) -> str:
        """What it still needs, in words; '' where it can begin."""
        if self.kind == READ and project.current_run is None:
            return "No network is in use yet: train one first."
        if self.kind in NEEDS_FILE and self.out is None:
            return "Name the file to write."
        if self.engine == ADDRESS and not self.address:
            return "Give the scheduler's address, for example tcp://host:8786."
        return ""

    def words(self, project: Project) -> list[str]:
        """What `airylabel` is asked for."""
        folder = str(project.folder)
        if self.kind == READ:
            run = project.current_run
            asked = ["predict", folder]
            asked += [] if run is None else ["--run", str(project.run_folder(run))]
        elif self.kind == THUMBNAILS:
            asked = ["thumbnails", folder]
        else:
            verb = "correlate" if self.kind == MAPS else "add-noise"
            asked = [verb, str(self.file), "--out", str(self.out)]
            dataset = next((s.dataset for s in project.sources if s.path == self.file), None)
            asked += ["--dataset", dataset] if dataset else []
            asked += ["--level", self.level] if self.kind == NOISE else ["--project", folder]
        asked += ["--scheduler", self.scheduler] if self.scheduler else []
        if self.workers and self.counts_workers:
            asked += ["--workers", str(self.workers)]
        return asked

    @property
    def scheduler(self) -> str:
        """As `--scheduler` takes it; '' for the processes of this computer."""
        return self.address if self.engine == ADDRESS else self.engine

    @property
    def counts_workers(self) -> bool:
        """Whether someone may say how many work on it."""
        if self.engine == ADDRESS:
            return False  # those that the scheduler has
        return self.engine != HERE or self.kind in (THUMBNAILS, MAPS)
