#!/bin/sh
# usage: fetch-vistrails.sh FILE
# Fetch Debian 12's package of VisTrails into FILE, from the archive that apt is configured with. Takes no
# root's rights unless apt has no package lists yet.
set -eu
FILE=$1
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/debian-archive.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

download() { (cd "$work" && apt-get download -q "vistrails=$VISTRAILS_VERSION"); }

is_listed() { apt-cache madison vistrails 2>/dev/null | grep -qF " $VISTRAILS_VERSION "; }

has_apt || fail "this machine has no apt-get to fetch VisTrails with." "$WITHOUT_APT"
know_packages python3
# Old lists name a file that the archive no longer has: bring them up to date, once.
if is_listed && ! try_step "Fetching VisTrails (20 MB)" download; then
    update_lists
    if is_listed; then
        step "Fetching VisTrails again" \
            "Check the network and that 'apt-get download vistrails' works." download
    fi
fi
if ! is_listed; then
    [ -n "$(list_debian_archives)" ] ||
        fail "VisTrails is in Debian 12, and none of apt's sources here is an archive of Debian." "$WITHOUT_APT"
    step "Fetching VisTrails (20 MB) from Debian 12, in apt's archive" \
        "If that archive has no Debian 12 any more: $WITHOUT_APT" \
        fetch_from $VISTRAILS_RELEASE vistrails $VISTRAILS_VERSION "$work"
fi
package=$(echo "$work"/vistrails_*.deb)
sum=$(sha256sum "$package")
[ "${sum%% *}" = $VISTRAILS_SHA256 ] || fail "what was fetched as VisTrails $VISTRAILS_VERSION is another file than it should be." \
    "Its SHA-256 is ${sum%% *}" "and not $VISTRAILS_SHA256. It was not used." "$WITHOUT_APT"
cp "$package" "$FILE"
