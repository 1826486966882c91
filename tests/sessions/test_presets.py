"""Presets: those that ship, and those a user saves."""

from pathlib import Path

import pytest

from workbench.allocators import get_row
from workbench.errors import WorkbenchError
from workbench.sessions import PresetStore, shipped_presets


def test_four_presets_ship() -> None:
    assert [preset.name for preset in shipped_presets(get_row("hakmem"))] == [
        "default",
        "analysis",
        "low memory",
        "high throughput",
    ]


def test_saved_presets_come_back(tmp_path: Path) -> None:
    store = PresetStore(tmp_path / "folder" / "presets.json")
    assert store.load() == ()
    store.save(
        "night", {"tls.grow_percent": 61, "big.policy": "lfu", "tls.adaptive": False, "big.load_factor": 0.5}
    )
    store.save("day", {})
    loaded = PresetStore(store.path).load()
    assert [preset.name for preset in loaded] == ["day", "night"]
    assert loaded[1].values["tls.grow_percent"] == 61
    assert loaded[1].values["tls.adaptive"] is False
    assert loaded[1].is_saved
    store.delete("day")
    assert [preset.name for preset in store.load()] == ["night"]


def test_names_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    store = PresetStore(tmp_path / "presets.json")
    with pytest.raises(WorkbenchError, match="needs a name"):
        store.save("  ", {})
    with pytest.raises(WorkbenchError, match="ships with the workbench"):
        store.save("analysis", {})
    with pytest.raises(WorkbenchError, match="was not saved"):
        store.delete("other")


@pytest.mark.parametrize("content", ["{", "[]", '{"presets": {"x": 3}}', '{"presets": {"x": {"a": [1]}}}'])
def test_a_damaged_file_is_said_and_kept(tmp_path: Path, content: str) -> None:
    path = tmp_path / "presets.json"
    path.write_text(content)
    with pytest.raises(WorkbenchError, match="damaged"):
        PresetStore(path).load()
    with pytest.raises(WorkbenchError, match="damaged"):
        PresetStore(path).save("new", {})
    assert path.read_text() == content
