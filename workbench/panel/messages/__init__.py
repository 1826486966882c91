"""Every message between a panel's views and its kernel: the one place that says what they hold.

What a view sends is read by `read_message`, which refuses what does not fit. What the kernel sends is a
typed dictionary that mypy checks. `scripts/front_types.py` writes both as declarations of TypeScript,
against which `make front` checks the front end: a field renamed on one side only is an error.
"""

from workbench.panel.messages.from_kernel import *  # noqa: F403
from workbench.panel.messages.from_view import *  # noqa: F403
