#!/bin/sh
# Installs the Debian packages that a target needs and the machine lacks.
#   scripts/install.sh build [test] [lint] [bench] [java] [rust]
# Says nothing and calls no apt when all of them are there. Made for Debian 12.
set -eu

# clang-19, because g++ 12 frees temporaries twice in common coroutine calls.
build='clang-19 lld-19 libclang-rt-19-dev cmake ninja-build ccache make git
  libboost1.81-dev libssl-dev libexpected-dev libcli11-dev libyaml-cpp-dev libspdlog-dev libfmt-dev'
# redis-tools and not redis-server: it carries the same program (a server when called by that
# name) without a service that would start and take port 6379.
test='libgtest-dev libgmock-dev librapidcheck-dev libbenchmark-dev binutils strace
  redis-tools spin python3 python3-venv openjdk-17-jre-headless maven'
lint='clang-tidy-19 clang-format-19'
bench='libbenchmark-dev'
prove='debootstrap'
# For the breakers of make bench-peers. Debian's plain rustc is too old.
java='openjdk-17-jdk-headless maven'
rust='rustc-web cargo-web'

wanted=
for set in "$@"; do
  case $set in
    build) wanted="$wanted $build" ;;
    test) wanted="$wanted $test" ;;
    lint) wanted="$wanted $lint" ;;
    bench) wanted="$wanted $bench" ;;
    prove) wanted="$wanted $prove" ;;
    java) wanted="$wanted $java" ;;
    rust) wanted="$wanted $rust" ;;
    *) echo "install: no such set of packages: $set (build, test, lint, bench, prove, java, rust)" >&2; exit 2 ;;
  esac
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "install: this is not Debian or a relative of it; install the equivalents of:" >&2
  echo "install:  $(echo $wanted)" >&2
  exit 1
fi

present=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null |
          sed -n 's/^installed //p') || true
missing=
for package in $wanted; do
  printf '%s\n' "$present" | grep -qxF "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "install: these packages are missing, and this user is neither root nor has sudo:" >&2
    echo "install:  $missing" >&2
    echo "install: have them installed with: apt-get install --no-install-recommends$missing" >&2
    exit 1
  fi
  as_root=sudo
fi

apt() {
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Acquire::Retries=3 \
    -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"
}

echo "install:$missing" >&2
# The package lists are fetched only if they are absent or too old to hold what they promise.
if ! apt install --no-install-recommends --simulate $missing >/dev/null 2>&1; then
  apt update >&2
  apt install --no-install-recommends $missing >&2
elif ! apt install --no-install-recommends $missing >&2; then
  apt update >&2
  apt install --no-install-recommends $missing >&2
fi
