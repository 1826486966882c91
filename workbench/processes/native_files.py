"""Where the native programs and libraries lie: beside the cffi module."""

from __future__ import annotations

from pathlib import Path

from workbench._native import _cffi

DIRECTORY = Path(_cffi.__file__).parent
RUNNER = DIRECTORY / "hakmem-run"
HAKMEM_LIBRARY = DIRECTORY / "libhakmem.so"
