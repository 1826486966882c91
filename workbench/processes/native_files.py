"""Where the runners and the library to preload lie."""

from __future__ import annotations

from workbench.control import native_directory

RUNNER = native_directory() / "hakmem-run"
LATENCY_RUNNER = native_directory() / "hakmem-run-latency"
HAKMEM_LIBRARY = native_directory() / "libhakmem.so"
