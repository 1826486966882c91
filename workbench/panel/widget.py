"""The one widget of the panel: its script, its style, and messages in both directions.

Nothing of a run is widget state; a view asks for it. So a notebook that is saved with widget state
holds the script and no more, and a page that is loaded again gets everything.
"""

from __future__ import annotations

import functools
import gzip
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import anywidget
import msgspec
import traitlets
from plotly.offline import get_plotlyjs

from workbench.panel.front_end import read_script, read_style
from workbench.panel.protocol import FromKernel


@functools.cache
def pack_plotly() -> bytes:
    """Plotly's script from the installed package, compressed."""
    return gzip.compress(get_plotlyjs().encode(), compresslevel=6)


class PanelWidget(anywidget.AnyWidget):
    """Shows the panel; `on_message` is called with each message of a view.

    The callback runs on whatever thread the kernel gives a comm: the main one, or a subshell's.
    """

    # The files are read, not named: a path would make anywidget watch them with a thread of its own.
    _esm = read_script()
    _css = read_style()
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
        self._on_message = on_message
        self.on_msg(self._receive)

    def _receive(self, _widget: object, content: Mapping[str, Any], _buffers: object) -> None:
        self._on_message(content)

    def push(self, content: FromKernel, buffer: bytes = b"") -> None:
        """Sends one message to all views. Called by the pump's thread only."""
        self.send(msgspec.to_builtins(content), buffers=[buffer] if buffer else None)
