LD_PRELOAD= awk -v SECTIONS=800 -f make.awk >page.html
lynx -cfg=/dev/null -nolist -width=100 -dump page.html >page.txt
