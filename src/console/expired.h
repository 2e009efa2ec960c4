/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Bookkeeping that is of no use a while after its last change: hidden objects that go by age. */

#include "console/console.h"

/* Objects of that kind, in the root namespace, that did not change for keep_ms: a thousand in a
 * transaction, one after the other. */
void expired_sweep(struct console *console, const char *kind, int64_t keep_ms);
