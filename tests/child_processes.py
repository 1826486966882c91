"""Which processes a test has started."""

from __future__ import annotations

from contextlib import suppress

import psutil

_BROWSER_DRIVER = "node"  # and what it calls its first thread


def own_children() -> set[psutil.Process]:
    """Children of this process and theirs, but not a browser: it is kept for several tests."""
    found = set()
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # it ends just now
            if not child.name().startswith(_BROWSER_DRIVER):
                found |= {child, *child.children(recursive=True)}
    return found
