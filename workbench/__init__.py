"""HAKMEM workbench: tune the thresholds of a native memory allocator while it works."""

__version__: str


def __getattr__(name: str) -> str:
    if name != "__version__":
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from importlib.metadata import version  # slow to import, and seldom asked for

    return version("hakmem-workbench")
