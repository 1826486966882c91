"""A recording on disk: read whole, unfinished, cut anywhere, from a newer version, of other things."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.sessions.conftest import CATCH, LEVEL, add_change, add_rows
from tests.control.made_up import MadeUpBlock
from workbench.errors import DamagedSession, WorkbenchError, WrongRecordingVersion
from workbench.processes import Run, Step
from workbench.sessions import Session, SessionWriter, find_sessions

WRITE_UNTIL_KILLED = """
import sys
from pathlib import Path
from tests.sessions.conftest import LEVEL, add_change, add_rows
from workbench.sessions import SessionFacts, SessionWriter
writer = SessionWriter(Path(sys.argv[1]), SessionFacts("killed", "2026-11-21T12:00:00Z"), 0.0, "killed")
row = 0
while True:
    add_change(writer, row)
    add_rows(writer, 1, first=row)
    row += 1
    print(row, flush=True)
"""


def finish(writer: SessionWriter) -> Session:
    writer.close(status="ended", note="")
    assert writer.problem == ""
    return Session.open(writer.path)


def test_what_was_written_is_read_back(make_writer: Callable[..., SessionWriter], pond: MadeUpBlock) -> None:
    writer = make_writer()
    add_rows(writer, 20)
    add_change(writer, 1)
    pond.append_event("FISH_BORN", 1, 2, item=1)
    with pond.open() as block:
        writer.add_events(block.events(0))
    unfinished = Session.open(writer.path)
    assert not unfinished.facts.is_complete
    assert len(unfinished.samples) == 20
    session = finish(writer)
    assert {file.name for file in session.path.iterdir()} == {
        "session.json", "samples.parquet", "events.parquet", "changes.parquet",
    }  # fmt: skip
    assert list(session.samples.columns) == ["operations", "pond.level_cm", "fish.caught_fish_per_s wild"]
    assert list(session.samples["operations"]) == [index * 1000 for index in range(20)]
    assert session.samples["fish.caught_fish_per_s wild"].isna().sum() == 2
    assert session.columns == [LEVEL, CATCH]
    assert session.history().names == (LEVEL.key, CATCH.key)
    (event,) = session.events.itertuples()
    assert (event.kind, event.new_value) == ("FISH_BORN", 2)
    (step,) = session.steps()
    assert step.after == {"pond.depth": 5, "fish.colour": 'it\'s "brown"'}
    assert (step.before["pond.depth"], step.operations, step.is_exact, step.cause) == (4, 1234, True, "you")
    assert session.facts.spec is not None
    assert session.facts.spec.workload == "larson"


def test_a_kill_loses_nothing_that_was_written(tmp_path: Path) -> None:
    chance = random.Random(5)
    for attempt in range(5):
        folder = tmp_path / str(attempt)
        command = [sys.executable, "-c", WRITE_UNTIL_KILLED, str(folder)]
        repository = Path(__file__).resolve().parents[2]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=repository) as child:
            assert child.stdout is not None
            written = 0
            for _ in range(chance.randrange(2, 60)):
                written = int(child.stdout.readline())
            child.send_signal(signal.SIGKILL)
        session = Session.open(folder / "killed.session")
        assert len(session.samples) >= written
        assert len(session.steps()) >= written
        assert not session.facts.is_complete
        assert list(session.samples["pond.level_cm"]) == list(range(len(session.samples)))


def test_a_stream_cut_anywhere_is_read_up_to_the_last_whole_batch(
    make_writer: Callable[..., SessionWriter],
) -> None:
    writer = make_writer()
    add_rows(writer, 12)
    # The rate came with the third row, and with it a second stream.
    stream = writer.path / "samples-001.arrows"
    content = stream.read_bytes()
    seen = set()
    for length in range(0, len(content), 7):
        stream.write_bytes(content[:length])
        frame = Session.open(writer.path).samples
        assert list(frame["pond.level_cm"]) == list(range(len(frame)))
        seen.add(len(frame))
    assert seen == set(range(2, 12))


def test_garbage_in_a_stream_is_an_error_or_left_out(make_writer: Callable[..., SessionWriter]) -> None:
    writer = make_writer()
    add_rows(writer, 6)
    add_change(writer, 1)
    writer.flush(is_now=True)
    chance = random.Random(11)
    streams = [stream for stream in writer.path.glob("*.arrows") if stream.stat().st_size]
    for _ in range(300):
        stream = chance.choice(streams)
        whole = stream.read_bytes()
        damaged = bytearray(whole)
        for _ in range(chance.randrange(1, 6)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        stream.write_bytes(damaged)
        try:
            session = Session.open(writer.path)
            assert len(session.samples) <= 6
            session.history()
            session.steps()
        except WorkbenchError as error:
            assert str(error).count("\n") == 0
        stream.write_bytes(whole)


def test_a_cut_parquet_file_is_named(make_writer: Callable[..., SessionWriter]) -> None:
    writer = make_writer()
    add_rows(writer, 10)
    session = finish(writer)
    file = session.path / "samples.parquet"
    content = file.read_bytes()
    for length in (0, 3, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:length])
        with pytest.raises(DamagedSession, match=r"samples\.parquet cannot be read: it was cut short"):
            _ = Session.open(session.path).samples
    # The rest of it can still be read.
    assert len(Session.open(session.path).changes) == 0


def test_a_parquet_file_cut_while_it_was_made_leaves_the_stream(
    make_writer: Callable[..., SessionWriter],
) -> None:
    writer = make_writer()
    add_rows(writer, 10)
    (writer.path / "samples.parquet").write_bytes(b"PAR1 and no end")
    assert len(Session.open(writer.path).samples) == 10


def test_a_newer_version_is_refused_by_name(make_writer: Callable[..., SessionWriter]) -> None:
    writer = make_writer()
    add_rows(writer, 3)
    session = finish(writer)
    table = pq.read_table(session.path / "samples.parquet")
    newer = table.replace_schema_metadata({**table.schema.metadata, b"hakmem.session.version": b"2"})
    pq.write_table(newer, session.path / "samples.parquet")
    with pytest.raises(WrongRecordingVersion, match=r"samples\.parquet was recorded by a newer workbench"):
        _ = Session.open(session.path).samples
    facts = json.loads((session.path / "session.json").read_text())
    (session.path / "session.json").write_text(json.dumps({**facts, "version": 2}))
    with pytest.raises(WrongRecordingVersion, match="format 2, known here: 1"):
        Session.open(session.path)


@pytest.mark.parametrize(
    "change",
    [
        {"version": "one"},
        {"version": None},
        {"format": "a shopping list"},
        {"spec": {"workload": ["larson"]}},
        {"spec": "larson"},
        {"spec": {"workload": "larson", "schedule": [[1]]}},
        {"settings": {"tls.grow_percent": [1]}},
        {"operations": "many"},
        {"subject": 5},
    ],
)
def test_wrong_facts_are_one_line(
    make_writer: Callable[..., SessionWriter], change: dict[str, object]
) -> None:
    writer = make_writer()
    session = finish(writer)
    facts = json.loads((session.path / "session.json").read_text())
    (session.path / "session.json").write_text(json.dumps({**facts, **change}))
    with pytest.raises(DamagedSession) as caught:
        Session.open(session.path)
    assert str(caught.value).count("\n") == 0
    assert "session.json" in str(caught.value)


def test_what_is_no_recording_is_said(tmp_path: Path) -> None:
    with pytest.raises(DamagedSession, match="there is no session"):
        Session.open(tmp_path / "none.session")
    with pytest.raises(DamagedSession, match=r"it has no session\.json"):
        Session.open(tmp_path)
    (tmp_path / "session.json").write_text("{")
    with pytest.raises(DamagedSession, match="cannot be read"):
        Session.open(tmp_path)
    assert find_sessions(tmp_path) == []


def test_a_table_of_something_else_is_refused(make_writer: Callable[..., SessionWriter]) -> None:
    writer = make_writer()
    session = finish(writer)
    pq.write_table(pa.table({"a": [1]}), session.path / "events.parquet")
    with pytest.raises(DamagedSession, match="has no version"):
        _ = Session.open(session.path).events


def test_names_that_are_taken_get_a_number(make_writer: Callable[..., SessionWriter], tmp_path: Path) -> None:
    names = {make_writer(name='it\'s "one"').path.name for _ in range(3)}
    assert names == {'it\'s "one".session', 'it\'s "one"-2.session', 'it\'s "one"-3.session'}
    assert {session.path.name for session in find_sessions(tmp_path)} == names


def test_a_run_of_an_earlier_release_is_the_same_run(make_writer: Callable[..., SessionWriter]) -> None:
    """Its schedule was pairs, and whether it began paused was a part of it."""
    path = make_writer().path / "session.json"
    facts = json.loads(path.read_text())
    facts["spec"] = {
        "workload": "larson", "parameters": {"blocks": 10}, "threads": 1, "seed": 7, "allocator": "hakmem",
        "seconds": None, "operations": 10, "tunables": {}, "starts_paused": True, "samples_latency": False,
        "schedule": [[5, {"pond.depth": 4}]], "trace": None,
    }  # fmt: skip
    path.write_text(json.dumps(facts))
    steps = (Step({"pond.depth": 4}, at_operations=5),)
    assert Session.open(path.parent).spec == Run(
        "larson", {"blocks": 10}, threads=1, seed=7, operations=10, schedule=steps
    )
