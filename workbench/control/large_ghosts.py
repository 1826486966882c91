"""What a cache of large blocks would hit at other settings: what its copies counted between two snapshots."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from workbench.control.roles import find_role, sum_role
from workbench.control.snapshot import Snapshot

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from workbench.control.metric import Role
    from workbench.control.tunable import Value
    from workbench.large_curves import LargeWhatIf

_MIB, _KIB_A_MIB = 1 << 20, 1024
_FEW_LOOKUPS = 100  # of fewer in the time, all that was ever seen counts


def foretell_large(before: Snapshot, after: Snapshot, settings: Mapping[str, Value]) -> LargeWhatIf | None:
    """Tell hits by size and delay, and what the real cache did; None if no copies count.

    The axes of the hits have the names of the tunables that they stand for.
    """
    from workbench.large_curves import LargePoint, LargeWhatIf, make_surface  # slow to import

    found = find_role(after, "large ghost hits")
    if not found or not sum_role(after, "large ghost lookups").any():
        return None

    def grown(role: Role) -> npt.NDArray[np.float64]:
        now, past = sum_role(after, role), sum_role(before, role)
        # The table of ghosts is made with the first of them: before that it has no rows.
        return now - past if past.shape == now.shape else now

    real_lookups = float(grown("large lookups"))
    is_few = bool((grown("large ghost lookups") < _FEW_LOOKUPS).any())
    read = (lambda role: sum_role(after, role)) if is_few else grown
    seen, hits = read("large ghost lookups"), read("large ghost hits").cumsum(axis=1)
    held_mib = read("large ghost held") / seen / _KIB_A_MIB
    kept_mib = float(read("large held")) / float(seen[0]) / _KIB_A_MIB
    sizes, delays = (after.layout.axes[name] for name in found[0].axes)
    surface = make_surface(
        (int(sizes.label(i)) / _MIB, _read_delay(delays.label(j)), hits[i, j] / seen[i], held_mib[i])
        for i in range(hits.shape[0])
        for j in range(hits.shape[1])
    )
    today = LargePoint(
        float(settings[sizes.name]) / _MIB,
        _read_delay(settings[delays.name]),
        float(grown("large hits")) / real_lookups if real_lookups else math.nan,
        kept_mib,
    )
    (group, *_) = (metric.group for metric in find_role(after, "large lookups"))
    seconds = max(after.time_s - before.time_s, 1e-9)
    return LargeWhatIf(surface, real_lookups, seconds, today, group, sizes.name, delays.name)


def _read_delay(value: Value) -> float:
    """Milliseconds; a negative value is for ever."""
    return math.inf if float(value) < 0 else float(value)
