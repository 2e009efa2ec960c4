/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* MessagePack to and from JSON trees. */

#include <jansson.h>

#include "base/buf.h"

#define ENCODING_VALUES_MAX 20000000

/* Owned by the caller in `buf`, whose error is sticky. */
void encoding_pack(const json_t *value, struct buf *buf);
/* New reference; NULL: no MessagePack, maps with other keys than strings, text that is no UTF-8, or
 * no memory. Checked with mpscan() before the library sees it. */
json_t *encoding_unpack(const void *data, size_t len);
