"""The recordings in the repository: whole, as their cards say, described, free of what is private."""

from __future__ import annotations

import hashlib
import re
import socket
from pathlib import Path

import pandas as pd
import pytest

from tests.datasets.conftest import SMALLEST
from tests.project.tracked_files import list_files, read_bytes
from workbench.datasets import (
    Card,
    datasets_folder,
    find,
    known_datasets,
    load,
    rebuild,
    scenarios,
    verify,
)
from workbench.datasets.catalogue import OVERVIEW, render_overview, replace_overview
from workbench.errors import DamagedDataset, MissingProgram, UnknownDataset, WorkerFailed
from workbench.traces import CallKind, Trace

NAMES = sorted(known_datasets())
LIMIT_BYTES = 40_000_000
# What the field and the workbench's users would look for.
WANTED = {
    "python_json_ast", "python_asyncio", "python_pipeline", "sqlite3", "redis", "gcc_cc1", "gpp_cc1plus",
    "git_log", "perl", "lua", "qpdf", "lynx", "xz_threads",
}  # fmt: skip


def test_every_scenario_has_its_recording() -> None:
    assert set(NAMES) == set(scenarios())
    assert set(NAMES) >= WANTED
    stray = {path.stem for path in list_recordings()} - set(NAMES)
    assert stray == set()


def test_together_they_stay_small() -> None:
    assert sum(len(read_bytes(path)) for path in list_recordings()) < LIMIT_BYTES


def list_recordings() -> list[Path]:
    """Those that are committed: who uses a checkout may record others beside them."""
    return [path for path in list_files() if path.suffix == ".haktrace" and path.parts[0] == "datasets"]


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_is_the_one_of_its_card(name: str) -> None:
    """What opening it can tell; `workbench datasets verify` recomputes all of it."""
    card = known_datasets()[name]
    assert hashlib.sha256(find(name).read_bytes()).hexdigest() == card.sha256
    with Trace.open(find(name)) as trace:
        assert trace.damage is None
        metadata = trace.metadata
    assert metadata.complete
    assert (metadata.unknown_frees, metadata.lost_events) == (0, 0)
    assert (metadata.event_count, metadata.thread_count) == (card.events, card.threads)
    assert metadata.object_count == card.objects
    assert metadata.site_count >= card.call_sites
    assert (metadata.checksum, metadata.peak_live_bytes) == (card.trace_checksum, card.peak_live_bytes)
    assert card.file_bytes / card.events < 4
    assert sum(card.size_histogram.values()) == card.objects
    assert card.live_bytes[-1] == card.final_live_bytes
    assert card.licence == "CC0-1.0"
    assert {"workbench", "c_library"} < set(card.versions)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_private_is_in_it(name: str) -> None:
    with Trace.open(find(name)) as trace:
        metadata, modules = trace.metadata, {site.module for site in trace.sites}
    assert (metadata.pid, metadata.parent_pid) == (0, 0)
    assert not [module for module in modules if "/" in module]
    words = [*metadata.command, *metadata.versions.values(), find(name).with_suffix(".toml").read_text()]
    paths = re.findall(r"(?<![\w.:>])/[\w.+-]+(?:/[\w.+-]+)*", "\n".join(words))
    assert [path for path in paths if not path.startswith(("/usr/lib/", "/dev/null"))] == []
    assert not [word for word in words if socket.gethostname() in word]


def test_load_gives_a_frame() -> None:
    frame = load(SMALLEST)
    card = known_datasets()[SMALLEST]
    assert len(frame) == card.events
    assert set(frame["kind"].cat.categories) >= {"malloc", "calloc", "realloc", "free"}
    allocated = frame[frame["kind"].isin(["malloc", "calloc", "aligned"])]
    assert allocated["object_id"].tolist() == list(range(card.objects))
    assert isinstance(frame, pd.DataFrame)


def test_the_readme_has_the_table_of_the_cards() -> None:
    text = (datasets_folder() / OVERVIEW).read_text()
    assert render_overview(known_datasets().values()) in text
    assert replace_overview(text, known_datasets().values()) == text
    assert replace_overview("no place for it", known_datasets().values()) == "no place for it"


def test_a_card_survives_being_written(tmp_path: Path) -> None:
    card = known_datasets()[SMALLEST]
    card.write(tmp_path / "card.toml")
    assert Card.read(tmp_path / "card.toml") == card


def test_a_sound_dataset(copied: Path) -> None:
    assert verify(SMALLEST) == []
    assert find(SMALLEST).parent == copied


def test_what_is_wrong_with_a_dataset_is_named(copied: Path) -> None:
    path, card_path = copied / f"{SMALLEST}.haktrace", copied / f"{SMALLEST}.toml"
    text = card_path.read_text()
    card_path.write_text(re.sub(r"^objects = \d+", "objects = 7", text, flags=re.MULTILINE))
    count = known_datasets()[SMALLEST].events
    with Trace.open(path) as trace:
        objects = trace.metadata.object_count
    assert verify(SMALLEST) == [f"objects: the card says 7, the recording {objects}"]
    assert count > 0

    card_path.write_text(text)
    content = path.read_bytes()
    path.write_bytes(content[:-100])
    (problem,) = verify(SMALLEST)
    assert problem == f"{SMALLEST}.haktrace is not the file of the card: its SHA-256 differs"

    path.unlink()
    assert verify(SMALLEST) == [f"{SMALLEST}.haktrace is missing"]
    with pytest.raises(UnknownDataset, match=f"workbench datasets rebuild {SMALLEST}"):
        find(SMALLEST)

    card_path.write_text("name = 3")
    with pytest.raises(DamagedDataset, match="not a dataset's card"):
        known_datasets()[SMALLEST]


def test_unknown_names(copied: Path) -> None:
    with pytest.raises(UnknownDataset, match=f"there is {SMALLEST}|{SMALLEST}"):
        load("xz_thread")
    with pytest.raises(UnknownDataset):
        load("../xz_threads")


@pytest.fixture
def scenario(copied: Path) -> Path:
    """The folder of a scenario: a shell that does little."""
    folder = copied / "scenarios" / "little"
    folder.mkdir()
    (folder / "run.sh").write_text("ls / >/dev/null\nexec ls -l .\n")
    (folder / "scenario.toml").write_text(
        'help = "ls lists"\nprogram = "ls"\ncommand = ["sh", "run.sh"]\n'
        'programs = ["ls"]\npackages = ["coreutils"]\n'
    )
    return folder


def test_rebuild_records_and_describes(scenario: Path, copied: Path) -> None:
    (copied / OVERVIEW).write_text(
        "# Mine\n<!-- made from the cards by `workbench datasets rebuild` -->\n<!-- end -->\nmore\n"
    )
    path = rebuild("little")
    card = known_datasets()["little"]
    assert verify("little") == []
    assert (card.program, card.command, card.scenario) == ("ls", "ls -l .", "sh run.sh")
    assert card.events == len(load("little")) > 0
    assert "coreutils" in card.versions
    with Trace.open(path) as trace:
        assert not any("/" in site.module for site in trace.sites)
    readme = (copied / OVERVIEW).read_text()
    assert "[`little`](little.toml) | ls lists |" in readme
    assert readme.startswith("# Mine\n")
    assert readme.endswith("<!-- end -->\nmore\n")


def test_rebuild_elsewhere_leaves_the_dataset_alone(scenario: Path, copied: Path, tmp_path: Path) -> None:
    rebuild("little", tmp_path / "mine.haktrace")
    assert Card.read(tmp_path / "mine.toml").name == "little"
    assert not (copied / "little.toml").exists()


def test_rebuild_says_what_is_missing(scenario: Path, copied: Path) -> None:
    text = (scenario / "scenario.toml").read_text()
    (scenario / "scenario.toml").write_text(text + 'files = ["/usr/include/none.h"]\n')
    with pytest.raises(MissingProgram, match=r"needs /usr/include/none\.h; apt-get install coreutils"):
        rebuild("little")
    (scenario / "scenario.toml").write_text(text.replace('["ls"]', '["ls", "no-such-program"]'))
    with pytest.raises(MissingProgram, match="needs no-such-program; apt-get install coreutils"):
        rebuild("little")
    (scenario / "scenario.toml").write_text(text)
    (scenario / "run.sh").write_text("ls / >/dev/null\necho it went wrong\nexit 3\n")
    with pytest.raises(WorkerFailed, match="ended with 3; it said: it went wrong"):
        rebuild("little")
    (scenario / "run.sh").write_text("cat run.sh\n")
    with pytest.raises(WorkerFailed, match="ran no ls; recorded: "):
        rebuild("little")
    (scenario / "scenario.toml").write_text(text + "surprise = 1\n")
    with pytest.raises(DamagedDataset, match="it is no scenario"):
        rebuild("little")
    assert not (copied / "little.toml").exists()


def test_the_kinds_of_events_are_all_there() -> None:
    """Together the recordings have everything a replay has to cope with."""
    kinds = {
        CallKind.MALLOC,
        CallKind.CALLOC,
        CallKind.ALIGNED,
        CallKind.REALLOC,
        CallKind.FREE,
    }
    with Trace.open(find("rsvg")) as trace:
        seen = {kind for chunk in trace.chunks() for kind in chunk.kind}
    assert kinds | {CallKind.THREAD_START, CallKind.THREAD_END} <= seen
