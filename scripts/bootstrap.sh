#!/usr/bin/env bash
# Makes .venv and .local/jars complete. Quick when they are; repairs what an interrupted run left behind.
set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$repo"
venv=$repo/.venv
stamp=$venv/.complete
jars=${CDC_JARS:-$repo/.local/jars}
uv_version=0.13.9

fail() {
    printf '%s\n' "$1" >&2
    exit 1
}

# What the installation depends on; a changed pin installs again.
wanted() {
    cat requirements.txt scripts/bootstrap.sh include/local_stack/bootstrap/{jars.lock,archive.py,archive_training.py} | cksum
}

is_complete() {
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(wanted) $jars" ] && [ -x "$venv/bin/python" ] && [ -d "$jars/kafka" ]
}

find_python() {
    local name path
    for name in python3.11 python3.12 python3.13 python3; do
        for path in $(type -ap "$name" 2>/dev/null || true); do
            if "$path" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
                printf '%s' "$path"
                return
            fi
        done
    done
}

java_major() {
    "$1" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1
}

has_java() {
    local java folders
    IFS=: read -ra folders <<<"${CDC_JVM_FOLDERS:-/usr/lib/jvm:/opt}"
    for java in ${JAVA_HOME:+"$JAVA_HOME/bin/java"} $(type -ap java 2>/dev/null || true) ${folders[@]/%//*/bin/java}; do
        if [ -x "$java" ]; then
            case $(java_major "$java") in 17 | 21) return 0 ;; esac
        fi
    done
    return 1
}

is_complete && exit 0

[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] ||
    fail "this is $(uname -s) on $(uname -m), and the stack's components are built for Linux on x86_64"
python=$(find_python)
[ -n "$python" ] ||
    fail "Python 3.11, 3.12 or 3.13 is needed and none is on PATH: install one (Debian, Ubuntu: apt-get install python3 python3-venv)"
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
    fail "$python has no venv module: install it (Debian, Ubuntu: apt-get install python3-venv)"
has_java ||
    fail "Java 17 or 21 is needed and none was found in JAVA_HOME, on PATH or in /usr/lib/jvm: install one (Debian, Ubuntu: apt-get install openjdk-17-jre-headless)"
[ -w "$repo" ] || fail "$repo cannot be written by this user: clone the repository into a folder of yours"
free_kb=$(df -Pk "$repo" | awk 'NR == 2 { print $4 }')
if [ ! -f "$stamp" ] && [ "$free_kb" -lt 6000000 ]; then
    fail "$((free_kb / 1000000)) GB are free in $repo and the installation needs 6: free some"
fi

# One installation at a time; a second one waits and then finds everything there.
exec 9>"$repo/.bootstrap.lock"
flock 9
is_complete && exit 0
rm -f "$stamp"

explain_install() {
    if grep -qiE 'no space left' "$1"; then
        fail "the disk is full while the Python packages are installed: free about 5 GB and run it again"
    elif grep -qiE 'from versions: none|resolve|connect|network|timed out|name or service|dns|error sending request' "$1"; then
        fail "the package index does not answer: check the network (behind a proxy, set HTTPS_PROXY) and run it again ($(tail -n 1 "$1"))"
    fi
    tail -n 15 "$1" >&2
    fail "the Python packages could not be installed, for the reason above; run it again when it is mended"
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! "$venv/bin/python" -c 'import sys, pip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
    echo "creating .venv with $("$python" --version)"
    "$python" -m venv --clear "$venv" >"$log" 2>&1 || explain_install "$log"
fi
if [ "$("$venv/bin/python" -m uv --version 2>/dev/null | cut -d' ' -f2)" != "$uv_version" ]; then
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$uv_version" >"$log" 2>&1 || explain_install "$log"
fi
echo "installing the Python packages of requirements.txt"
# uv does not read pip's own setting for a mirror
export UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-${PIP_INDEX_URL:-}}
[ -n "$UV_DEFAULT_INDEX" ] || unset UV_DEFAULT_INDEX
VIRTUAL_ENV=$venv "$venv/bin/uv" pip install --quiet --require-hashes -r requirements.txt >"$log" 2>&1 || explain_install "$log"

echo "fetching the jars"
PYTHONPATH=$repo/include CDC_JARS=$jars "$venv/bin/python" -m local_stack.bootstrap
printf '%s %s' "$(wanted)" "$jars" >"$stamp"
echo "everything is installed"
