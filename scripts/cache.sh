# For scripts that install pinned packages into the cache folder; sourced, from the repository. Sets
# `cache` and `python`, and takes the cache's lock until the script ends.
# A group is a link to a folder named after the hash of its lock files, so an unchanged lock costs
# nothing and two versions of the repository can share a cache.

program=$(basename "$0" .sh)
cache=${SWITCHGEAR_CACHE:-$PWD/.cache}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)

# One installation at a time, also across checkouts that share the cache.
if command -v flock >/dev/null; then
  exec 9>"$cache/lock"
  flock 9
fi

say() { echo "$program: $*" >&2; }

# Debian's python3 before any other: the one that the tests are known to work with.
for candidate in /usr/bin/python3 python3; do
  if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
  then python=$candidate; break; fi
done
if [ -z "${python:-}" ]; then
  say "no python3 >= 3.11 with venv found; install python3 and python3-venv"
  exit 1
fi

# group NAME INSTALLER LOCK...: run INSTALLER in an empty folder, unless that was done already.
group() {
  name=$1 installer=$2
  shift 2
  key=$( (echo "$installer 1"; cat "$@") | sha256sum | cut -c1-12)
  folder=$cache/$name-$key
  if [ ! -e "$folder/.done" ]; then
    say "installing $name"
    rm -rf "$folder"
    mkdir "$folder"
    if ! "$installer" "$folder" >"$folder.log" 2>&1; then
      cat "$folder.log" >&2
      say "could not install $name; what was tried is above"
      exit 1
    fi
    rm -f "$folder.log"
    touch "$folder/.done"
  fi
  ln -sfn "$name-$key" "$cache/$name"
}
