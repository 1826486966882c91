"""Named sets of tunables: those that ship, and those a user saved."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from workbench.allocators import Preset, Row, rows
from workbench.control import Value
from workbench.errors import BadParameter, WorkbenchError
from workbench.output_file import replace_text
from workbench.plain_values import read_value


class _Saved(msgspec.Struct):
    presets: dict[str, dict[str, Value]]


def shipped_presets(allocator: Row | None) -> tuple[Preset, ...]:
    """The presets that come with an allocator, and its defaults."""
    own = allocator.presets if allocator is not None else ()
    return (Preset("default", "Every tunable at its default.", {}), *own)


class PresetStore:
    """Presets a user saved, in one file of the user's configuration folder, or in another one."""

    def __init__(self, path: Path | None = None) -> None:
        if path is None:
            base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
            path = Path(base) / "hakmem-workbench" / "presets.json"
        self.path = path

    def load(self) -> tuple[Preset, ...]:
        """Saved presets, by name.

        Raises
        ------
        WorkbenchError
            If the file cannot be read or is not what `save` writes.
        """
        try:
            text = self.path.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise WorkbenchError(f"saved presets: {self.path} cannot be read ({error.strerror})") from error
        try:
            saved = read_value(_Saved, json.loads(text), "the file").presets
        except (ValueError, BadParameter) as error:
            raise WorkbenchError(
                f"saved presets: {self.path} is damaged ({error}); mend it or move it away"
            ) from error
        return tuple(
            Preset(name, "Saved by you.", values, is_saved=True) for name, values in sorted(saved.items())
        )

    def save(self, name: str, values: Mapping[str, Value]) -> Preset:
        """Saves values under a name, replacing a preset of that name.

        Raises
        ------
        WorkbenchError
            If the name is empty, belongs to a shipped preset, or the file cannot be written.
        """
        name = name.strip()
        if not name:
            raise WorkbenchError("a preset needs a name")
        if name in {"default", *(preset.name for row in rows() for preset in row.presets)}:
            raise WorkbenchError(f"preset {name!r} ships with the workbench; choose another name")
        kept = {preset.name: dict(preset.values) for preset in self.load()}
        kept[name] = dict(values)
        self._write(kept)
        return Preset(name, "Saved by you.", dict(values), is_saved=True)

    def delete(self, name: str) -> None:
        """Deletes a saved preset; WorkbenchError if none of that name was saved."""
        kept = {preset.name: dict(preset.values) for preset in self.load()}
        if name not in kept:
            raise WorkbenchError(f"preset {name!r} was not saved by you; saved: {', '.join(sorted(kept)) or 'none'}")
        del kept[name]
        self._write(kept)

    def _write(self, presets: Mapping[str, Mapping[str, Value]]) -> None:
        text = json.dumps({"presets": presets}, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            replace_text(self.path, text)
        except OSError as error:
            raise WorkbenchError(f"preset: {self.path} cannot be written ({error.strerror})") from error
