LD_PRELOAD= awk 'BEGIN { srand(2); for (i = 0; i < 2400000; i++) print "line", i, int(rand() * 1000) }' |
    LD_PRELOAD= split --lines=40000 - lines.
ls lines.* >names
xz --threads=2 --block-size=128KiB --keep -1 --files=names
