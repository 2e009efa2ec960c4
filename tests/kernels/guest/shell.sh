#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The server's end of the shell connection of host.sh: one command a line, its output, then "END status".
# shellcheck source=tests/kernels/guest/lib.sh
. /guest/lib.sh

exec 2>&1
while IFS= read -r line; do
    eval "$line"
    echo "END $?"
done
