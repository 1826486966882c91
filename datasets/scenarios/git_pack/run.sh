(
    unset LD_PRELOAD
    git init --quiet --bare --initial-branch=main repository
    awk -v FILES=500 -v COMMITS=1800 -f history.awk | git -C repository fast-import --quiet
    git -C repository rev-list --objects --all >objects
)
git -C repository pack-objects --threads=2 --window=20 --no-reuse-delta --no-reuse-object --quiet again <objects
