"""The program `workbench`, which is also `python -m workbench`."""

from workbench.interrupt import end_at_once

end_at_once()  # before the imports: they are most of the start

from workbench.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
