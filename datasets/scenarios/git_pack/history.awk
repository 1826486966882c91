# A history for `git fast-import`: files of made-up words, changed a little by every commit.
function words(count,   text) {
    text = ""
    while (count-- > 0) text = text " word" int(rand() * 900)
    return substr(text, 2)
}
function put(file,   text, i) {
    text = ""
    for (i = 1; i <= lines[file]; i++) text = text line[file, i] "\n"
    printf "M 100644 inline folder%d/file%d.txt\ndata %d\n%s\n", file % 7, file, length(text), text
}
BEGIN {
    srand(7)
    for (file = 0; file < FILES; file++) {
        lines[file] = 10 + int(rand() * 120)
        for (i = 1; i <= lines[file]; i++) line[file, i] = words(3 + int(rand() * 9))
    }
    for (commit = 0; commit < COMMITS; commit++) {
        message = "Change " commit ": " words(6)
        printf "commit refs/heads/main\ncommitter Author <author@example.org> %d +0000\n", 1600000000 + commit * 3600
        printf "data %d\n%s\n", length(message), message
        if (commit == 0) for (file = 0; file < FILES; file++) put(file)
        else for (change = 0; change < 4; change++) {
            file = int(rand() * FILES)
            for (times = 0; times < 5; times++) line[file, 1 + int(rand() * lines[file])] = words(3 + int(rand() * 9))
            line[file, ++lines[file]] = words(8)
            put(file)
        }
        print ""
    }
}
