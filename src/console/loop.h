/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* libuv brings MIN and MAX of <sys/param.h>, ours come after it. */
#include <uv.h>

#undef MIN
#undef MAX
#include "base/macros.h"
