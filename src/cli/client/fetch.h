/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"

#define FETCH_TIMEOUT_S 60
#define FETCH_REDIRECTS_MAX 5

/* A document from any https:// or http:// address, without any credential of ours. 0, or -errno
 * with `problem`. */
int client_fetch(const char *url, struct buf *problem, struct buf *ret);
