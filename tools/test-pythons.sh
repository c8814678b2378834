#!/bin/sh
# usage: test-pythons.sh VENV [quick prepare [slow]|NAME]
# Run a part of the tests on every Python from 3.10 to 3.15 that this machine has, and on the oldest
# ipyparallel. VENV is the environment of `make test`; the others are made in it and kept.
#
# quick prepare: only make the environments for quick NAME: a few tests, only on NAME, a Python's version
# or "oldest" for that ipyparallel. Exits with 77 if there is no such environment. Those that only slow
# tests use are made with quick prepare slow.
set -eu
VENV=$1
QUICK=${2:-}
ONLY=${3:-}
SLOW=${4:-}
. "$(dirname "$0")/common.sh"

OLDEST_IPYPARALLEL=8.4.1
VERSIONS="3.10 3.11 3.12 3.13 3.14 3.15"
# Only slow tests run quickly on these.
SLOW_VERSIONS="3.10 3.11 3.12"
# What depends on Python and ipyparallel most: VisTrails and its repairs, Map, the api, the command.
# In this order: a Map's cluster is found by commands that run after it.
TESTS="tests/api tests/cli/test_run.py tests/host/test_core.py tests/host/test_alias.py
    tests/map/test_table.py tests/unit/test_distribution.py tests/work/test_run.py"
# The same in half a minute, without PyQt5 and the tools of the other tests. Those of Map follow those of
# the api, whose engines they share; those of the command stop them.
QUICK_TESTS="tests/api/test_parallel_map.py tests/map/test_table.py tests/cli/test_run.py
    tests/host/test_core.py"
QUICK_NAMES="is_like_map or first_exception or notebook or a_module_that_map_runs or values_of_any_kind
    or closures_travel or that_cannot_travel or test_a_group or element_that_raises or lowest_failing
    or stays_in_the_log or cancel_stops or parallel_map_on_a_running or engines_are_started or missing_or_cannot_run"

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

# pip_install FOLDER WHAT REQUIREMENT...: install into an environment.
pip_install() {
    folder=$1
    what=$2
    shift 2
    step "Installing $what" "Check the network, then make again." \
        env PIP_USER=0 "$folder/bin/python" -m pip install --disable-pip-version-check "$@"
}

# site FOLDER: print where an environment has its libraries.
site() { "$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'; }

# compile FOLDER WHAT...: without compiled files each process compiles anew, hundreds of them, where
# Python is told not to keep that. Not all of VisTrails is valid on every Python.
compile() {
    python=$1/bin/python
    shift
    env -u PYTHONDONTWRITEBYTECODE "$python" -W ignore -m compileall -q "$@" >/dev/null || true
}

# prepare FOLDER PYTHON [REQUIREMENT]: make an environment, unless it is there, and compile its VisTrails.
prepare() {
    [ -f "$1/ready" ] || make_environment "$@"
    compile "$1" "$(site "$1")/vistrails"
}

make_environment() {
    sh tools/make-venv.sh "$1" "$2"
    cp -r "$(site "$VENV")/vistrails" "$(site "$1")/"
    if [ -n "$QUICK" ]; then
        pip_install "$1" "Parallel Flow and the tests' tools" --no-build-isolation --editable . \
            pytest pytest-timeout numpy ${3:-}
        cp tools/parallelflow_activate.pth "$(site "$1")/"
    else
        sh tools/install.sh "$1" test "the tests' tools"
        [ -z "${3:-}" ] || pip_install "$1" "$3" "$3"
    fi
    touch "$1/ready"
}

# is_wanted VERSION: whether an environment is made with this Python.
is_wanted() {
    [ -n "$QUICK" ] || return 0
    [ "$1" != "$own" ] || return 1
    [ -z "$SLOW" ] || return 0
    case " $SLOW_VERSIONS " in *" $1 "*) return 1 ;; esac
}

# run_tests FOLDER NAME: run the tests in an environment; remember how it went.
run_tests() {
    parts=tests
    [ -z "$QUICK" ] || parts=tests/support
    compile "$1" parallelflow $parts
    say "" "== $2: $("$1/bin/python" --version), ipyparallel $("$1/bin/python" -c 'from importlib.metadata import version; print(version("ipyparallel"))')"
    if [ -n "$QUICK" ]; then
        set -- "$1" "$2" -c tools/test-pythons.ini --rootdir . -k "$(printf '%s' "$QUICK_NAMES" | tr '\n' ' ')" $QUICK_TESTS
    else
        set -- "$1" "$2" $TESTS
    fi
    folder=$1
    name=$2
    shift 2
    if "$folder/bin/python" -m pytest -q -p no:cacheprovider -m 'not slow and not fleet' "$@"; then
        results="$results  $name: passed\n"
    else
        results="$results  $name: FAILED\n"
        failed=1
    fi
}

case $VENV in
/*) ;;
*) VENV=$(pwd)/$VENV ;;
esac
export VISTRAILS_EXAMPLES="${VISTRAILS_EXAMPLES:-$VENV/share/vistrails/examples}"
FOLDER=$VENV/pythons/$QUICK
failed=0
results=
if [ -n "$ONLY" ] && [ "$ONLY" != prepare ]; then
    if [ ! -f "$FOLDER$ONLY/ready" ]; then
        case $ONLY in
        oldest) say "there is no Python from 3.10 to 3.15 on this machine" ;;
        *) say "this machine has no Python $ONLY" ;;
        esac
        exit 77
    fi
    run_tests "$FOLDER$ONLY" "$ONLY"
    exit $failed
fi
own=$("$VENV/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
oldest_on=
for version in $VERSIONS; do
    python=$(find_python $version)
    oldest_on=${oldest_on:-$python}
    if [ -z "$python" ]; then
        results="$results  Python $version: skipped, this machine has none\n"
    elif is_wanted $version; then
        prepare "$FOLDER$version" "$python"
        [ -n "$QUICK" ] || run_tests "$FOLDER$version" "Python $version"
    fi
done
if [ -n "$oldest_on" ]; then
    prepare "${FOLDER}oldest" "$oldest_on" "ipyparallel==$OLDEST_IPYPARALLEL"
    [ -n "$QUICK" ] || run_tests "${FOLDER}oldest" "ipyparallel $OLDEST_IPYPARALLEL"
fi
[ -z "$QUICK" ] || exit 0
say "" "== in short"
printf "$results"
exit $failed
