"""The program `workbench`, which is also `python -m workbench`."""

from workbench import inherited
from workbench.interrupt import end_at_once

inherited.settle()
end_at_once()  # before the imports: they are most of the start

from workbench.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
