"""Signals that come while the program is being started."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from workbench.processes import record


def test_a_signal_before_the_program_is_known(
    recorded_program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reaches the program: here it comes when the program runs and Popen has not returned yet."""

    class LatePopen(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("workbench.processes.trace_recorder.subprocess.Popen", LatePopen)
    before = signal.getsignal(signal.SIGTERM)
    outcome = record([str(recorded_program), "interrupt"], tmp_path / "a", stdout=subprocess.DEVNULL)
    assert outcome.exit_code == -signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before
