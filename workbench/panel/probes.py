"""The probes of a panel: which there are, and why one shows nothing. Used by the pump alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from workbench.errors import BadParameter, describe_unknown
from workbench.panel.requests import request
from workbench.panel.target import Target
from workbench.probes import Probe, read_probe

# Each has a thread and a chart.
MAXIMUM_PROBES = 64


class ProbeDesk:
    """Probes stay from one process to the next and are read while one runs; `tell` takes lines of the log."""

    def __init__(self, tell: Callable[[str, str], object]) -> None:
        self._tell = tell
        self._probes: dict[str, Probe] = {}
        self._target: Target | None = None
        #: Why a probe shows nothing now, by the title of its chart.
        self.gaps: dict[str, str] = {}

    def read_for(self, target: Target | None) -> None:
        """Reads them for what runs from now on, if something does."""
        self._target = target
        self.gaps = {}
        if target is not None:
            for probe in self._probes.values():
                target.probes.add(probe)

    @property
    def known(self) -> Mapping[str, Probe]:
        """All of them, by name."""
        return self._probes

    def list_pids(self) -> list[int]:
        """Pids of what runs."""
        return self._target.pids() if self._target is not None else []

    @request()
    def add_probe(self, probe: str) -> None:
        """Reads a further one: a built-in by its name, or NAME:UNIT=SOURCE."""
        self.add(read_probe(probe, self.list_pids))

    def add(self, probe: Probe) -> None:
        """Reads a further one."""
        if probe.name in self._probes:
            raise BadParameter(f"probe {probe.name}: there is one of that name; choose another")
        if len(self._probes) >= MAXIMUM_PROBES:
            raise BadParameter(f"probe {probe.name}: {MAXIMUM_PROBES} are read already; remove another first")
        self._probes[probe.name] = probe
        if self._target is not None:
            self._target.probes.add(probe)
        self._tell(f"probe {probe.name}: {probe.source or 'a Python function'}", "note")

    @request()
    def remove_probe(self, name: str) -> None:
        """Reads it no longer; what was recorded of it is kept."""
        if self._probes.pop(name, None) is None:
            raise BadParameter(describe_unknown("probe", name, self._probes))
        if self._target is not None:
            self._target.probes.remove(name)
        self._tell(f"probe {name}: removed", "note")

    def note_gaps(self) -> None:
        """Tells when one begins to fail, and when it shows something again."""
        gaps = {}
        for name, value in self._target.probes.latest().items() if self._target is not None else ():
            title = value.probe.metric.chart
            if value.reason and value.is_read:
                gaps[title] = value.reason
                if title not in self.gaps:
                    self._tell(f"probe {name}: {gaps[title]}", "failure")
            elif title in self.gaps:
                self._tell(f"probe {name}: it shows a value again", "note")
        self.gaps = gaps
