# Shared by the scripts of this folder, which read it with ".": messages, logged steps, Debian packages.

say() { printf '%s\n' "$*"; }

# fail WHAT ADVICE...: one line that says what happened, then what to do about it.
fail() {
    printf '\nerror: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '  %s\n' "$line" >&2; done
    exit 1
}

# attempt COMMAND...: run it with its output kept in $LOG.
attempt() {
    LOG=${LOG:-$(mktemp)}
    "$@" >"$LOG" 2>&1 </dev/null
}

# try_step WHAT COMMAND...: announce, run quietly, tell the time; return whether it worked.
try_step() {
    what=$1
    shift
    began=$(date +%s)
    printf '%s ... ' "$what"
    if attempt "$@"; then
        printf 'done (%d s)\n' $(($(date +%s) - began))
        rm -f "$LOG"
        unset LOG
    else
        printf 'failed\n'
        return 1
    fi
}

# step WHAT ADVICE COMMAND...: the same; on failure show the end of the output and stop.
step() {
    what=$1
    advice=$2
    shift 2
    try_step "$what" "$@" && return 0
    tail -n 20 "$LOG" | sed 's/^/  | /' >&2
    rm -f "$LOG"
    fail "$what did not work; the end of its output is above." "$advice"
}

# as_root COMMAND...: as root, through sudo where the user is someone else.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    else
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    fi
}

may_be_root() { [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null 2>&1; }

has_apt() { command -v apt-get >/dev/null 2>&1 && command -v dpkg-query >/dev/null 2>&1; }

is_installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# know_packages NAME...: make sure that apt has lists in which the packages stand.
know_packages() {
    [ -n "$(apt-cache madison "$@" 2>/dev/null)" ] && return 0
    update_lists
}

update_lists() {
    may_be_root || fail "apt's package lists must be brought up to date, which takes root's rights." \
        "Run 'apt-get update' as root, then the same make command again."
    [ "$(id -u)" -eq 0 ] || sudo -v || fail "sudo refused." "Run 'apt-get update' as root, then make again."
    step "Updating apt's package lists" \
        "Check the network and apt's configuration: 'apt-get update' must work." \
        as_root apt-get -o DPkg::Lock::Timeout=$LOCK_SECONDS update -q
}

# How long apt waits while something else, such as an unattended upgrade, holds its lock.
LOCK_SECONDS=120

apt_install() {
    as_root apt-get -o DPkg::Lock::Timeout=$LOCK_SECONDS install -q -y --no-install-recommends "$@"
}

# install_packages WHY NAME...: install what is missing of these Debian packages.
install_packages() {
    why=$1
    shift
    has_apt || return 0
    missing=
    for name in "$@"; do is_installed "$name" || missing="$missing $name"; done
    [ -n "$missing" ] || return 0
    may_be_root || fail "these Debian packages are missing ($why):$missing" \
        "Run 'apt-get install$missing' as root, then the same make command again."
    [ "$(id -u)" -eq 0 ] || sudo -v || fail "sudo refused." \
        "Run 'apt-get install$missing' as root, then the same make command again."
    know_packages $missing
    # Old lists name files that the archive no longer has: bring them up to date, once.
    if ! try_step "Installing from Debian ($why):$missing" apt_install $missing; then
        update_lists
        step "Installing from Debian again" \
            "Run 'apt-get install$missing' as root, then the same make command again." \
            apt_install $missing
    fi
    mkdir -p "$VENV/share" && printf '%s\n' $missing >>"$VENV/share/debian-packages"
}
