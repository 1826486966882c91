"""HAKMEM workbench: tune the thresholds of a native memory allocator while it works."""

from importlib.metadata import version as _read_version

__version__: str = _read_version("hakmem-workbench")
