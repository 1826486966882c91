# A drawing: shapes with gradients, paths, groups with styles, text.
BEGIN {
    srand(6)
    print "<svg xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink' width='900' height='900'><defs>"
    for (i = 0; i < 40; i++)
        printf "<linearGradient id='g%d' x2='%.2f' y2='1'><stop stop-color='hsl(%d,60%%,60%%)'/><stop offset='1' stop-color='#%06x'/></linearGradient>\n", i, rand(), rand() * 360, rand() * 16777215
    print "<filter id='soft'><feGaussianBlur stdDeviation='2'/></filter></defs>"
    for (i = 0; i < SHAPES; i++) {
        printf "<g transform='translate(%d %d) rotate(%d)' style='opacity:%.2f;stroke:#333;stroke-width:%.1f'>", rand() * 860, rand() * 860, rand() * 360, 0.4 + rand() * 0.6, rand() * 2
        printf "<path fill='url(#g%d)' d='M0 0", rand() * 40
        for (k = 0; k < 12; k++) printf " C%.1f %.1f %.1f %.1f %.1f %.1f", rand() * 50, rand() * 50, rand() * 50, rand() * 50, rand() * 50, rand() * 50
        printf "z'/><circle r='%.1f' fill='none'/>", rand() * 20
        if (i % 6 == 0) printf "<text font-size='%d' font-family='sans-serif'>label %d <tspan font-weight='bold'>bold</tspan></text>", 8 + rand() * 10, i
        if (i % 40 == 0) printf "<rect width='20' height='20' filter='url(#soft)'/>"
        print "</g>"
    }
    print "</svg>"
}
