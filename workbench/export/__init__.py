"""Settings as files: written with their evidence, read back and verified.

Every format of `FORMATS` holds the same values. What they rest on is in
`workbench.export.evidence` and `evidence_files`, which are slower to import.
"""

from workbench.export.defaults import (
    FORMATS,
    Defaults,
    choose_allocator,
    choose_format,
    read_defaults,
    render_defaults,
    write_defaults,
)
from workbench.export.provenance import Provenance, describe_provenance

__all__ = [
    "FORMATS",
    "Defaults",
    "Provenance",
    "choose_allocator",
    "choose_format",
    "describe_provenance",
    "read_defaults",
    "render_defaults",
    "write_defaults",
]
