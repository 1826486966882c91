"""sessions: listed, shown, repeated, as a notebook."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from workbench.processes import Run, Step
from workbench.sessions import record_run

Invoke = Callable[..., Result]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one recording."""
    spec = Run(
        "phases",
        threads=1,
        operations=1_000_000,
        tunables={"clock.mode": "operations"},
        schedule=(Step({"tls.grow_percent": 60}, 200_000),),
    )
    made = tmp_path_factory.mktemp("recorded here")
    record_run(spec, made, name="it's one")
    return made


def test_they_are_listed_and_shown(invoke: Invoke, folder: Path) -> None:
    (entry,) = json.loads(invoke("sessions", "--folder", folder, "--json").stdout)
    assert (entry["status"], entry["operations"]) == ("completed", 1_000_000)
    assert "it's one.session" in invoke("sessions", "--folder", folder).stdout
    shown = invoke("sessions", "show", entry["path"])
    assert "repeats event for event" in shown.stdout
    assert json.loads(invoke("sessions", "show", entry["path"], "--json").stdout)["inexactness"] == []
    assert "nothing is recorded in" in invoke("sessions", "--folder", folder / "none").stdout


def test_one_is_found_by_its_name(
    invoke: Invoke, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("it's one", "it's one.session", folder / "it's one.session"):
        shown = invoke("sessions", "--folder", folder, "show", name)
        assert (shown.exit_code, "repeats event for event" in shown.stdout) == (0, True), shown.stderr
    answer = invoke("sessions", "--json", "--folder", folder, "show", "it's one")
    assert json.loads(answer.stdout)["operations"] == 1_000_000
    monkeypatch.setenv("WORKBENCH_SESSIONS", str(folder))
    assert invoke("sessions", "show", "it's one").exit_code == 0
    other = invoke("sessions", "--folder", tmp_path, "show", "it's one")
    assert (other.exit_code, other.stderr.count("\n")) == (2, 1)


def test_one_is_repeated_and_made_a_notebook(invoke: Invoke, folder: Path, tmp_path: Path) -> None:
    path = folder / "it's one.session"
    answer = invoke("sessions", "repeat", path, "--into", tmp_path)
    assert (answer.exit_code, "the same, event for event" in answer.stdout) == (0, True)
    report = json.loads(invoke("sessions", "repeat", path, "--into", tmp_path, "--json").stdout)
    assert report["agrees"] is report["is_exact"] is True
    answer = invoke("sessions", "notebook", path, "-o", tmp_path / 'a "b".ipynb')
    assert "wrote " in answer.stdout
    assert json.loads((tmp_path / 'a "b".ipynb').read_text())["nbformat"] == 4


def test_one_becomes_a_page_that_opens_offline(invoke: Invoke, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "page.html"
    assert "wrote " in invoke("sessions", "page", folder / "it's one.session", "-o", output).stdout
    page = output.read_text(encoding="utf-8")
    assert page.count("Plotly.newPlot(") == 1
    assert "<script src=" not in page
    assert "<h2>Changes and notes</h2>" in page
    assert "<code>workbench sessions repeat " in page
    output.write_text("mine")
    answer = invoke("sessions", "page", folder / "it's one.session", "-o", output)
    assert (answer.exit_code, output.read_text(encoding="utf-8")) == (2, "mine")


def test_what_is_none_is_one_line(invoke: Invoke, tmp_path: Path) -> None:
    for command in ("show", "notebook", "page", "repeat"):
        answer = invoke("sessions", command, tmp_path / "none")
        assert answer.exit_code == 2
        assert answer.stderr.startswith("workbench: there is no session")
        assert answer.stderr.count("\n") == 1
