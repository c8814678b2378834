# The archive that apt is configured with, asked for a package of another release of Debian. Read with
# "." after common.sh. Nothing of the machine's apt is changed: lists, cache and sources are in a folder
# of their own. Its settings (proxies, certificates, passwords) hold, and the archive's keys verify.

# The last release of Debian that has VisTrails, and what its package is.
VISTRAILS_RELEASE=bookworm
VISTRAILS_VERSION=3.0~git+9dc22bd.dfsg.1-1.1
VISTRAILS_SHA256=0bf66ab386df30d2b36ba325beb36cd7c695ff390598b89aa19c0e553f998441
WITHOUT_APT="With a VisTrails given by hand: make VISTRAILS=PATH run, where PATH is Debian 12's package (a .deb) or a folder with
  VisTrails 3.0. docs/installation.md, 'Where VisTrails comes from', tells where to get either."

# list_debian_archives: print "ADDRESS FILE" for each archive of Debian among apt's sources; FILE is where
# it is named. Security updates are archives of their own, without releases.
list_debian_archives() {
    apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)|$(SOURCESENTRY)' 'Created-By: Packages' 2>/dev/null |
        awk -F'|' '$1 == "Debian" && $2 == "Debian" { sub(/:[0-9]*$/, "", $4); print $3, $4 }' | sort -u
}

# choose_keyrings FILE: print, separated by commas, the files whose keys may sign: Debian's, and those that
# apt's sources name. Nothing where there are none: apt has keys of its own then.
choose_keyrings() {
    {
        ls /usr/share/keyrings/debian-archive-keyring.pgp /usr/share/keyrings/debian-archive-keyring.gpg
        # A copy of Debian's archive may be signed anew: "Signed-By: /FILE" or "[signed-by=/FILE,/FILE]".
        sed -n 's/^[^#]*[Ss]igned-[Bb]y[:=] *\(\/[^] ]*\).*/\1/p' "$1" | tr , '\n'
    } 2>/dev/null | while read -r file; do [ ! -f "$file" ] || echo "$file"; done | sort -u | paste -sd, -
}

# make_private_apt FOLDER RELEASE ADDRESS FILE: write the configuration of an apt that knows this release
# alone. Hooks are left out: they tell the machine's desktop about updates.
make_private_apt() {
    keyrings=$(choose_keyrings "$4")
    rm -rf "$1"
    mkdir -p "$1/state/lists/partial" "$1/cache/archives/partial" "$1/parts"
    chmod -R a+rX "$1" # apt gives up root's rights while it fetches
    printf 'deb %s%s %s main\n' "${keyrings:+[signed-by=$keyrings] }" "$3" "$2" >"$1/sources.list"
    : >"$1/apt.conf"
    chmod 600 "$1/apt.conf" # a proxy's password may be in it
    apt-config dump | grep -vE '^(APT::Update|DPkg|Dir|CommandLine|Binary)\b' >>"$1/apt.conf"
    cat >>"$1/apt.conf" <<END
Dir::State "$1/state";
Dir::State::lists "$1/state/lists";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "$1/cache";
Dir::Cache::archives "$1/cache/archives";
Dir::Etc::main "/dev/null";
Dir::Etc::sourcelist "$1/sources.list";
Dir::Etc::sourceparts "$1/parts";
Dir::Etc::parts "$1/parts";
Dir::Etc::preferences "$1/parts/none";
Dir::Etc::preferencesparts "$1/parts";
END
}

# fetch_from RELEASE PACKAGE VERSION FOLDER: download into FOLDER what an archive of apt's sources has in
# this release. Fails if none of them has it; what apt said is in its output.
fetch_from() (
    private=$(mktemp -d)
    chmod a+rx "$private"
    trap 'rm -rf "$private"' EXIT
    trap 'exit 130' INT TERM HUP
    list_debian_archives >"$private/archives"
    while read -r address file; do
        make_private_apt "$private/apt" "$1" "$address" "$file"
        if APT_CONFIG="$private/apt/apt.conf" apt-get update -q </dev/null &&
            (cd "$4" && APT_CONFIG="$private/apt/apt.conf" apt-get download -q "$2=$3" </dev/null); then
            exit 0
        fi
    done <"$private/archives"
    exit 1
)
