/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* libuv brings in sys/param.h, which has MIN and MAX of its own: ours come first. */
#include "base/macros.h"

#include <uv.h>
