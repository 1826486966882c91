"""Every public name has a docstring; `make docs-check` builds the pages that show them."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from scripts.docs import find_loaded
from scripts.public_names import describe, find_undocumented, list_rooms


def test_every_public_name_is_documented() -> None:
    assert len(list_rooms()) > 5
    assert list(find_undocumented()) == []


def test_what_lacks_a_docstring_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "odd_room.py").write_text(
        "LIMIT = 1\n#: The most there can be.\nMOST = 2\n"
        "def tell(): ...\n"
        "class Thing:\n    '''A thing.'''\n    def move(self): ...\n    def _hide(self): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    room = importlib.import_module("odd_room")
    room.__path__ = []
    found = {name: describe(room, name) for name in ("LIMIT", "MOST", "tell", "Thing")}
    assert {name: public.text for name, public in found.items()} == {
        "LIMIT": "",
        "MOST": "The most there can be.",
        "tell": "",
        "Thing": "A thing.",
    }
    assert found["Thing"].undocumented == ("Thing.move",)
    del sys.modules["odd_room"]


def test_a_page_that_loads_from_the_network_is_found(tmp_path: Path) -> None:
    (tmp_path / "good.html").write_text('<a href="https://host/">a</a><script src="_static/a.js"></script>')
    assert list(find_loaded(tmp_path)) == []
    (tmp_path / "bad.html").write_text(
        '<script defer src="https://host/a.js"></script><link rel="stylesheet" href="//host/a.css">'
    )
    assert len(list(find_loaded(tmp_path))) == 2
