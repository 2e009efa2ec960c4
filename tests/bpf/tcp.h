/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Connections over loopback between the units of a fixture. */
#include "fixture.h"

struct tcp_endpoint {
    int family;
    uint16_t port;
    int ready[2]; /* pipe: the server listens */
    int hold[2];  /* pipe: the client may go on */
};

/* For fixture_fork(): exit code 0 or an errno. A client with `hold` waits in the middle for a byte.
 */
int tcp_server(void *endpoint);
int tcp_client(void *endpoint);
/* Wait for a byte, at most five seconds. */
void tcp_expect_byte(int fd);

/* From one unit to a server in another; the client's exit code. */
int tcp_connection(struct fixture *f, int from, int to, int family, uint16_t port);
extern size_t tcp_flows_seen[3]; /* by action, while tcp_connection() drained the events */
