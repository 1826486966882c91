#!/bin/sh
# The command `workbench` of a checkout. Python prints a traceback when Ctrl-C meets its own start, before any line
# of ours: so SIGINT waits until the workbench handles it. -P: modules come from no folder one happens to be in.
exec /usr/bin/env --block-signal=INT "${0%/*}/python" -P -m workbench "$@"
