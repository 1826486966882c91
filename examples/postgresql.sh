#!/bin/sh
# Makes a database in this folder, or serves it at $PORT in the foreground. PostgreSQL refuses to run as
# root: then it runs as nobody, who may only pass through root's folders.
set -eu
PATH=$PATH:$(echo /usr/lib/postgresql/*/bin | tr ' ' ':')
as=
if [ "$(id -u)" -eq 0 ]; then
    as="setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=+dac_override --ambient-caps=+dac_override"
fi
case $1 in
    prepare) exec $as initdb -D data -U postgres -A trust --no-sync ;;
    serve) exec $as postgres -D data -p "$PORT" -k '' -c listen_addresses=127.0.0.1 -c fsync=off ;;
esac
