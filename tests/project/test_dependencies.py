"""What the package imports is what it asks to be installed."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import packages_distributions

from tests.project.test_python_layers import list_imports
from tests.project.tracked_files import list_files, read_text


def test_every_imported_library_is_a_declared_dependency() -> None:
    lines = tomllib.loads(read_text(next(p for p in list_files() if str(p) == "pyproject.toml")) or "")
    # "dev" is for those who work on the package; what it imports itself stands elsewhere.
    extras = {
        name: needed for name, needed in lines["project"]["optional-dependencies"].items() if name != "dev"
    }
    asked = [*lines["project"]["dependencies"], *(line for needed in extras.values() for line in needed)]
    declared = {re.split(r"[<>=!~;\[ ]", line)[0].lower() for line in asked}
    providers = packages_distributions()
    undeclared = {
        f"{path} imports {name}"
        for path in list_files()
        if path.parts[0] == "workbench" and path.suffix == ".py"
        for name in {module.partition(".")[0] for module in list_imports(path)}
        if name not in {"workbench", "__future__", *sys.stdlib_module_names}
        and not declared & {provider.lower().replace("_", "-") for provider in providers.get(name, [])}
    }
    assert undeclared == set()
