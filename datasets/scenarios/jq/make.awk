# A list of made-up measurements, as JSON.
BEGIN {
    srand(3)
    printf "["
    for (i = 0; i < COUNT; i++) {
        printf "%s{\"id\": %d, \"place\": \"place %d\", \"tags\": [", i ? ",\n" : "", i, rand() * 60
        tags = int(rand() * 5)
        for (k = 0; k < tags; k++) printf "%s\"tag %d\"", k ? ", " : "", rand() * 30
        printf "], \"values\": {\"low\": %.3f, \"high\": %.3f, \"note\": \"%s\"}}", rand() * 10, 10 + rand() * 10, \
            substr("a note of some length that is cut somewhere along the way", 1, rand() * 57)
    }
    print "]"
}
