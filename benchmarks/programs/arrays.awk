# Arrays of strings: lines of a made-up log are kept, taken apart, counted and joined.
function draw(limit) {
    state = (state * 16807) % 2147483647
    return state % limit
}

BEGIN {
    state = 1
    for (number = 1; number <= count; number++)
        lines[number] = sprintf("10.0.%d.%d user%d /page/%d?item=%d %d", draw(40), draw(250), draw(90000), draw(300), draw(5000), number)
    for (number = 1; number <= count; number++) {
        split(lines[number], words, " ")
        visits[words[2]]++
        seen[words[1], words[2]] = words[4]
        trails[words[2]] = trails[words[2]] " " words[3]
    }
    for (user in trails)
        sum = (sum + length(trails[user]) * visits[user]) % 1000000007
    print sum, length(seen)
}
