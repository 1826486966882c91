LD_PRELOAD= awk -v SHAPES=900 -f make.awk >drawing.svg
rsvg-convert --zoom=1.5 --output=drawing.png drawing.svg
