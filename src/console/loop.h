/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* libuv brings MIN and MAX of <sys/param.h>; ours are the same, and may have come before. */
#include <uv.h>

#undef MIN
#undef MAX
#include "base/macros.h"
#ifndef MIN
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#endif
