/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */

/*
 * Listeners that are older than the Enforcer have no header-option flag, so their SYN-ACKs could
 * not carry a proof. An iterator over the TCP sockets of a namespace sets it on those of our
 * cgroups. An object of its own: kernels before 5.17 refuse bpf_setsockopt() here, and before 6.11
 * do not know TCP_BPF_SOCK_OPS_CB_FLAGS; then it is not loaded, or sets nothing, and user space
 * says so.
 */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define TCP_LISTEN_STATE 10
#define SOL_TCP 6
#define TCP_BPF_SOCK_OPS_CB_FLAGS 1008
#define WRITE_HDR_OPT_CB_FLAG (1 << 6)

/* As much of the kernel's types as is read; offsets come from its BTF. */
struct kernfs_node {
    __u64 id;
} __attribute__((preserve_access_index));
struct cgroup {
    struct kernfs_node *kn;
} __attribute__((preserve_access_index));
struct sock_cgroup_data {
    struct cgroup *cgroup;
} __attribute__((preserve_access_index));
struct sock_common {
    unsigned char skc_state;
} __attribute__((preserve_access_index));
struct sock {
    struct sock_common __sk_common;
    struct sock_cgroup_data sk_cgrp_data;
} __attribute__((preserve_access_index));
struct bpf_iter_meta {
    struct seq_file *seq;
} __attribute__((preserve_access_index));
struct bpf_iter__tcp {
    struct bpf_iter_meta *meta;
    struct sock_common *sk_common;
} __attribute__((preserve_access_index));

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 65536);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u64);
    __type(value, __u8);
} listener_cgroups SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 2);
    __type(key, __u32);
    __type(value, __u64);
} listener_counts SEC(".maps"); /* 0: flagged, 1: not possible */

SEC("iter/tcp")
int bulkhead_listeners(struct bpf_iter__tcp *ctx)
{
    struct sock_common *common = ctx->sk_common;
    int flags = WRITE_HDR_OPT_CB_FLAG;
    struct sock *sk = (struct sock *)common;
    __u64 *n, cgroup;
    __u32 which;

    if (!common || common->skc_state != TCP_LISTEN_STATE)
        return 0;
    cgroup = BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn, id);
    if (!bpf_map_lookup_elem(&listener_cgroups, &cgroup))
        return 0;
    which = bpf_setsockopt(common, SOL_TCP, TCP_BPF_SOCK_OPS_CB_FLAGS, &flags, sizeof(flags)) != 0;
    n = bpf_map_lookup_elem(&listener_counts, &which);
    if (n)
        *n += 1;
    return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
