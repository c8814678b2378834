#!/bin/sh
# usage: make-venv.sh VENV [PYTHON]
# Make the virtual environment VENV with PYTHON, or with the first Python 3.10 or newer on the path.
set -eu
VENV=$1
PYTHON=${2:-}
. "$(dirname "$0")/common.sh"

recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; }

if [ -n "$PYTHON" ]; then
    command -v "$PYTHON" >/dev/null 2>&1 || fail "there is no '$PYTHON' on this machine." \
        "Give the name or path of a Python 3.10 to 3.15: make PYTHON=python3.12 ..."
    recent "$PYTHON" || fail "$PYTHON is $("$PYTHON" --version 2>&1); Parallel Flow needs Python 3.10 or newer." \
        "Give another: make PYTHON=python3.12 ..."
else
    for name in python3 python3.15 python3.14 python3.13 python3.12 python3.11 python3.10; do
        if command -v $name >/dev/null 2>&1 && recent $name; then
            PYTHON=$name
            break
        fi
    done
    [ -n "$PYTHON" ] || fail "no Python 3.10 or newer was found on the path." \
        "On Debian or Ubuntu: apt-get install python3. Or give the path of one: make PYTHON=/path/to/python3.12 ..."
fi

# A record of Debian packages outlives a new environment: make clean names them.
keep=
[ ! -f "$VENV/share/debian-packages" ] || keep=$(cat "$VENV/share/debian-packages")
rm -rf "$VENV"
mkdir -p "$VENV/share"
[ -z "$keep" ] || printf '%s\n' "$keep" >"$VENV/share/debian-packages"

# Debian's python3 comes without the parts that make an environment.
if ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
    version=$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    install_packages "to make the environment" "python$version-venv"
    "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || fail "$PYTHON cannot make a virtual environment (it has no ensurepip)." \
        "Install your system's python$version-venv package, or give another Python: make PYTHON=python3.12 ..."
fi

step "Making the environment $VENV with $("$PYTHON" --version)" \
    "Check the free space on this disk and that '$PYTHON -m venv' works." \
    "$PYTHON" -m venv "$VENV"
step "Installing setuptools" \
    "Check the network and pip's configuration ('$VENV/bin/pip config list'), then make again." \
    env PIP_USER=0 "$VENV/bin/python" -m pip install --disable-pip-version-check "setuptools>=64" wheel
