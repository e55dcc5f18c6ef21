#!/bin/sh
# Proves that the two commands of the README work on a fresh Debian 12: makes one in a folder with
# debootstrap, copies the committed state in, and runs `make demo` and `make test` there. Needs
# root. What is not committed is not proved.
#
#   PROVE_MIRROR   where Debian comes from
#   PROVE_COPY     files and folders of this host that the fresh system needs to reach its package
#                  mirrors: the default has name resolution, certificates and the mirrors of apt,
#                  pip and Maven (Go's come from PROVE_ENV); missing ones are passed over
#   PROVE_ENV      names of environment variables to pass on
#   PROVE_RUN      what to run instead, e.g. "make build"
#   PROVE_KEEP=1   keep the folder
set -eu
cd "$(dirname "$0")/.."

[ "$(id -u)" = 0 ] || { echo "prove-bare: debootstrap needs root; run: sudo make prove-bare" >&2; exit 1; }

home=${HOME:?}
PROVE_MIRROR=${PROVE_MIRROR:-http://deb.debian.org/debian}
PROVE_COPY=${PROVE_COPY:-/etc/resolv.conf /etc/hosts /etc/apt/sources.list /etc/apt/sources.list.d
  /etc/apt/apt.conf.d /etc/apt/auth.conf.d /etc/apt/keyrings /usr/local/share/ca-certificates
  /etc/ssl/certs/ca-certificates.crt /etc/pip.conf $home/.config/pip $home/.pip
  $home/.m2/settings.xml}
PROVE_ENV=${PROVE_ENV:-http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY PIP_INDEX_URL
  PIP_EXTRA_INDEX_URL PIP_CERT PIP_DEFAULT_TIMEOUT SSL_CERT_FILE REQUESTS_CA_BUNDLE MAVEN_OPTS
  MAVEN_ARGS JAVA_TOOL_OPTIONS GOPROXY GOSUMDB GONOSUMDB GONOPROXY GOPRIVATE}
PROVE_RUN=${PROVE_RUN:-make demo && make test}

root=$(mktemp -d "${TMPDIR:-/var/tmp}/switchgear-bare.XXXXXX")
chmod 755 "$root"  # apt's own user has to get in.
# All mounts live in a namespace that ends with the commands, so this removes nothing but the folder.
finish() {
  if [ -n "${PROVE_KEEP:-}" ]; then echo "prove-bare: kept $root" >&2
  else rm -rf --one-file-system "$root"; fi
}
trap finish EXIT
trap 'exit 130' INT TERM

echo "prove-bare: a fresh Debian 12" >&2
if ! debootstrap --variant=minbase --include=make,git,ca-certificates bookworm "$root" \
    "$PROVE_MIRROR" >"$root.log" 2>&1; then
  tail -20 "$root.log" >&2
  echo "prove-bare: debootstrap failed; all it said is in $root.log" >&2
  exit 1
fi
rm -f "$root.log"

for path in $PROVE_COPY; do
  [ -e "$path" ] || continue
  rm -rf "${root:?}$path"
  mkdir -p "$root$(dirname "$path")"
  cp -aL "$path" "$root$path"
done
# Options that exist only where a tool is installed would break a system without it.
for hook in 20packagekit 50appstream 70debconf; do rm -f "$root/etc/apt/apt.conf.d/$hook"; done

# With the host's sources named twice apt only complains, but at length.
[ ! -e /etc/apt/sources.list ] && ls /etc/apt/sources.list.d/* >/dev/null 2>&1 &&
  rm -f "$root/etc/apt/sources.list"

git clone -q --no-hardlinks . "$root/srv/switchgear"

set --
for name in $PROVE_ENV; do
  eval "value=\${$name:-}"
  [ -z "$value" ] || set -- "$@" "$name=$value"
done

mkdir -p "$root$home"

echo "prove-bare: $PROVE_RUN" >&2
begin=$(date +%s)
status=0
unshare --mount --pid --fork --kill-child --propagation private sh -eu -c '
  root=$1 home=$2
  shift 2
  mount --rbind /dev "$root/dev"
  mount -t proc proc "$root/proc"
  exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME="$home" LANG=C.UTF-8 CI=true "$@"
' sh "$root" "$home" "$@" sh -c "update-ca-certificates >/dev/null 2>&1; cd /srv/switchgear && $PROVE_RUN" \
  </dev/null || status=$?
echo "prove-bare: ended with $status after $(($(date +%s) - begin)) s" >&2
exit "$status"
