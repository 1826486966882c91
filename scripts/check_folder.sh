#!/bin/bash
# Prints the marks in the checkout's path that the build cannot work with; nothing if there are none.
# Blanks and the letters of any alphabet are no trouble. A colon separates the folders of PATH, and Python
# makes no environment below one; the others mean something to the shell, to CMake or to Ninja.
found=${PWD//[^]:;\"\'\\\$\`\*&<>|?(){\}!^[$'\t\n']}
[[ -z $found ]] || printf '%q' "$found"
