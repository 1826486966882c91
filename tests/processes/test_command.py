"""A whole program measured: its memory is that of its family, whose members come and go."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.errors import CannotPreload
from workbench.processes.command import open_folder, run_command
from workbench.processes.figures import Figure
from workbench.processes.runs import Run
from workbench.processes.server import Server

CAP_S = 180.0
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(0.3)'])"


def test_a_child_that_ends_while_its_folder_is_listed_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_folder = Path.glob
    vanished: list[Path] = []

    def vanish(self: Path, pattern: str) -> Iterator[Path]:
        if self.name == "task" and not vanished:
            vanished.append(self)
            raise FileNotFoundError(2, "No such file or directory", str(self))
        return list_folder(self, pattern)

    monkeypatch.setattr(Path, "glob", vanish)
    outcome = run_command(
        Run("sleep", command=(sys.executable, "-c", PARENT), allocator="glibc"), tmp_path, CAP_S
    )
    assert outcome.status == "completed"
    assert vanished


@pytest.mark.parametrize(
    ("program", "least_mib", "most_mib"), [("pass", 2, 40), ("size = 64 << 20; b'x' * size", 64, 104)]
)
def test_a_command_that_ends_before_the_first_sample_has_its_own_peak(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, least_mib: int, most_mib: int
) -> None:
    monkeypatch.setattr("workbench.processes.program._POLL_S", CAP_S)
    size = 128 << 20
    ours = b"x" * size  # the kernel takes the peak of whoever forks for that of the child
    for command in (
        (sys.executable, "-Sc", program),
        ("/bin/sh", "-c", f'{sys.executable} -Sc "{program}"; :'),
    ):
        outcome = run_command(Run("short", command=command, allocator="glibc"), tmp_path, CAP_S)
        assert (outcome.status, outcome.sample_count) == ("completed", 0)
        assert least_mib << 20 <= outcome.peak_resident_bytes < most_mib << 20
    assert len(ours) == size


def test_a_client_that_ends_before_the_first_sample_leaves_its_servers_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = "size = 64 << 20; kept = b'x' * size; print('ready', flush=True); import time; time.sleep(600)"
    server = Server((sys.executable, "-Sc", program), ready="^ready$")
    figures = (Figure("memory", probe="process.resident"), Figure("faults", probe="process.minor_faults"))
    run = Run("service", command=("true",), server=server, allocator="glibc", figures=figures)
    monkeypatch.setattr("workbench.processes.program._POLL_S", CAP_S)
    outcome = run_command(run, tmp_path, CAP_S)
    assert (outcome.status, outcome.sample_count) == ("completed", 1)
    assert 64 << 20 <= outcome.mean_resident_bytes <= outcome.peak_resident_bytes < 104 << 20
    # Probes, too, are of the server, and are read once more when its client has ended.
    memory, faults = (figure.read(outcome.output_tail, outcome.probed) for figure in figures)
    assert 64 << 20 <= memory < 104 << 20
    assert 0 <= faults < 1000


def test_a_program_among_the_inputs_is_found(tmp_path: Path) -> None:
    program = tmp_path / "greet"
    program.write_bytes(Path("/bin/true").read_bytes())
    program.chmod(0o755)
    run = Run("greet", command=("./greet",), inputs=(program,), allocator="glibc")
    run.check()
    with open_folder(run) as folder:
        assert run_command(run, folder, CAP_S).status == "completed"
    with pytest.raises(CannotPreload, match=r"\./missing: no such file"):
        Run("greet", command=("./missing",), inputs=(program,), allocator="glibc").check()
