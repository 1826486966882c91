(
    unset LD_PRELOAD
    git init --quiet --bare --initial-branch=main repository
    awk -v FILES=400 -v COMMITS=1500 -f history.awk | git -C repository fast-import --quiet
)
git -C repository --no-pager log --stat --patch --find-renames main >log.txt
