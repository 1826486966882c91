"""Which version and which state of its sources this package is of."""

from __future__ import annotations

import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

_GIT_TIMEOUT_S = 20
_CHECKOUT = Path(__file__).resolve().parent.parent.parent


def own_version() -> str:
    """Version of this package; "unknown" if it runs from a source tree that was never installed."""
    try:
        return metadata.version("hakmem-workbench")
    except metadata.PackageNotFoundError:
        return "unknown"


@cache
def source_revision() -> str:
    """Revision of the checkout, "-dirty" if files differ from it; empty for an installed package."""
    if not (_CHECKOUT / ".git").exists():
        return ""
    try:
        answer = subprocess.run(
            ["git", "-C", str(_CHECKOUT), "describe", "--always", "--dirty", "--abbrev=12"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_GIT_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip()
