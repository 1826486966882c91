"""A session run again: event for event with one thread and a clock of operations, else within intervals."""

from __future__ import annotations

import dataclasses
import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
from msgspec.structs import replace

from tests.sessions.conftest import OPERATIONS
from workbench.errors import BadParameter, DamagedSession, UnknownWorkload, WorkbenchError
from workbench.plots import draw_session
from workbench.probes import parse_probe, probe_from_callable
from workbench.processes import Run, Step
from workbench.sessions import (
    Session,
    compare_sessions,
    explain_inexactness,
    plan_repetition,
    record_run,
    repeat_session,
    save_notebook,
)


def copy_session(session: Session, folder: Path) -> Path:
    return Path(shutil.copytree(session.path, folder / session.path.name))


def test_it_is_the_same_event_for_event(exact_session: Session, tmp_path: Path) -> None:
    assert explain_inexactness(exact_session) == []
    repeated = repeat_session(exact_session, tmp_path)
    agreement = compare_sessions(exact_session, repeated)
    assert agreement.is_exact, agreement.describe()
    assert agreement.agrees
    assert "event for event" in agreement.describe()
    assert agreement.events == len(exact_session.events) > 30
    capacity = exact_session.events["kind"].isin(["TLS_GROW", "TLS_SHRINK"])
    assert capacity.sum() > 10
    assert (exact_session.events["kind"] == "TUNABLE_ADOPT").sum() == 2
    # An action is done there too; what it gave back is the system's and need not be the same.
    for one in (exact_session, repeated):
        assert one.events["item"][one.events["kind"] == "ACTION"].tolist() == ["trim"]
    assert repeated.operations == exact_session.operations == OPERATIONS
    # And a repetition is a session that can be repeated.
    again = repeat_session(repeated, tmp_path)
    assert compare_sessions(exact_session, again).is_exact


def test_another_change_or_seed_is_told_apart(exact_session: Session, tmp_path: Path) -> None:
    spec = plan_repetition(exact_session)
    moved = tuple(Step(step.settings, (step.at_operations or 0) + 1000) for step in spec.schedule)
    for other in (replace(spec, schedule=moved), replace(spec, schedule=())):
        agreement = compare_sessions(exact_session, record_run(other, tmp_path))
        assert not agreement.agrees
        assert agreement.describe().startswith("NOT the same: ")


def test_more_threads_are_compared_within_intervals(tmp_path: Path) -> None:
    original = record_run(Run("larson", threads=2, seconds=1.2), tmp_path)
    reasons = explain_inexactness(original)
    assert any("2 threads" in reason for reason in reasons)
    agreement = compare_sessions(original, repeat_session(original))
    frame = agreement.to_frame()
    assert "throughput" in frame.index
    assert any(name.startswith("final tls.capacity") for name in frame.index)
    assert (frame["low"] <= frame["original"]).all()
    assert (frame["original"] <= frame["high"]).all()
    assert "not comparable event for event" in agreement.describe()


def test_a_session_that_was_cut_is_repeated_as_far_as_it_goes(
    exact_session: Session, tmp_path: Path
) -> None:
    """As after a kernel that was killed: no end, and the last second missing."""
    folder = copy_session(exact_session, tmp_path)
    facts = json.loads((folder / "session.json").read_text())
    facts |= {"status": "", "operations": None, "elapsed_s": None}
    (folder / "session.json").write_text(json.dumps(facts))
    cut = Session.open(folder)
    # What was read of events before the last sample that is left.
    cut.__dict__["events"] = exact_session.events.iloc[:20]
    assert cut.operations == OPERATIONS
    assert plan_repetition(cut).operations == OPERATIONS
    agreement = compare_sessions(cut, repeat_session(cut, tmp_path / "again"))
    assert agreement.is_exact, agreement.describe()


def test_charts_are_those_that_were_live(exact_session: Session) -> None:
    for along in ("time", "operations"):
        figure = draw_session(exact_session, exact_session, along=along)
        titles = {annotation.text for annotation in figure.layout.annotations}
        assert {"Throughput", "Memory", "TLS cache capacity", "BigCache"} <= titles
        assert len(figure.layout.shapes) == 2 * len(titles)  # two changes on every chart
    assert draw_session(exact_session).data
    with pytest.raises(BadParameter, match="neither time nor operations"):
        draw_session(exact_session, along="luck")


def execute(path: Path, out: Path, **parameters: Any) -> Any:
    with warnings.catch_warnings():
        # The client's own event loop and kernel connection, not the notebook's code.
        warnings.simplefilter("ignore")
        return papermill.execute_notebook(
            str(path), str(out), parameters=parameters, progress_bar=False, cwd=str(out.parent)
        )


def read_texts(notebook: Any) -> str:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "\n".join(str(output.get("text", "")) + str(output.get("data", {})) for output in outputs)


def test_a_saved_notebook_repeats_the_session_unattended(exact_session: Session, tmp_path: Path) -> None:
    path = save_notebook(exact_session, tmp_path / "again and 'again'.ipynb")
    read: Any = nbformat.read
    saved = read(path, as_version=4)
    nbformat.validate(saved)
    assert saved.metadata.kernelspec.name == "python3"
    for cell in saved.cells:
        assert "def " not in cell.source
        assert "class " not in cell.source
        assert cell.get("outputs", []) == []
    executed = execute(path, tmp_path / "out.ipynb", results=str(tmp_path / "new"))
    text = read_texts(executed)
    assert "the same, event for event" in text
    assert "plotly" in text
    assert len(list((tmp_path / "new").glob("*.session"))) == 1


def test_a_hostile_parameter_of_a_saved_notebook_is_one_clear_line(
    exact_session: Session, tmp_path: Path
) -> None:
    path = save_notebook(exact_session, tmp_path / "hostile.ipynb")
    with pytest.raises(papermill.PapermillExecutionError) as caught:
        execute(path, tmp_path / "out.ipynb", session="'); import os; os.abort(); ('")
    assert caught.value.ename == "DamagedSession"
    assert "there is no session" in caught.value.evalue
    assert "\n" not in caught.value.evalue.strip()


@pytest.mark.parametrize("session", ["/etc/passwd", "x" * 5000, 7, None, "a\0b", "", "/dev/null"])
def test_what_a_notebook_may_name_as_a_session_is_refused_in_one_line(session: Any) -> None:
    with pytest.raises(DamagedSession) as caught:
        repeat_session(session)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_results_that_cannot_be_written_are_said(exact_session: Session) -> None:
    with pytest.raises(BadParameter, match="/proc/nowhere"):
        repeat_session(exact_session, "/proc/nowhere")


def test_what_cannot_be_repeated_is_said(exact_session: Session, tmp_path: Path) -> None:
    attached = Session(tmp_path, dataclasses.replace(exact_session.facts, spec=None))
    with pytest.raises(BadParameter, match="cannot be run again"):
        save_notebook(attached, tmp_path / "no.ipynb")
    folder = copy_session(exact_session, tmp_path)
    facts = json.loads((folder / "session.json").read_text())
    facts["spec"]["workload"] = "larson'; DROP TABLE"
    (folder / "session.json").write_text(json.dumps(facts))
    with pytest.raises(UnknownWorkload):
        repeat_session(folder)
    facts["spec"]["workload"] = "phases"
    facts["spec"]["schedule"] = [[5, {"no.such": 1}]]
    (folder / "session.json").write_text(json.dumps(facts))
    with pytest.raises(WorkbenchError, match=r"no\.such"):
        repeat_session(folder)
    (folder / "changes.parquet").unlink()
    with pytest.raises(DamagedSession, match="has no changes"):
        repeat_session(folder)
    with pytest.raises(WorkbenchError, match="cannot be written"):
        save_notebook(exact_session, "/proc/no.ipynb")


def test_probes_are_read_again_and_their_curves_compared(tmp_path: Path) -> None:
    spec = Run("larson", threads=1, seconds=0.5)
    level = probe_from_callable("level", lambda: 4.0, "m", period_s=0.02)
    queue = dataclasses.replace(parse_probe("queue:jobs=echo 7"), period_s=0.02)
    session = record_run(spec, tmp_path, probes=[level, queue, "process.processor_time", "words=echo seven"])
    assert [one.name for one in session.facts.probes] == ["level", "queue", "process.processor_time", "words"]
    told = compare_sessions(session, repeat_session(session, tmp_path))
    assert [(one.name, one.original) for one in told.probes][0] == ("mean of probe.queue", 7.0)
    assert told.probes[0].agrees
    lines = told.describe().splitlines()
    wanted = "probe level is not compared, the repetition has no value of it: its Python function was not given"
    assert [line for line in lines if line.startswith(wanted)]
    words = "probe words is not compared, the first session has no value of it: the command gave 'seven'"
    assert [line for line in lines if line.startswith(words)]
    higher = probe_from_callable("level", lambda: 40.0, "m", period_s=0.02)
    told = compare_sessions(session, repeat_session(session, tmp_path, probes=[higher]))
    (figure,) = (one for one in told.probes if one.name == "mean of probe.level")
    assert (figure.repeated, figure.agrees) == (40.0, False)
    assert "outside its interval: mean of probe.level 40 m" in told.describe()
    assert "mean of probe.level" in told.to_frame().index
