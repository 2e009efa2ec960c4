/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/* What SYNs claimed, remembered where the request socket cannot. */
#include "socket.h"

static __always_inline void claim_key_fill(struct claim_key *key, const struct packet *p, __u32 isn)
{
    address_copy(key->remote, p->remote);
    key->remote_port = p->remote_port;
    key->local_port = p->local_port;
    key->isn = isn;
}

/*
 * A packet that carried the option is refused: the same attempt must not come back without it and
 * be judged by address.
 */
static __subprog int claim_remember(const struct packet *p, __u32 isn)
{
    struct claim_key key;
    __u8 one = 1;

    claim_key_fill(&key, p, isn);
    return bpf_map_update_elem(&claims, &key, &one, BPF_ANY);
}

/* For tc egress: sock_ops does not write the SYN-ACKs of this listener. */
static __subprog int answer_remember(const struct packet *p, const struct abi_socket *st,
                                     const struct pending *pd)
{
    struct claim_key key;
    struct answer answer;

    claim_key_fill(&key, p, p->seq);
    answer.handshake = pd->handshake;
    answer.cgroup = st->cgroup;
    return bpf_map_update_elem(&answers, &key, &answer, BPF_ANY);
}
