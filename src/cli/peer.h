/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "model/model.h"

/*
 * One end of a flow, as a person writes it: parts joined by ';', each at most once.
 *
 *   peer    = part *( ";" part ) / address
 *   part    = "ns:" namespace / "tags:" tag *( "," tag ) / "ip:" address
 *
 * With tags it is a processing unit; with an address alone a peer without identity. "ns:" needs
 * tags.
 */
#define PEER_BYTES_MAX 65536
#define PEER_PROBLEM_MAX 512

struct peer {
    char *namespace;     /* NULL: not said */
    struct tag_set tags; /* as given; empty: no identity */
    bool has_address;
    struct ip_addr address;
};

/*
 * @param ret_problem  on -EINVAL: "found 'x', expected …", escaped
 * @return 0, -ENOMEM, -EINVAL
 */
int peer_parse(const char *text, struct peer *ret, char ret_problem[PEER_PROBLEM_MAX]);
void peer_clear(struct peer *peer);
#define _cleanup_peer_ _cleanup_(peer_clear)

static inline bool peer_has_identity(const struct peer *peer)
{
    return peer->tags.n > 0;
}
