"""What is done with the values as a whole: presets and exports."""

from __future__ import annotations

from workbench.allocators import Preset, allocator_of
from workbench.errors import BadParameter
from workbench.export import describe_provenance, write_defaults
from workbench.panel import protocol
from workbench.panel.requests import request
from workbench.panel.session import LiveSession
from workbench.sessions import PresetStore, shipped_presets


class Actions:
    """Presets of the allocator whose values a session shows, and exports of these values."""

    def __init__(self, session: LiveSession, store: PresetStore) -> None:
        self._session = session
        self._store = store
        self._saved: tuple[Preset, ...] | None = None

    def list_presets(self) -> tuple[Preset, ...]:
        """Presets of the allocator that ship and those that were saved of it."""
        if self._saved is None:
            self._saved = self._store.load()
        target, settings = self._session.target, self._session.settings
        row = target.allocator if target else settings.allocator
        saved = (
            one
            for one in self._saved
            if not one.values or not settings.tunables.keys().isdisjoint(one.values)
        )
        return (*shipped_presets(row), *saved)

    def describe_presets(self) -> protocol.Presets:
        """All presets, and which of them holds."""
        presets = self.list_presets()
        return {"names": presets, "current": self._session.settings.matching_preset(presets)}

    @request()
    def choose_preset(self, name: str) -> None:
        """Every tunable goes to a preset's value."""
        preset = next((preset for preset in self.list_presets() if preset.name == name), None)
        if preset is None:
            raise BadParameter(f"there is no preset {name!r}")
        self._session.settings.apply_preset(preset)

    @request()
    def reset_all(self) -> None:
        """Every tunable goes to its default."""
        self.choose_preset("default")

    @request()
    def save_preset(self, name: str) -> str:
        """The values that are not the defaults are kept as a preset."""
        settings = self._session.settings
        requested = settings.requested().items()
        changed = {one: value for one, value in requested if value != settings.tunables[one].default}
        preset = self._store.save(name, changed)
        self._saved = None
        settings.preset_name = preset.name
        return f"saved preset {preset.name}"

    @request()
    def delete_preset(self, name: str) -> str:
        """A saved preset is deleted."""
        self._store.delete(name)
        self._saved = None
        return f"deleted preset {name}"

    @request()
    def export(self, format: str, path: str) -> str:  # noqa: A002 - the field of the message
        """The values are written to a file."""
        session, settings = self._session, self._session.settings
        target = session.target
        run = target.spec if target else None
        block = target.allocator_block if target else None
        allocator = allocator_of(block) if block else settings.allocator
        if target and target.group and (differing := target.group.differing()):
            told = "; ".join(f"{name} is {counts}" for name, counts in differing.items())
            raise BadParameter(
                f"export: the processes of {target.subject} differ: {told}; set them alike first"
            )
        values = allocator.choose_given(settings.requested())
        provenance = describe_provenance(
            values,
            allocator,
            workload=run.workload if run else None,
            parameters=run.parameters if run else None,
            threads=run.resolve().threads if run else None,
            seed=run.seed if run else None,
            process=target.process if target and block and not run else None,
        )
        path = path.strip()
        if not path:
            raise BadParameter("export: name a file")
        write_defaults(path, format, values, provenance, allocator=allocator)
        session.tell(f"exported the values to {path}")
        return f"wrote {path}"
