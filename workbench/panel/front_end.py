"""The one widget of the panel: its script, its style, and messages in both directions.

A widget takes one script only, so the modules in `front/` are joined here when the panel is first used:
nothing has to be built after an edit, and there is no list of files to keep. Joining is taking the lines
`import` and the words `export` away. It is exact because it refuses what it cannot join: a circle of imports,
two things of one name, or an import of another form than `import { a, b } from "./file.js";`.
"""

from __future__ import annotations

import functools
import gzip
import re
import uuid
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

import anywidget
import msgspec
import traitlets
from plotly.offline import get_plotlyjs

from workbench.panel.protocol import FromKernel

_ENTRY = "main.js"  # the module to begin with; only its `export default` stays

_IMPORT = re.compile(r'^import \{[\w\s,]+\} from "\./(\w+\.js)";\n', flags=re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:class|function\*?|const|let) )", flags=re.MULTILINE)
_DEFINITION = re.compile(r"^(?:async )?(?:class|function\*?|const|let|var) (\w+)", flags=re.MULTILINE)
_LEFT = re.compile(r"^(?:import|export)\b.*", flags=re.MULTILINE)


def join_modules(read: Callable[[str], str]) -> str:
    """Join the modules, which `read` gives by the names of their files; what is imported comes first.

    Raises
    ------
    ValueError
        If they cannot be joined, with the file and the line or name.
    """
    joined: dict[str, str] = {}
    homes: dict[str, str] = {}

    def add(name: str, importers: tuple[str, ...]) -> None:
        if name in importers:
            raise ValueError(f"modules import each other in a circle: {' → '.join((*importers, name))}")
        if name in joined:
            return
        text = read(name)
        for other in _IMPORT.findall(text):
            add(other, (*importers, name))
        joined[name] = text = _EXPORT.sub("", _IMPORT.sub("", text))
        for line in _LEFT.findall(text):
            if name != _ENTRY or not line.startswith("export default "):
                raise ValueError(f"{name}: this cannot be joined with the other modules: {line}")
        for defined in _DEFINITION.findall(text):
            if (home := homes.setdefault(defined, name)) != name:
                raise ValueError(f"{defined} is defined in {home} and in {name}")

    add(_ENTRY, ())
    return "\n".join(joined.values())


def read_front(name: str) -> str:
    """A file of the front end."""
    return (resources.files(__package__) / "front" / name).read_text(encoding="utf-8")


@functools.cache
def pack_plotly() -> bytes:
    """Plotly's script from the installed package, compressed."""
    return gzip.compress(get_plotlyjs().encode(), compresslevel=6)


class PanelWidget(anywidget.AnyWidget):
    """Shows the panel; `on_message` is called with each message of a view.

    The callback runs on whatever thread the kernel gives a comm: the main one, or a subshell's. Nothing of
    a run is widget state; a view asks for it. So a notebook that is saved with widget state holds the script
    and no more, and a page that is loaded again gets everything.
    """

    # The files are read, not named: a path would make anywidget watch them with a thread of its own.
    _esm = join_modules(read_front)
    _css = read_front("style.css")
    # By it a view finds its own model, whose messages it may have to take itself: see model.js.
    _panel_id = traitlets.Unicode().tag(sync=True)

    def __init__(self, on_message: Callable[[Mapping[str, Any]], None]) -> None:
        panel_id = uuid.uuid4().hex
        super().__init__(model_id=panel_id, _panel_id=panel_id)
        # ipykernel 7.4 hands the messages of views to the subshell that its thread thinks it serves when the
        # pump sends, not to the one they name. After a page was loaded again that may be one which JupyterLab
        # has closed, and every message is refused from then on. Without this the name in the message counts.
        # There is no public switch: the kernel looks for this method by name. The other way is a class of
        # comms of our own, which sends without it.
        self.comm._reply_subshell_for = None
        self.on_msg(lambda _widget, content, _buffers: on_message(content))

    def push(self, content: FromKernel, buffer: bytes = b"") -> None:
        """Sends one message to all views. Called by the pump's thread only."""
        self.send(msgspec.to_builtins(content), buffers=[buffer] if buffer else None)
