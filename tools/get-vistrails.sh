#!/bin/sh
# usage: get-vistrails.sh VENV
# Put a copy of VisTrails 3.0, from Debian's package, into the virtual environment. Takes no root's rights
# unless apt has no package lists yet, and none of the 1.6 GB that the package depends on.
set -eu
VENV=$1
. "$(dirname "$0")/common.sh"
ELSEWHERE="README.md, 'Elsewhere', tells how to install it with pip; then the same make command again."

site=$("$VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
share=$VENV/share/vistrails
work=$VENV/share/vistrails.part

download() { (cd "$work" && apt-get download -q vistrails); }

# A copy, not a link: VisTrails puts the real folder's parent on the path, and all of Debian's Python
# packages would come with it.
unpack() {
    documents=$work/deb/usr/share/doc/vistrails
    rm -rf "$site/vistrails" "$share" &&
        mkdir -p "$share" &&
        dpkg -x "$work"/vistrails_*.deb "$work/deb" &&
        cp -r "$documents/examples" "$documents/copyright" "$share/" &&
        mv "$work/deb/usr/lib/python3/dist-packages/vistrails" "$site/vistrails"
}

# Without compiled files each process takes a second longer to start. Some of VisTrails' optional files
# are not valid on every Python, so what compileall returns says nothing.
compile() {
    env -u PYTHONDONTWRITEBYTECODE "$VENV/bin/python" -m compileall -q -j 0 "$site/vistrails" || true
}

if [ ! -f "$site/vistrails/run.py" ]; then
    has_apt || fail "VisTrails is not in $VENV, and this machine has no apt-get to fetch it with." "$ELSEWHERE"
    know_packages vistrails
    [ -n "$(apt-cache madison vistrails)" ] || fail "apt knows no package 'vistrails' (Debian 12 has it, in main)." "$ELSEWHERE"
    rm -rf "$work"
    mkdir -p "$work"
    # Old lists name a file that the archive no longer has: bring them up to date, once.
    if ! try_step "Fetching VisTrails (20 MB)" download; then
        update_lists
        step "Fetching VisTrails again" \
            "Check the network and that 'apt-get download vistrails' works." download
    fi
    version=$(dpkg-deb -f "$work"/vistrails_*.deb Version)
    step "Unpacking VisTrails $version" "Check the free space on this disk." unpack
    rm -rf "$work"
fi
step "Compiling VisTrails" "" compile
