#!/bin/sh
# usage: install-libraries.sh VENV
# Install the system libraries that PyQt5's wheels load and do not bring along, and a font.
set -eu
VENV=$1
. "$(dirname "$0")/common.sh"

# Since Debian 13 and Ubuntu 24.04 some libraries have another name: their times have 64 bits.
glib=libglib2.0-0
if has_apt && ! is_installed $glib; then
    know_packages $glib libgl1
    [ -z "$(apt-cache madison ${glib}t64)" ] || glib=${glib}t64
fi

has_apt || say "No apt-get here: Qt's system libraries (OpenGL, EGL, xcb, fontconfig) must be there already."
install_packages "for PyQt5" \
    libgl1 libegl1 $glib libdbus-1-3 libfontconfig1 fontconfig fonts-dejavu-core \
    libxkbcommon0 libxkbcommon-x11-0 libx11-xcb1 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 \
    libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-sync1 libxcb-xfixes0 libxcb-xinerama0 \
    libxcb-xkb1
