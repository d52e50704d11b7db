#!/bin/sh
# Installs the Debian 12 packages that building, running and testing need; does nothing when all are there.
# usage: scripts/setup.sh [build|test|full]   (each includes the one before it)
set -eu
level=${1:-build}

packages="clang-19 lld-19 cmake ninja-build ccache pkg-config libboost1.81-dev libboost-json1.81-dev
  libssl-dev libcurl4-openssl-dev libpcre2-dev libutf8proc-dev libsentencepiece-dev libprotobuf-dev
  libtomlplusplus-dev libxxhash-dev python3 python3-pip ca-certificates"
case $level in
  build) ;;
  test) packages="$packages libgtest-dev libgmock-dev" ;;
  full) packages="$packages libgtest-dev libgmock-dev g++ llvm-19 libclang-rt-19-dev python3-venv qemu-user g++-aarch64-linux-gnu
    xz-utils binutils zsh fish" ;;
  *) echo "setup.sh: unknown level '$level' (expected build, test or full)" >&2; exit 2 ;;
esac

missing=""
for p in $packages; do
  case $(dpkg-query -W -f='${Status}' "$p" 2>/dev/null || true) in
    *"install ok installed"*) ;;
    *) missing="$missing $p" ;;
  esac
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then sudo=""; else sudo="sudo"; fi
if [ -n "$sudo" ] && ! command -v sudo >/dev/null; then
  echo "setup.sh: these packages are missing and sudo is not here; install them as root:$missing" >&2
  exit 1
fi
echo "Installing Debian packages:$missing"
$sudo apt-get update -q
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
