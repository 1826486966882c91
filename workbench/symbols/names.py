"""Names at addresses of many modules, each file read once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from workbench.symbols.module_file import ModuleFile, Place


class Names:
    """Finds functions and lines in the files of modules.

    Parameters
    ----------
    root : path
        Root of the file system in which the modules' paths lead to them.
    builds : mapping of str to str, optional
        The builds of the modules; files of other builds are not used. Without it, every file is.
    """

    def __init__(self, root: Path = Path("/"), builds: Mapping[str, str] | None = None) -> None:
        self._root = root
        self._builds = builds
        self._files: dict[str, ModuleFile | None] = {}

    def find(self, module: str, offset: int) -> list[Place]:
        """Name what is at an offset of a module, innermost first; empty if it is not known."""
        file = self.open(module)
        return file.find(offset) if file else []

    def open(self, module: str) -> ModuleFile | None:
        """Open the file of a module; None if there is none, or one of another build."""
        if module not in self._files:
            self._files[module] = self._open(module)
        return self._files[module]

    def describe_call(self, module: str, offset: int) -> str:
        """Name the call that returns to an offset, such as "parse (json.c:120)".

        Without debug information it is "parse+0x4d (libjson.so)", and without a symbol "libjson.so+0x2724a".
        """
        places = self.find(module, offset - 1)
        file = module.rpartition("/")[2]
        if not places:
            return f"{file or '?'}+{offset:#x}"
        place = places[0]
        if place.line:
            return f"{place.function} ({place.file.rpartition('/')[2]}:{place.line})"
        return f"{place.function}+{offset - place.start:#x} ({file})"

    def _open(self, module: str) -> ModuleFile | None:
        if not module.startswith("/"):
            return None
        try:
            file = ModuleFile(self._root / module[1:])
        except (OSError, ValueError):
            return None
        wanted = file.build if self._builds is None else self._builds.get(module)
        return file if wanted == file.build else None


def read_build(path: str) -> str:
    """Read the build ID of a file; "" if it has none or cannot be read."""
    try:
        return ModuleFile(Path(path)).build
    except (OSError, ValueError):
        return ""
