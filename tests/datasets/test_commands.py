"""`workbench datasets` and `workbench trace`, typed as a user does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.cli.terminal import assert_refused
from tests.datasets.conftest import SMALLEST
from tests.datasets.made_up import make_events, write_trace
from workbench.cli import cli
from workbench.datasets import known_datasets
from workbench.traces.format import HEADER_BYTES, pack_header

Type = Callable[..., Result]


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Type:
    """Run a command in this process and in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> Result:
        return CliRunner().invoke(cli, [str(word) for word in words])

    return run


def test_datasets_are_listed(invoke: Type) -> None:
    lines = invoke("datasets").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["dataset", *known_datasets()]
    listed = json.loads(invoke("datasets", "--json").stdout)["datasets"]
    assert [card["name"] for card in listed] == list(known_datasets())
    assert {"command", "versions", "date", "size_histogram", "live_bytes", "licence", "sha256"} < set(
        listed[0]
    )


def test_verify(invoke: Type, copied: Path) -> None:
    result = invoke("datasets", "verify")
    assert (result.exit_code, result.stdout) == (0, f"{SMALLEST}: sound\n")
    path = copied / f"{SMALLEST}.haktrace"
    path.write_bytes(path.read_bytes() + b"more")
    result = invoke("datasets", "verify", SMALLEST)
    assert result.exit_code == 1
    assert result.stdout == f"{SMALLEST}: {path.name} is not the file of the card: its SHA-256 differs\n"
    (told,) = json.loads(invoke("datasets", "verify", "--json").stdout)
    assert told["problems"]
    assert_refused(invoke("datasets", "verify", "xz_thread"), "unknown dataset 'xz_thread'")


def test_rebuild_of_a_scenario_that_has_no_recording_yet(invoke: Type, copied: Path, tmp_path: Path) -> None:
    folder = copied / "scenarios" / "little"
    folder.mkdir()
    (folder / "scenario.toml").write_text(
        'help = "ls"\nprogram = "ls"\ncommand = ["ls"]\nprograms = ["ls"]\npackages = ["coreutils"]\n'
    )
    result = invoke("datasets", "rebuild", "little", "--output", tmp_path / "it's mine.haktrace")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{tmp_path / 'it'}'s mine.haktrace: ")
    told = json.loads(invoke("datasets", "rebuild", "little", "--json").stdout)
    assert told["card"]["name"] == "little"
    assert_refused(invoke("datasets", "rebuild", "littel"), "did you mean 'little'?")
    assert_refused(
        invoke("datasets", "rebuild", "little", "--output", "none/a.haktrace"), "in a folder there is"
    )


def test_datasets_that_are_not_there(invoke: Type, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WORKBENCH_DATASETS", str(tmp_path / "none"))
    assert_refused(invoke("datasets"), "no datasets: WORKBENCH_DATASETS=")


@pytest.fixture
def odd_path(tmp_path: Path) -> Path:
    """A sound trace with a name that has to be quoted."""
    folder = tmp_path / 'a "folder" that\'s odd'
    folder.mkdir()
    return write_trace(folder / "the 'trace' é.haktrace", make_events(seed=4, count=5000))


def test_summary_has_all_tables(invoke: Type, odd_path: Path) -> None:
    result = invoke("trace", "summary", odd_path, "--rows", 3)
    assert (result.exit_code, result.stderr) == (0, "")
    for heading in ("sizes asked for most", "lifetimes", "call sites", "phases", "threads", "reallocs"):
        assert f"\n{heading}" in result.stdout
    assert "5000 events" in result.stdout
    told = json.loads(invoke("trace", "summary", odd_path, "--json").stdout)
    assert told["event_count"] == 5000
    assert {"sizes", "lifetimes", "sites", "phases", "threads", "reallocs", "live"} < set(told)


def test_summary_of_a_dataset_quotes_its_command(invoke: Type) -> None:
    assert "'.read work.sql'" in invoke("trace", "summary", "sqlite3").stdout.splitlines()[0]


def test_plot_writes_a_page_that_needs_no_network(invoke: Type, odd_path: Path, tmp_path: Path) -> None:
    result = invoke("trace", "plot", odd_path)
    page = tmp_path / "the 'trace' é.html"
    assert result.stdout == f"{page}\n"
    text = page.read_text()
    assert "<script src=" not in text
    for name in ("sizes", "lifetimes", "live", "phases", "sites", "threads", "reallocs"):
        assert f'id="{name}"' in text
    told = json.loads(invoke("trace", "plot", odd_path, "-o", "other page.html", "--json").stdout)
    assert told == {"page": str(tmp_path / "other page.html"), "damage": None}


def test_what_precedes_damage_is_told(invoke: Type, odd_path: Path, tmp_path: Path) -> None:
    content = odd_path.read_bytes()
    odd_path.write_bytes(content[: len(content) // 2])
    for words in (("summary", odd_path), ("plot", odd_path), ("summary", odd_path, "--json")):
        result = invoke("trace", *words)
        assert result.exit_code == 0
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"workbench: {odd_path}: at byte ")
        assert line.endswith("what precedes it is told")
    assert "<strong>Damaged at byte " in (tmp_path / "the 'trace' é.html").read_text()


@pytest.mark.parametrize("command", ["summary", "plot"])
def test_wrong_files(invoke: Type, command: str, odd_path: Path, tmp_path: Path) -> None:
    (tmp_path / "newer.haktrace").write_bytes(pack_header(version=9) + odd_path.read_bytes()[HEADER_BYTES:])
    (tmp_path / "text.haktrace").write_text("no trace\n")
    (tmp_path / "empty.haktrace").write_bytes(b"")
    (tmp_path / "folder.haktrace").mkdir()
    before = sorted(tmp_path.iterdir())
    for name, message in {
        "newer.haktrace": "newer.haktrace: it is a trace of version 9, this workbench reads version 1",
        "text.haktrace": "text.haktrace: it is no trace",
        "empty.haktrace": "empty.haktrace: it is no trace",
        "folder.haktrace": "folder.haktrace: it is a folder",
        "missing.haktrace": "missing.haktrace: no such file",
        "no/such": "no/such: no such file",
        "redi": "unknown dataset 'redi': did you mean 'redis'?",
    }.items():
        assert_refused(invoke("trace", command, name), message)
    assert sorted(tmp_path.iterdir()) == before
    result = invoke("trace", "plot", odd_path, "-o", "none/page.html")
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [f"workbench: {tmp_path}/none: no such folder; make it first"]
