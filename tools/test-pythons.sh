#!/bin/sh
# usage: test-pythons.sh VENV
# Run a part of the tests on every Python from 3.10 to 3.13 that this machine has, and on the oldest
# ipyparallel. VENV is the environment of `make test`; the others are made in it and kept.
set -eu
VENV=$1
. "$(dirname "$0")/common.sh"

OLDEST_IPYPARALLEL=8.4.1
# What depends on Python and ipyparallel most: VisTrails and its repairs, Map, the api, the command.
# In this order: a Map's cluster is found by commands that run after it.
TESTS="tests/api tests/cli/test_run.py tests/host/test_core.py tests/host/test_alias.py
    tests/map/test_table.py tests/unit/test_distribution.py tests/work/test_run.py"

# find_python VERSION: print the path of a Python of this version, nothing if there is none.
find_python() {
    for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python; do
        found=$(command -v "$candidate" 2>/dev/null) || continue
        # A command of pyenv may be there and not work.
        if [ "$("$found" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$1" ]; then
            printf '%s' "$found"
            return
        fi
    done
}

# prepare FOLDER PYTHON [REQUIREMENT]: make an environment, unless it is there.
prepare() {
    [ ! -f "$1/ready" ] || return 0
    sh tools/make-venv.sh "$1" "$2"
    site() { "$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'; }
    cp -r "$(site "$VENV")/vistrails" "$(site "$1")/"
    sh tools/install.sh "$1" test "the tests' tools"
    [ -z "${3:-}" ] || step "Installing $3" "Check the network, then make again." \
        env PIP_USER=0 "$1/bin/python" -m pip install --disable-pip-version-check "$3"
    touch "$1/ready"
}

# run_tests FOLDER NAME: run the tests in an environment; remember how it went.
run_tests() {
    say "" "== $2: $("$1/bin/python" --version), ipyparallel $("$1/bin/python" -c 'import ipyparallel; print(ipyparallel.__version__)')"
    if "$1/bin/python" -m pytest -q -p no:cacheprovider -m 'not slow' $TESTS; then
        results="$results  $2: passed\n"
    else
        results="$results  $2: FAILED\n"
        failed=1
    fi
}

export VISTRAILS_EXAMPLES="${VISTRAILS_EXAMPLES:-$(pwd)/$VENV/share/vistrails/examples}"
failed=0
results=
oldest_on=
for version in 3.10 3.11 3.12 3.13; do
    python=$(find_python $version)
    if [ -z "$python" ]; then
        results="$results  Python $version: skipped, this machine has none\n"
        continue
    fi
    prepare "$VENV/pythons/$version" "$python"
    run_tests "$VENV/pythons/$version" "Python $version"
    oldest_on=${oldest_on:-$python}
done
if [ -n "$oldest_on" ]; then
    prepare "$VENV/pythons/oldest" "$oldest_on" "ipyparallel==$OLDEST_IPYPARALLEL"
    run_tests "$VENV/pythons/oldest" "ipyparallel $OLDEST_IPYPARALLEL"
fi
say "" "== in short"
printf "$results"
exit $failed
