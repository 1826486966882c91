"""Names of functions and lines in programs and libraries, and the rules by which their stacks unwind.

Files are read outside the process that uses them, by the library `symbolic`.
"""

from workbench.symbols.module_file import ModuleFile, Place, Rules
from workbench.symbols.names import Names, read_build

__all__ = ["ModuleFile", "Names", "Place", "Rules", "read_build"]
