"""The folder of a live experiment or study is looked at before anything is set."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import workbench as wb
from tests.experiments.live_programs import KNOB, WORKBENCH, A, B, run_busy
from workbench.control import ControlBlock
from workbench.errors import WorkbenchError
from workbench.experiments.result_folder import prepare_folder
from workbench.tuning import Bounds

WRONG = {
    "file": "it is no folder; name a folder",
    "missing/folder": "missing: no such folder; make it first",
    "compared": "it holds results of a comparison or sweep (plan.json); give another folder",
}


@pytest.fixture(scope="module")
def block() -> Iterator[ControlBlock]:
    with run_busy() as process, ControlBlock.open(process.pid) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "file").write_text("mine")
    for name, held in (("compared", "plan"), ("measured", "experiment"), ("tuned", "study")):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{held}.json").write_text("{}")
    return tmp_path


def experiment(pid: int, output: Path) -> object:
    return wb.experiment(pid, {KNOB: B}, {KNOB: A}, probes=["process.resident"], output=output)


def tune(pid: int, output: Path) -> object:
    return wb.tune_live(pid, {KNOB: Bounds(64, 4096)}, probes=["process.resident"], output=output)


@pytest.mark.parametrize("run", [experiment, tune])
def test_a_wrong_folder_is_refused_before_anything_is_set(
    run: Callable[[int, Path], object], block: ControlBlock, folder: Path
) -> None:
    before, files = block.requested(), sorted(folder.rglob("*"))
    place, held = ("measured", "experiment") if run is tune else ("tuned", "study")
    wrong = WRONG | {place: f"it holds results of a live {held} ({held}.json); give another folder"}
    for name, words in wrong.items():
        with pytest.raises(WorkbenchError, match=re.escape(words)) as refused:
            run(block.info.pid, folder / name)
        assert len(str(refused.value).splitlines()) == 1
    assert block.requested() == before
    assert sorted(folder.rglob("*")) == files


def test_the_command_says_it_in_a_line(block: ControlBlock, folder: Path) -> None:
    command = [str(WORKBENCH), "experiment", str(block.info.pid), "--b", f"{KNOB}={B}"]
    options = ["--probe", "process.resident", "--output", str(folder / "compared")]
    done = subprocess.run([*command, *options], check=False, capture_output=True, text=True, timeout=120)
    words = WRONG["compared"]
    assert (done.returncode, done.stderr) == (2, f"workbench: {folder / 'compared'}: {words}\n")


@pytest.mark.parametrize(
    ("name", "words"),
    [("missing", "there is no such folder"), ("compared", "it holds no live experiment")],
)
def test_who_exports_from_a_folder_without_an_experiment_is_told(name: str, words: str, folder: Path) -> None:
    command = [str(WORKBENCH), "export", "--experiment", str(folder / name), "--format", "env"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    said = f"workbench: {folder / name}: {words}; give the --output of a live experiment\n"
    assert (done.returncode, done.stderr) == (2, said)


def test_the_last_folder_is_made_and_other_files_may_be_there(tmp_path: Path) -> None:
    assert prepare_folder(tmp_path / "new", "study.json").is_dir()
    (tmp_path / "notes.txt").write_text("mine")
    assert prepare_folder(tmp_path, "experiment.json") == tmp_path


def test_former_results_of_the_same_kind_stay(tmp_path: Path) -> None:
    for text in ("first", "second", "third"):
        prepare_folder(tmp_path, "experiment.json")
        (tmp_path / "experiment.json").write_text(text)
    kept = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert kept == {"experiment.1.json": "first", "experiment.2.json": "second", "experiment.json": "third"}
