# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Loads and attaches /opt/object.o. Arguments are handed to `load`.
mkdir -p /sys/fs/cgroup/load
exec /opt/load -c /sys/fs/cgroup/load "$@" /opt/object.o
