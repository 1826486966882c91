"""The C functions that Python calls: thin modules with types. Untyped C values do not leave this room."""

from workbench.bindings.native import native_directory

__all__ = ["native_directory"]
