"""Runs one of the Python targets under libFuzzer: `fuzz_python.py fuzz_traces [libFuzzer's words]`."""

from __future__ import annotations

import contextlib
import sys
import sysconfig
import warnings
from pathlib import Path

import atheris  # type: ignore[import-untyped]


def use_plain_imports() -> None:
    """Let sources be found by path: what an editable installation imports could not be watched."""
    sys.meta_path = [finder for finder in sys.meta_path if "editable" not in type(finder).__module__]
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    from workbench import _native

    _native.__path__.append(str(Path(sysconfig.get_path("platlib")) / "workbench" / "_native"))


use_plain_imports()

# The workbench is watched, branch by branch; the libraries below it are not: they are not ours.
with atheris.instrument_imports(include=["workbench.traces", "workbench.sessions"]):
    from tests.fuzz.hostile import TARGETS


def main() -> None:
    name = sys.argv.pop(1)
    check, _ = TARGETS[name]
    warnings.simplefilter("error")

    def test_one_input(data: bytes) -> None:
        with contextlib.redirect_stdout(sys.stderr):
            check(data)

    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
