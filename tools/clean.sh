#!/bin/sh
# usage: clean.sh VENV
# Remove all that the Makefile made. Debian packages stay; name those that make had installed.
set -eu
VENV=$1

if [ -f "$VENV/share/debian-packages" ]; then
    printf 'Debian packages that make installed stay on the machine. To remove them too, as root:\n  apt-get autoremove %s\n' \
        "$(sort -u "$VENV/share/debian-packages" | tr '\n' ' ')"
fi
rm -rf "$VENV" build dist ./*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
find . -name .git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
