/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The host's own network namespace, and which sockets are in it: only they can be excluded by
 * interface, or be a host service (src/bpf/socket.h). The hooks note every socket that is made;
 * here come those that were there before, as far as sock_diag shows them. What neither sees is
 * judged as any other.
 */
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "internal.h"

#include "bulkhead.skel.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* include/uapi/asm-generic/socket.h */
#endif

#define INIT_PID_NAMESPACE 0xeffffffcu /* PROC_PID_INIT_INO, include/linux/proc_ns.h */

/* 0 where the kernel does not tell: before 5.14. */
static uint64_t netns_cookie(void)
{
    _cleanup_close_
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    uint64_t cookie = 0;
    socklen_t len = sizeof(cookie);

    if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) < 0)
        return 0;
    return cookie;
}

/*
 * The initial network namespace, whose cookie the programs know by themselves, is the one of the
 * first process. That it is the first, and not the one of some container, the PID namespace says.
 */
static bool in_init_netns(void)
{
    struct stat pids, own, first;

    return stat("/proc/self/ns/pid", &pids) == 0 && pids.st_ino == INIT_PID_NAMESPACE &&
           stat("/proc/self/ns/net", &own) == 0 && stat("/proc/1/ns/net", &first) == 0 &&
           own.st_dev == first.st_dev && own.st_ino == first.st_ino;
}

bool host_sockets_wanted(const struct datapath *dp)
{
    return dp->excluded_interfaces[0] || dp->services_enabled;
}

void host_namespace_find(struct datapath *dp)
{
    dp->control.flags &= ~(uint32_t)(ABI_CONTROL_HOST_SOCKETS | ABI_CONTROL_INIT_NETNS);
    dp->control.netns_cookie = netns_cookie();
    if (!dp->control.netns_cookie && in_init_netns())
        dp->control.flags |= ABI_CONTROL_INIT_NETNS;
    if (!host_sockets_wanted(dp))
        return;
    dp->control.flags |= ABI_CONTROL_HOST_SOCKETS;
    dp->namespaces_unknown =
        !dp->control.netns_cookie && !(dp->control.flags & ABI_CONTROL_INIT_NETNS);
}

static void note(int diag_fd, const struct diag_socket *s, void *context)
{
    int fd = bpf_map__fd(((struct datapath *)context)->skeleton->maps.host_sockets);
    uint8_t one = 1;

    (void)diag_fd;
    /* a full table: this one is judged as any other */
    bpf_map_update_elem(fd, &s->cookie, &one, BPF_ANY);
}

static void forget_all(int fd)
{
    uint64_t key;

    while (bpf_map_get_next_key(fd, NULL, &key) == 0)
        if (bpf_map_delete_elem(fd, &key) < 0)
            break;
}

int host_sockets_sync(struct datapath *dp)
{
    static const uint8_t families[] = {AF_INET, AF_INET6};
    int storage = bpf_map__fd(dp->skeleton->maps.sockets), r = 0;
    _cleanup_close_
    int fd = -1;
    size_t i;

    if (!host_sockets_wanted(dp)) {
        forget_all(bpf_map__fd(dp->skeleton->maps.host_sockets));
        return 0;
    }
    if (dp->namespaces_unknown)
        return 0;
    fd = diag_open();
    if (fd < 0)
        return fd;
    for (i = 0; i < ARRAY_SIZE(families) && r == 0; i++) {
        r = diag_dump(fd, families[i], IPPROTO_TCP, ~(1u << TCP_TIME_WAIT), storage, note, dp);
        if (r == 0)
            r = diag_dump(fd, families[i], IPPROTO_UDP, UINT32_MAX, storage, note, dp);
        if (r == 0) /* where the kernel has no diagnosis of these they stay unknown */
            diag_dump(fd, families[i], IPPROTO_RAW, UINT32_MAX, storage, note, dp);
    }
    return r;
}

static bool address_is(const struct sockaddr *at, const struct ip_addr *addr)
{
    struct ip_addr own;

    if (!at || (at->sa_family != AF_INET && at->sa_family != AF_INET6))
        return false;
    if (at->sa_family == AF_INET)
        ip_addr_from_v4(((const struct sockaddr_in *)at)->sin_addr.s_addr, &own);
    else
        memcpy(own.bytes, &((const struct sockaddr_in6 *)at)->sin6_addr, sizeof(own.bytes));
    return memcmp(own.bytes, addr->bytes, sizeof(own.bytes)) == 0;
}

bool host_address_excluded(const struct datapath *dp, const struct ifaddrs *list,
                           const struct ip_addr *addr)
{
    const struct ifaddrs *i;
    char **name;

    for (i = list; i; i = i->ifa_next)
        for (name = dp->excluded_interfaces; *name; name++)
            if (strcmp(*name, i->ifa_name) == 0 && address_is(i->ifa_addr, addr))
                return true;
    return false;
}
