# shellcheck shell=bash
# Sourced by install and run: where programs are, and small words for both.
# shellcheck disable=SC2034,SC2154 # what one sets, another uses
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$(dirname "$here")")
prefix=${HOLDFAST_SERVERS:-$root/build/servers}
java_home=$prefix/mjs       # mongo-java-server's jars and our class
ferretdb=$prefix/bin/ferretdb
chroot_home=$prefix/sid     # PostgreSQL 18 with DocumentDB, from Debian unstable
postgres_bin=/usr/lib/postgresql/18/bin

die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }
need_program() { # PROGRAM WHERE_FROM
  command -v "$1" >/dev/null || die "needs $1 ($2)"
}
in_chroot() { chroot "$chroot_home" "$@"; }
as_postgres() { # COMMAND... : needs $place (inside the chroot) and $postgres_port
  chroot --userspec=postgres:postgres "$chroot_home" /usr/bin/env -i LC_ALL=C.UTF-8 \
    PATH="$postgres_bin:/usr/bin:/bin" PGHOST="$place" PGPORT="$postgres_port" PGUSER=postgres "$@"
}
