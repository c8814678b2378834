#!/bin/sh
# usage: install-fleet.sh VENV
# Install what several machines on one are made of: network namespaces, Slurm, an ssh server, MPI.
# What cannot be installed is no error: the tests that need it are skipped, with the reason.
set -eu
VENV=$1
. "$(dirname "$0")/common.sh"

if has_apt && may_be_root; then
    install_packages "for several machines on one" \
        iproute2 util-linux hostname slurm-wlm munge openssh-server openssh-client openmpi-bin
    "$VENV/bin/python" -c "import mpi4py" 2>/dev/null || "$VENV/bin/python" -m pip install -q mpi4py ||
        say "mpi4py could not be installed: the tests that need MPI are skipped."
else
    say "No apt-get, or no root: the tests that need Slurm, ssh, MPI or machines of their own are skipped."
fi
