"""A program that makes known calls, and how to record it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from workbench.processes import RecordingOutcome, record
from workbench.traces import CallKind, Trace, TraceChunk
from workbench.traces.objects import ObjectFollower

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def recorded_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("program") / "recorded"
    options = ["-std=gnu11", "-O1", "-fno-builtin", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(["cc", *options, str(HERE / "recorded.c"), "-o", str(program)], check=True)
    return program


@pytest.fixture(scope="session")
def loaded_library(recorded_program: Path) -> Path:
    library = recorded_program.with_name("libloaded.so")
    options = ["-std=gnu11", "-O1", "-shared", "-fPIC"]
    subprocess.run(["cc", *options, str(HERE / "loaded.c"), "-o", str(library)], check=True)
    return library


@pytest.fixture
def run_recorded(recorded_program: Path, tmp_path: Path) -> Callable[..., RecordingOutcome]:
    """Record the program: `run_recorded("each")`."""

    def run(*arguments: str, **options: object) -> RecordingOutcome:
        return record([str(recorded_program), *arguments], tmp_path / "a.haktrace", level=1, **options)  # type: ignore[arg-type]

    return run


def read_events(path: Path, module: Path | None = None) -> TraceChunk:
    """Events of a sound trace, checked for soundness; only those called from a module, if one is given."""
    with Trace.open(path) as trace:
        assert trace.damage is None
        assert trace.compute_checksum() == trace.metadata.checksum
        events = TraceChunk.join(list(trace.chunks()))
        followed = ObjectFollower().follow(events)
        followed.check()
        assert followed.live_bytes.max(initial=0) == trace.metadata.peak_live_bytes
        assert len(events) == trace.metadata.event_count
        sites = [index for index, site in enumerate(trace.sites) if site.module == str(module)]
    if module is None:
        return events
    is_call = events.kind <= CallKind.FREE
    return pick(events, is_call & np.isin(events.site, sites))


def pick(events: TraceChunk, where: object) -> TraceChunk:
    names = TraceChunk.__dataclass_fields__
    return TraceChunk(**{name: getattr(events, name)[where] for name in names})
