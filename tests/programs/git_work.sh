# A repository's life: many files, commits, a merge, gc with threads, clones. Prints what must not depend
# on the allocator. Dates and names come from the environment.
git init --quiet --initial-branch=main work
cd work
git config gc.auto 0
git config pack.threads 2

awk 'BEGIN {
    for (file = 0; file < 600; file++) {
        name = sprintf("file-%03d.txt", file)
        for (line = 0; line < 5 + file % 90; line++)
            print "line", line, "of", file, (line * 7919 + file * 104729) % 65536 > name
        close(name)
    }
}'
git add .
git commit --quiet --message "all files"
for round in 1 2 3; do
    for file in file-*"$round".txt; do
        echo "round $round" >> "$file"
    done
    git commit --quiet --all --message "round $round"
done
git switch --quiet --create side HEAD~1
mkdir deep && git mv file-00*.txt deep/
git commit --quiet --message "moved"
git switch --quiet main
git merge --quiet --message "merged" side

git log --format='commit %H%n%s' --stat --find-renames | cat
git blame --porcelain file-101.txt
git grep --count 'line 3 of' | tail -20
git diff --stat HEAD~2
git gc --quiet --aggressive --prune=now
git fsck --full --strict 2>&1
git clone --quiet --bare --no-local . ../clone.git
git clone --quiet ../clone.git ../copy
cd ../copy
git rev-list --objects --all | git cat-file --batch-check='%(objectname) %(objecttype) %(objectsize)' | sort
git archive --format=tar HEAD | git hash-object --stdin
git status --porcelain
echo "all done"
