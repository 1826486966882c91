"""What holds for every file of the project."""

from __future__ import annotations

import json
import re

from tests.project.tracked_files import list_files, read_text

LONGEST_LINES = 500
SOURCE_SUFFIXES = {".c", ".h", ".def", ".py", ".sh", ".js", ".css", ".txt", ".md", ".ipynb", ".toml"}
# One line a pinned file and its hash: long by nature.
LOCK = "requirements/lock.txt"

# The names are put together here so that this file does not contain them itself.
REGISTRY_HOSTS = re.compile(
    "|".join(
        [
            r"pypi\." + "org",
            r"python" + r"hosted\.org",
            r"registry\.npm" + r"js\.org",
            r"registry\.yarn" + r"pkg\.com",
            r"deb\.debian" + r"\.org",
            r"conda\.anaconda" + r"\.org",
            r"files\.python" + "hosted",
        ]
    )
)
MACHINE_PATHS = re.compile(r"(?<![\w.~])/(?:" + "|".join(["work", "root", "home/[a-z]"]) + r")/[\w.]")
# An error of that name is also how IPython is answered; then a comment says so.
UNFINISHED = re.compile(
    r"\b(?:" + "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3, "NotImplemented" + r"Error(?!\W*#)"]) + r")\b"
)


def find_lines(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in list_files():
        for number, line in enumerate((read_text(path) or "").splitlines(), start=1):
            if pattern.search(line):
                found.append(f"{path}:{number}: {line.strip()[:120]}")
    return found


def test_source_files_are_short() -> None:
    lengths = {
        str(path): len((read_text(path) or "").splitlines())
        for path in list_files()
        if path.suffix in SOURCE_SUFFIXES and str(path) != LOCK
    }
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST_LINES} == {}


def test_no_file_names_a_package_registry() -> None:
    assert find_lines(REGISTRY_HOSTS) == []


def test_no_file_names_a_path_of_one_machine() -> None:
    assert find_lines(MACHINE_PATHS) == []


def test_nothing_is_marked_unfinished() -> None:
    assert find_lines(UNFINISHED) == []


def test_lock_file_pins_every_package_with_a_hash() -> None:
    text = read_text(next(path for path in list_files() if str(path) == LOCK)) or ""
    entries = [entry for entry in re.split(r"\n(?=\S)", text) if not entry.startswith("#")]
    assert entries
    assert [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []
    assert "--index-url" not in text
    assert "://" not in text


def test_lock_of_the_front_end_pins_every_package_with_a_hash_and_names_no_registry() -> None:
    text = read_text(next(path for path in list_files() if path.name == "package-lock.json")) or ""
    packages = {name: entry for name, entry in json.loads(text)["packages"].items() if name}
    assert packages
    assert [name for name, entry in packages.items() if not entry["integrity"].startswith("sha512-")] == []
    assert '"resolved"' not in text


def test_notebooks_are_stored_without_outputs() -> None:
    for path in list_files():
        if path.suffix != ".ipynb":
            continue
        notebook = json.loads(read_text(path) or "")
        assert "widgets" not in notebook["metadata"], path
        # Without a kernel in its metadata JupyterLab asks the reader for one.
        assert notebook["metadata"]["kernelspec"]["name"] == "python3", path
        for cell in notebook["cells"]:
            assert not cell.get("outputs"), path
            assert cell.get("execution_count") is None, path
