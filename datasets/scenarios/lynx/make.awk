# A long web page: sections, tables, lists, links, forms.
function words(count,   text) {
    text = ""
    while (count-- > 0) text = text " word" int(rand() * 3000)
    return substr(text, 2)
}
BEGIN {
    srand(4)
    print "<!DOCTYPE html><html><head><title>A long page</title></head><body><h1>A long page</h1>"
    for (section = 0; section < SECTIONS; section++) {
        printf "<h2 id=s%d>%s</h2><p>%s <a href=\"#s%d\">%s</a> %s</p>\n", section, words(4), words(60),
            rand() * SECTIONS, words(3), words(20)
        print "<table border=1>"
        for (row = 0; row < 14; row++) {
            printf "<tr>"
            for (column = 0; column < 5; column++) printf "<td><em>%s</em> <a href=\"page%d.html\">%d</a></td>", words(2), rand() * 900, rand() * 1e6
            print "</tr>"
        }
        print "</table><ul>"
        for (item = 0; item < 8; item++) printf "<li><b>%s</b> &amp; %s</li>\n", words(2), words(9)
        printf "</ul><form action=\"send\"><input name=a%d value=\"%s\"><select name=b><option>%s<option>%s</select></form>\n",
            section, words(2), words(1), words(1)
    }
    print "</body></html>"
}
