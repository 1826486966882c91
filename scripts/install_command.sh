#!/bin/sh
# Writes the command of a checkout, under both of its names: install_command.sh FOLDER, where FOLDER holds the
# environment's python.
# Python prints a traceback when Ctrl-C meets its own start, before any line of ours. So SIGINT is blocked until the
# workbench handles it. `env` does that in the first line of the command: a shell in between would lose what is ignored
# (SIGCHLD). Where `env` cannot do it, or the path is too long for such a line, pip's command stays.
set -eu
python=$1/python
/usr/bin/env --block-signal=INT true 2>/dev/null || exit 0
[ ${#python} -lt 200 ] || exit 0 # the kernel reads 255 bytes of the line
for name in workbench hakmem; do
    rm -f "$1/$name"
    # -P: modules come from no folder that one happens to be in.
    cat >"$1/$name" <<END
#!/usr/bin/env -S --block-signal=INT "$python" -P
from workbench.__main__ import main

main()
END
    chmod 755 "$1/$name"
done
