#!/bin/sh
# Makes sure that the programs the stack starts are there: PostgreSQL and RabbitMQ, and with the argument
# request-tracker also Request Tracker 5, which only `make test-real` needs.
#
# What is missing comes from the packages of Debian or Ubuntu. The stack runs private copies of all, so the
# services that the packages bring are neither started now nor at the next boot, and services that were there
# before are left as they are. Safe to repeat; takes no time when nothing is missing.
set -eu

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

have() { command -v "$1" >/dev/null 2>&1; }
have_postgres() { have initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }
have_rabbitmq() { [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || have rabbitmq-server; }
have_request_tracker() {
    [ -x /usr/share/request-tracker5/libexec/rt-server ] &&
        /usr/bin/perl -MPlack::Handler::Starlet -MDBD::SQLite -e 1 >/dev/null 2>&1
}

case "$#/${1-}" in
    0/) wanted= ;;
    1/request-tracker) wanted=request-tracker ;;
    *) die 'usage: dev/setup.sh [request-tracker]' ;;
esac

have cargo || die 'cargo is missing: install the Rust toolchain from https://rustup.rs, then run this again'
have setpriv || die 'setpriv is missing: install the package util-linux, then run this again'

missing=
have_postgres || missing="$missing postgresql"
have_rabbitmq || missing="$missing rabbitmq-server"
request_tracker=
if [ -n "$wanted" ] && ! have_request_tracker; then
    request_tracker='rt5-standalone rt5-db-sqlite request-tracker5'
    # RT depends on some program for mail. Ours sends none, so a machine without one gets the one that has no service;
    # a machine with one keeps it.
    [ -x /usr/sbin/sendmail ] || request_tracker="msmtp-mta $request_tracker"
fi
missing="$missing${request_tracker:+ $request_tracker}"
[ -n "$missing" ] || exit 0

say "missing:$missing"
if docker info >/dev/null 2>&1; then
    container='; or in a container: docker run --rm -v "$PWD:/source" -w /source rust:1-bookworm make test'
else
    container=
fi
have apt-get || die "there is no apt-get here: install$missing yourself, then run this again$container"
if [ "$(id -u)" -eq 0 ]; then
    as_root=
elif have sudo; then
    as_root=sudo
else
    die "that needs root: run 'apt-get install$missing' as root, then run this again$container"
fi

# Debian's way to say "start nothing while installing"; a policy that the machine already has stays in force.
policy=/usr/sbin/policy-rc.d
own_policy=
forget_policy() { [ -z "$own_policy" ] || $as_root rm -f "$policy"; }
trap forget_policy EXIT
trap 'exit 130' INT TERM
if [ ! -e "$policy" ]; then
    own_policy=yes
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod 755 "$policy"
fi

units='rabbitmq-server.service epmd.service epmd.socket postgresql.service request-tracker5.service msmtpd.service'
known_units=
if [ -d /run/systemd/system ]; then
    for unit in $units; do
        if systemctl cat "$unit" >/dev/null 2>&1; then known_units="$known_units $unit"; fi
    done
fi

# The stack makes a database and a configuration for each run; the package shall make neither, and no cron jobs.
preseed() {
    for answer in dbconfig-install=false install-cronjobs=false handle-siteconfig-permissions=true; do
        echo "request-tracker5 request-tracker5/${answer%%=*} boolean ${answer#*=}"
    done | $as_root debconf-set-selections
}

apt() { $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@" >&2; }

say 'step 1 of 2: reading the package lists'
apt update || say 'the package lists could not be refreshed; going on with those of last time'
say "step 2 of 2: installing$missing"
# Where RT is installed but incomplete, the answers of whoever installed it stay.
[ -z "$request_tracker" ] || dpkg -s request-tracker5 >/dev/null 2>&1 || preseed
# shellcheck disable=SC2086 # the packages are a list of words
apt install --no-install-recommends $missing || die "apt-get could not install$missing: see its message above"

if [ -d /run/systemd/system ]; then
    for unit in $units; do
        case " $known_units " in
            *" $unit "*) ;;
            *) $as_root systemctl disable --now "$unit" >/dev/null 2>&1 || : ;; # a unit that did not come has nothing to disable
        esac
    done
fi

have_postgres || die 'PostgreSQL is installed, but initdb is neither in PATH nor under /usr/lib/postgresql'
have_rabbitmq || die 'RabbitMQ is installed, but rabbitmq-server is not in PATH'
[ -z "$wanted" ] || have_request_tracker ||
    die 'Request Tracker is installed, but rt-server is not under /usr/share/request-tracker5, or a Perl module is missing'
say 'done'
