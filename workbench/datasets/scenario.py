"""Scenarios: what is run to record a dataset, declared in a file beside what it needs."""

from __future__ import annotations

import platform
import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from workbench.errors import BadParameter, DamagedDataset, MissingProgram, UnknownDataset, describe_unknown
from workbench.plain_values import read_value
from workbench.traces.places import SCENARIOS, datasets_folder

_FILE = "scenario.toml"
_PACKAGE_STATES = Path("/var/lib/dpkg/status")
_RELEASE = Path("/etc/debian_version")
# The distribution's own programs, whatever the caller's shell would find first.
PROGRAM_PATH = "/usr/bin:/bin"


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a program is given to do.

    Parameters
    ----------
    name, help : str
    program : str
        Whose recording is kept, of all processes that the command starts.
    command : tuple of str
        Run in a new folder with a copy of `folder`.
    programs, files : tuple of str
        What must be installed: names on the path, and files.
    packages : tuple of str
        Debian packages that bring them.
    environment : mapping of str to str
        Besides a plain one.
    folder : Path
        The command's files.
    """

    name: str
    help: str
    program: str
    command: tuple[str, ...]
    programs: tuple[str, ...]
    files: tuple[str, ...] = ()
    packages: tuple[str, ...]
    environment: Mapping[str, str] = {}
    folder: Path

    def check_programs(self) -> None:
        """See whether its programs and files are there; MissingProgram tells what to install."""
        missing = sorted(name for name in self.programs if shutil.which(name, path=PROGRAM_PATH) is None)
        missing += sorted(name for name in self.files if not Path(name).is_file())
        if missing:
            raise MissingProgram(
                f"{self.name} needs {', '.join(missing)}; apt-get install {' '.join(self.packages)}"
            )

    def plain_environment(self, home: Path) -> dict[str, str]:
        """All variables it runs with: nothing of the caller's, so that it does the same everywhere."""
        return {
            "PATH": PROGRAM_PATH,
            "HOME": str(home),
            "TMPDIR": str(home),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
            "GIT_CONFIG_NOSYSTEM": "1",
            **self.environment,
        }


def scenarios() -> dict[str, Scenario]:
    """All scenarios by name.

    UnknownDataset or DamagedDataset if there are no datasets, or a scenario's file is wrong.
    """
    folders = sorted(path.parent for path in (datasets_folder() / SCENARIOS).glob(f"*/{_FILE}"))
    return {folder.name: _read(folder) for folder in folders}


def get_scenario(name: str) -> Scenario:
    """Find one scenario; UnknownDataset tells the nearest name. Other errors are those of `scenarios`."""
    known = scenarios()
    if name not in known:
        raise UnknownDataset(describe_unknown("dataset", name, known))
    return known[name]


def describe_debian() -> str:
    """Debian's release and the architecture, as "Debian 12.11, x86_64"."""
    release = _RELEASE.read_text().strip() if _RELEASE.is_file() else "unknown release"
    return f"Debian {release}, {platform.machine()}"


def read_package_versions(names: tuple[str, ...]) -> dict[str, str]:
    """Versions of the Debian packages that are installed, as dpkg's own file has them."""
    if not _PACKAGE_STATES.is_file():
        return {}
    found: dict[str, str] = {}
    for paragraph in _PACKAGE_STATES.read_text(encoding="utf-8", errors="replace").split("\n\n"):
        lines = [line for line in paragraph.splitlines() if ": " in line and not line.startswith(" ")]
        values = dict(line.split(": ", 1) for line in lines)
        if values.get("Package") in names and values.get("Status", "").endswith(" installed"):
            found[values["Package"]] = values.get("Version", "")
    return {name: found[name] for name in names if name in found}


def _read(folder: Path) -> Scenario:
    path = folder / _FILE
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        return read_value(Scenario, values | {"name": folder.name, "folder": str(folder)}, "the scenario")
    except (ValueError, BadParameter) as error:
        raise DamagedDataset(f"{folder.name}/{_FILE}: it is no scenario ({error})") from None
