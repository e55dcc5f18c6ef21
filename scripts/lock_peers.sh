#!/bin/sh
# Rewrites the lock files of the test peers from their requirements.in and ElasticMQ's pom.xml, and
# those of what make bench-peers and bench-store compare with. Go's are kept by `go mod tidy`,
# Rust's by cargo, Node's by `npm install --package-lock-only`.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A lock must hold the index's own files, not those of a local folder.
unset PIP_FIND_LINKS
/usr/bin/python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -q pip-tools==7.5.1
for folder in tests tests/peers/dynalite tests/peers/valkey bench/peers/python bench/store; do
  "$work/venv/bin/pip-compile" -q --upgrade --generate-hashes --strip-extras --allow-unsafe \
    --no-emit-index-url --no-emit-find-links --no-header \
    -o $folder/requirements.txt $folder/requirements.in
done

version=$(sed -n 's/^botocore==\([^ ]*\).*/\1/p' tests/requirements.txt)
mkdir "$work/source"
"$work/venv/bin/python" -m pip install -q setuptools
"$work/venv/bin/python" -m pip download -q --no-deps --no-binary :all: --no-build-isolation \
  -d "$work/source" "botocore==$version"
{
  echo "# botocore's source archive, for its signing suite. Written by make lock."
  echo "botocore==$version --hash=sha256:$(sha256sum "$work/source/botocore-$version.tar.gz" | cut -d' ' -f1)"
} >tests/requirements-source.txt

for folder in tests/peers/elasticmq bench/peers/java; do
  rm -rf "$work/jars"
  mvn -B -q -Dmaven.repo.local="$work/maven" -f $folder/pom.xml \
    dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$work/jars"
  (cd "$work/jars" && LC_ALL=C sha256sum -- *.jar) >$folder/jars.sha256
done
