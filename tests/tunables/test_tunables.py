"""Each tunable, changed live, does what it says and is seen in telemetry: probes found from the table."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

TABLE = Path(__file__).resolve().parents[2] / "native" / "tables" / "tunables.def"
NAMES = re.findall(r'^HAK_TUNABLE\(\w+, "([a-z0-9_.]+)"', TABLE.read_text(), flags=re.MULTILINE)


def test_the_program_knows_every_row(native_program: Callable[[str], Path]) -> None:
    answer = subprocess.run(
        [native_program("tunables"), "--list"], capture_output=True, text=True, timeout=60, check=True
    )
    assert answer.stdout.split() == NAMES
    assert len(NAMES) > 40


@pytest.mark.parametrize("name", NAMES)
def test_tunable_does_what_it_says(native_program: Callable[[str], Path], name: str) -> None:
    answer = subprocess.run(
        [native_program("tunables"), name], capture_output=True, text=True, timeout=120, check=False
    )
    assert (answer.returncode, answer.stdout) == (0, f"{name}: ok\n"), answer.stderr
