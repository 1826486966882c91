"""Settings as files: written with their evidence, read back and verified.

An environment file, a TOML file and a C header hold the same values; see `FORMATS`. What they rest on is in
`workbench.export.evidence` and `evidence_files`, which are slower to import.
"""

from workbench.export.defaults import (
    FORMATS,
    Defaults,
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
    "choose_format",
    "describe_provenance",
    "read_defaults",
    "render_defaults",
    "write_defaults",
]
