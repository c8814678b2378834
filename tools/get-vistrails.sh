#!/bin/sh
# usage: get-vistrails.sh VENV [PATH]
# Put a copy of VisTrails 3.0 into the virtual environment: what PATH is, a Debian package or a folder, or else
# Debian 12's package, which is fetched. None of the 1.6 GB that the package depends on is installed.
set -eu
VENV=$1
GIVEN=${2:-}
TOOLS=$(dirname "$0")
. "$TOOLS/common.sh"
. "$TOOLS/debian-archive.sh"

site=$("$VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
share=$VENV/share/vistrails
work=$VENV/share/vistrails.part

checksum() {
    "$VENV/bin/python" -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' "$1"
}

use_package() {
    version=$("$VENV/bin/python" "$TOOLS/unpack_deb.py" "$1" "$work/deb" vistrails 2>"$work/error") ||
        fail "this package cannot be used: $(tail -n 1 "$work/error")" "$WITHOUT_APT"
    source=$work/deb/usr/lib/python3/dist-packages/vistrails
    documents=$work/deb/usr/share/doc/vistrails
}

# use_folder FOLDER: the package's own folder, a checkout with it, or an unpacked Debian package.
use_folder() {
    version="of $1"
    for source in "$1" "$1/vistrails" "$1/usr/lib/python3/dist-packages/vistrails"; do
        [ ! -f "$source/core/application.py" ] || break
    done
    documents=$(dirname "$source")
    [ ! -d "$1/usr/share/doc/vistrails" ] || documents=$1/usr/share/doc/vistrails
}

# A copy, not a link: VisTrails puts the real folder's parent on the path, and all that is beside it would
# come with it.
copy() {
    mkdir "$work/new" "$work/share" && cp -R "$source" "$work/new/vistrails" || return 1
    for name in examples copyright LICENSE; do
        [ ! -e "$documents/$name" ] || cp -R "$documents/$name" "$work/share/" || return 1
    done
    # Only now: what is copied may be what is there.
    rm -rf "$site/vistrails"
    mv "$work/new/vistrails" "$site/" || return 1
    # A folder without the examples leaves those that are there.
    [ ! -e "$work/share/examples" ] || { rm -rf "$share" && mv "$work/share" "$share"; }
}

# Without compiled files each process takes a second longer to start. Some of VisTrails' optional files
# are not valid on every Python, so what compileall returns says nothing.
compile() {
    env -u PYTHONDONTWRITEBYTECODE "$VENV/bin/python" -m compileall -q -j 0 "$site/vistrails" || true
}

if [ -n "$GIVEN" ] || [ ! -f "$site/vistrails/run.py" ]; then
    rm -rf "$work"
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM HUP
    mkdir -p "$work"
    if [ -z "$GIVEN" ]; then
        sh "$TOOLS/fetch-vistrails.sh" "$work/vistrails.deb" || exit 1
        use_package "$work/vistrails.deb"
    elif [ -d "$GIVEN" ]; then
        use_folder "$GIVEN"
    elif [ -f "$GIVEN" ]; then
        use_package "$GIVEN"
        [ "$(checksum "$GIVEN")" = $VISTRAILS_SHA256 ] ||
            say "note: $GIVEN is another file than Debian 12's package of VisTrails, which is the one that is tested"
    else
        fail "VISTRAILS=$GIVEN: there is no such file or folder." "$WITHOUT_APT"
    fi
    [ -f "$source/core/application.py" ] && [ -f "$source/run.py" ] ||
        fail "there is no VisTrails in ${GIVEN:-the package that was fetched}." "$WITHOUT_APT"
    step "Copying VisTrails $version" "Check the free space on this disk." copy
fi
step "Compiling VisTrails" "" compile
