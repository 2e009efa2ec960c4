/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */

/* What every attached program costs before it does anything: taken off the figures of the real
 * ones. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("cgroup_skb/ingress")
int empty_ingress(struct __sk_buff *skb)
{
    return 1;
}

SEC("cgroup_skb/egress")
int empty_egress(struct __sk_buff *skb)
{
    return 1;
}

SEC("sockops")
int empty_sockops(struct bpf_sock_ops *ctx)
{
    return 1;
}

SEC("cgroup/connect4")
int empty_connect4(struct bpf_sock_addr *ctx)
{
    return 1;
}
