#!/usr/bin/env bash
# Installs what is missing: `deps.sh build` to compile (system packages, Rust), `deps.sh e2e` to test as
# well (npm's tools, file systems of the power-cut scenario, network namespaces of the test networks, the
# broker and the PHP that tests of the activity mirror start).
# Debian and Ubuntu: with apt-get as root or through sudo; elsewhere it prints what to run and stops.
set -euo pipefail
cd "$(dirname "$0")/../.."

say() { printf 'deps: %s\n' "$*" >&2; }
stop() { say "$@"; exit 1; }
# Administrators' programs are often outside a plain user's search path.
has() { PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1; }

has_libclang() {
    [[ -n "${LIBCLANG_PATH:-}" ]] && return 0
    compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' >/dev/null ||
        compgen -G '/usr/lib/*-linux-gnu/libclang*.so*' >/dev/null ||
        compgen -G '/usr/lib/libclang.so*' >/dev/null
}

build_packages() {
    local missing=()
    has_libclang || missing+=(libclang-dev)
    has clang || missing+=(clang)
    has g++ || missing+=(g++)
    has cmake || missing+=(cmake)
    has make || missing+=(make)
    has pkg-config || missing+=(pkg-config)
    install "${missing[@]}"
}

test_packages() {
    local missing=()
    has mkfs.xfs || missing+=(xfsprogs)
    has mkfs.ext4 || missing+=(e2fsprogs)
    has ip || missing+=(iproute2)
    has iptables-legacy || missing+=(iptables)
    install "${missing[@]}"
}

# Tests of the activity mirror start a broker of their own and a PHP client; without them they are skipped.
mirror_packages() {
    local missing=()
    has rabbitmq-server || missing+=(rabbitmq-server)
    has php || missing+=(php-cli)
    [[ $(php -m 2>/dev/null) == *curl* ]] || missing+=(php-curl)
    ((${#missing[@]})) || return 0
    # In a subshell: what cannot be had here ends only that.
    if ! (install "${missing[@]}"); then
        say "no ${missing[*]}: the tests that use them are skipped"
    elif [[ " ${missing[*]} " == *" rabbitmq-server "* ]]; then
        no_system_broker
    fi
}

# Debian's package starts a broker at once and at every boot; the tests need its programs only.
no_system_broker() {
    local as_root=()
    [[ $(id -u) == 0 ]] || as_root=(sudo)
    if [[ -d /run/systemd/system ]]; then
        "${as_root[@]}" systemctl disable --now --quiet rabbitmq-server epmd.socket epmd >&2 ||
            say "a system-wide RabbitMQ may be running: systemctl disable --now rabbitmq-server"
    else
        "${as_root[@]}" service rabbitmq-server stop >&2 || say "a system-wide RabbitMQ may be running"
        "${as_root[@]}" update-rc.d rabbitmq-server disable >&2
        # Refuses while an Erlang node of somebody else is registered.
        epmd -kill >/dev/null 2>&1 || true
    fi
}

# Installs Debian packages, or says how.
install() {
    local missing=("$@")
    ((${#missing[@]})) || return 0

    local install="apt-get install -y --no-install-recommends ${missing[*]}"
    if ! has apt-get; then
        stop "missing: ${missing[*]} (Debian's names); install them with this system's package tool"
    elif [[ $(id -u) == 0 ]]; then
        say "installing ${missing[*]}"
        DEBIAN_FRONTEND=noninteractive bash -c "apt-get update -q && $install -q" >&2
    elif has sudo; then
        say "installing ${missing[*]} with sudo"
        sudo bash -c "apt-get update -q && DEBIAN_FRONTEND=noninteractive $install -q" >&2
    else
        stop "missing packages; run as root: apt-get update && $install"
    fi
}

rust() {
    has cargo || stop "Rust is missing: install rustup (https://rustup.rs), then run this again"
    local want have
    want=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    have=$(cargo --version | cut -d' ' -f2)
    [[ $(printf '%s\n%s\n' "$want" "$have" | sort -V | head -1) == "$want" ]] ||
        stop "Rust $want or newer is needed, this is $have: rustup update stable"
}

e2e() {
    has npm || stop "Node.js 20 or newer with npm is missing"
    local major
    major=$(node -p 'process.versions.node.split(".")[0]')
    ((major >= 20)) || stop "Node.js 20 or newer is needed, this is $(node --version)"
    local lock=testnet/e2e/package-lock.json stamp=testnet/e2e/node_modules/.lock-sum
    local sum
    sum=$(sha256sum <"$lock")
    [[ -f $stamp && $(<"$stamp") == "$sum" ]] && return 0
    say "npm ci in testnet/e2e"
    # Foundry's binaries are packages of their own, so no install script has to run.
    (cd testnet/e2e && npm ci --ignore-scripts --no-audit --no-fund >&2)
    printf '%s\n' "$sum" >"$stamp"
}

# The independent Merkle tree of the log's tests lies in a virtual environment. Without it they are skipped.
python_e2e() {
    local venv=testnet/e2e/python/venv wanted=testnet/e2e/python/requirements.txt
    local stamp=$venv/.requirements-sum sum
    sum=$(sha256sum <"$wanted")
    [[ -f $stamp && $(<"$stamp") == "$sum" ]] && return 0
    say "python3 -m venv $venv"
    if rm -rf "$venv" && python3 -m venv "$venv" >&2 &&
        "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$wanted" >&2; then
        printf '%s\n' "$sum" >"$stamp"
    else
        rm -rf "$venv"
        say "no pymerkle: it needs python3 with venv, and PyPI; the test that uses it is skipped"
    fi
}

for part in "$@"; do
    case $part in
    build) build_packages; rust ;;
    e2e) test_packages; mirror_packages; e2e; python_e2e ;;
    *) stop "unknown part: $part (build, e2e)" ;;
    esac
done
