#!/bin/sh
# usage: install.sh VENV EXTRA WHAT
# Install this checkout, editable, with one of its extras into the virtual environment.
set -eu
VENV=$1
EXTRA=$2
WHAT=$3
. "$(dirname "$0")/common.sh"

# --no-build-isolation: setuptools is there already, and nothing is fetched if nothing is missing.
step "Installing Parallel Flow and $WHAT" \
    "Check the network and pip's configuration ('$VENV/bin/pip config list'), then make again." \
    env PIP_USER=0 "$VENV/bin/python" -m pip install --disable-pip-version-check \
    --no-build-isolation --editable ".[$EXTRA]"

# An editable installation leaves this file out; with it VisTrails finds Parallel Flow in every program
# of the environment, not only in the command.
cp tools/parallelflow_activate.pth "$("$VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/"
