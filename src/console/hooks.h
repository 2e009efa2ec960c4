/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Files of hooks that belong to no part of their own, for api_register_all(). */

#include "console/api.h"

int hooks_namespaces(struct console *console);
