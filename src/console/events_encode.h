/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One event as it goes to clients of /events: {entity, identity, type, timestamp, encoding}. Pure.
 */

#include <jansson.h>
#include <stdint.h>

#include "base/buf.h"
#include "console/encoding.h"

/*
 * JSON has the entity inside; MessagePack has it encoded once more, as binary data, and the time as
 * a timestamp: that is what clients of the product read. Errors stick to the buffer.
 */
void events_encode(enum encoding encoding, const json_t *entity, const char *identity,
                   const char *type, int64_t now_ms, struct buf *buf);
