"""What-if curves of a running process: what its allocator's ghosts counted between two snapshots."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from workbench.control.large_ghosts import foretell_large
from workbench.control.roles import find_role, sum_role
from workbench.control.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

    from workbench.control.metric import Role
    from workbench.control.tunable import Value
    from workbench.curves import WhatIf

_LEAST_OBSERVED = 4096  # operations; of a ghost that saw fewer meanwhile, all that it ever saw counts


def has_ghosts(snapshot: Snapshot) -> bool:
    """Whether ghosts have counted in the process."""
    return bool(sum_role(snapshot, "ghost operations").any())


def foretell(
    before: Snapshot, after: Snapshot, allocator: str, settings: Mapping[str, Value] | None = None
) -> WhatIf:
    """Make curves of what ghosts counted in between, and the point of today of what real caches did.

    What ghosts foretell of a class is multiplied by its share of operations that they saw, and memory by the
    number of threads that use the class. `settings` are those in force; with them it is told what large
    blocks would do, too.
    """
    import numpy as np

    from workbench.curves import WhatIf, make_curves  # slow to import

    seconds = max(after.time_s - before.time_s, 1e-9)

    def grown(role: Role) -> npt.NDArray[np.float64]:
        now, past = sum_role(after, role), sum_role(before, role)
        # The table of ghosts is made with the first of them: before that it has no columns.
        return now - past if past.shape == now.shape else now

    operations, observed = grown("ghost operations"), grown("ghost observed")
    exchanges, held, variance = grown("ghost exchanges"), grown("ghost held"), grown("ghost variance")
    is_asleep = observed < _LEAST_OBSERVED
    observed = np.where(is_asleep, sum_role(after, "ghost observed"), observed)
    exchanges = np.where(is_asleep, sum_role(after, "ghost exchanges"), exchanges)
    held = np.where(is_asleep, sum_role(after, "ghost held"), held)
    variance = np.where(is_asleep, sum_role(after, "ghost variance"), variance)
    real, cached = grown("exchanges"), sum_role(after, "cached blocks", of_threads=True)
    slots = _live_rows(after, "cache slots")
    caches = (slots > 0).sum(axis=0)
    axis, capacities = (after.layout.axes[name] for name in find_role(after, "ghost observed")[0].axes)
    rows = []
    for index in np.flatnonzero(operations > 0).tolist():
        block_bytes = _read_bytes(axis.label(index))
        mean_slots = float(slots[:, index].sum() / caches[index]) if caches[index] else 0.0
        cached_kib = cached[index] * block_bytes / 1024
        rows.append((allocator, block_bytes, mean_slots, real[index], cached_kib, True, False, 0.0))
        for number in range(observed.shape[1]):
            if observed[index, number]:
                share = 1 / observed[index, number]
                foretold = exchanges[index, number] * share * operations[index]
                kib = held[index, number] * share * caches[index] * block_bytes / 1024
                error = math.sqrt(variance[index, number]) * share * operations[index]
                slots_then = float(capacities.label(number))
                rows.append((allocator, block_bytes, slots_then, foretold, kib, False, True, error))
    large = None if settings is None else foretell_large(before, after, settings)
    return WhatIf(make_curves(rows), seconds, _tell_error(after), large)


def read_error_percent(snapshot: Snapshot) -> float:
    """How far off the ghosts were where real caches changed their capacity; NaN before any did."""
    came = float(sum_role(snapshot, "ghost came"))
    return 100 * float(sum_role(snapshot, "ghost missed")) / came if came else math.nan


def _tell_error(snapshot: Snapshot) -> tuple[str, ...]:
    percent = read_error_percent(snapshot)
    if math.isnan(percent):
        return ("no real cache has changed its capacity yet, so nothing foretold could be checked",)
    return (f"where real caches changed their capacity, what was foretold was off by {percent:.3g} %",)


def _live_rows(snapshot: Snapshot, role: Role) -> npt.NDArray[np.float64]:
    """Values of the threads that live, a row each."""
    import numpy as np

    (metric,) = find_role(snapshot, role)
    values = snapshot.values[metric.name].astype(np.float64)
    ids = snapshot.layout.thread_ids.get(metric.axes[0])
    return values[snapshot.values[ids] != 0] if ids else values


def _read_bytes(label: str) -> int:
    found = re.match(r"\d+", label)
    return int(found[0]) if found else 0
