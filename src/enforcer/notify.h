/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/macros.h"

/*
 * sd_notify(3) without the library: one datagram to $NOTIFY_SOCKET. Does nothing when it is not
 * set.
 * @return 1 sent, 0 no socket, -errno
 */
int notify_send(const char *format, ...) _printf_(1, 2);
