/* SPDX-License-Identifier: Apache-2.0 */

/*
 * sock_diag (7): dump the sockets of a network namespace with the state that the BPF programs keep
 * for each (INET_DIAG_REQ_SK_BPF_STORAGES, kernel 5.8), and destroy one (SOCK_DESTROY).
 */
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <libmnl/libmnl.h>

#include "internal.h"

#define ANSWER_BYTES 65536
#define ANSWER_TIMEOUT_S 2

/* One request and what answers it: anything else on the socket is left from an earlier one. */
struct exchange {
    int fd;
    uint32_t port, sequence;
};

int diag_open(void)
{
    struct timeval timeout = {.tv_sec = ANSWER_TIMEOUT_S};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    return fd;
}

static void address_of(uint8_t family, const __be32 raw[4], struct ip_addr *ret)
{
    if (family == AF_INET)
        ip_addr_from_v4(raw[0], ret);
    else
        memcpy(ret->bytes, raw, sizeof(ret->bytes));
}

static void storage_parse(const struct nlattr *storages, struct diag_socket *s)
{
    const struct nlattr *storage, *part;

    mnl_attr_for_each_nested(storage, storages)
    {
        if (mnl_attr_get_type(storage) != SK_DIAG_BPF_STORAGE)
            continue;
        mnl_attr_for_each_nested(part, storage)
        {
            if (mnl_attr_get_type(part) != SK_DIAG_BPF_STORAGE_MAP_VALUE ||
                mnl_attr_get_payload_len(part) < sizeof(s->socket))
                continue;
            memcpy(&s->socket, mnl_attr_get_payload(part), sizeof(s->socket));
            s->has_state = true;
        }
    }
}

static void socket_parse(const struct nlmsghdr *h, uint8_t protocol, struct diag_socket *s)
{
    const struct inet_diag_msg *m = mnl_nlmsg_get_payload(h);
    const struct nlattr *attr;

    memset(s, 0, sizeof(*s));
    address_of(m->idiag_family, m->id.idiag_src, &s->local);
    address_of(m->idiag_family, m->id.idiag_dst, &s->remote);
    s->local_port = ntohs(m->id.idiag_sport);
    s->remote_port = ntohs(m->id.idiag_dport);
    s->ifindex = m->id.idiag_if;
    s->family = m->idiag_family;
    s->protocol = protocol;
    s->state = m->idiag_state;
    s->cookie = (uint64_t)m->id.idiag_cookie[1] << 32 | m->id.idiag_cookie[0];
    mnl_attr_for_each(attr, h, sizeof(*m))
    {
        if (mnl_attr_get_type(attr) == INET_DIAG_CGROUP_ID &&
            mnl_attr_get_payload_len(attr) == sizeof(uint64_t))
            s->cgroup_id = mnl_attr_get_u64(attr);
        else if (mnl_attr_get_type(attr) == INET_DIAG_SK_BPF_STORAGES)
            storage_parse(attr, s);
    }
}

/* Numbers the request and sends it. @return 0 or -errno */
static int exchange_begin(int fd, struct nlmsghdr *h, struct exchange *ret)
{
    static uint32_t sequence;
    struct sockaddr_nl to = {.nl_family = AF_NETLINK}, own = {0};
    socklen_t len = sizeof(own);

    h->nlmsg_seq = ++sequence;
    if (sendto(fd, h, h->nlmsg_len, 0, (struct sockaddr *)&to, sizeof(to)) < 0 ||
        getsockname(fd, (struct sockaddr *)&own, &len) < 0)
        return -errno;
    *ret = (struct exchange){.fd = fd, .port = own.nl_pid, .sequence = h->nlmsg_seq};
    return 0;
}

/* One datagram from the kernel. @return bytes, 0 when it is nothing for us, -errno */
static int exchange_receive(const struct exchange *e, char *buffer, size_t size)
{
    struct sockaddr_nl from = {0};
    socklen_t len = sizeof(from);
    ssize_t got = recvfrom(e->fd, buffer, size, MSG_TRUNC, (struct sockaddr *)&from, &len);

    if (got < 0)
        return -errno;
    if (len != sizeof(from) || from.nl_family != AF_NETLINK || from.nl_pid != 0)
        return 0;
    return got > (ssize_t)size ? -EMSGSIZE : (int)got;
}

static bool exchange_owns(const struct exchange *e, const struct nlmsghdr *h)
{
    return h->nlmsg_seq == e->sequence && h->nlmsg_pid == e->port;
}

/* The number in NLMSG_ERROR or NLMSG_DONE: 0 or -errno. */
static int error_of(const struct nlmsghdr *h)
{
    int error;

    if (mnl_nlmsg_get_payload_len(h) < sizeof(error))
        return h->nlmsg_type == NLMSG_DONE ? 0 : -EBADMSG;
    memcpy(&error, mnl_nlmsg_get_payload(h), sizeof(error));
    return error;
}

static int dump_request(int fd, uint8_t family, uint8_t protocol, uint32_t states,
                        int storage_map_fd, struct exchange *ret)
{
    char buffer[512];
    struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
    struct inet_diag_req_v2 *request;
    struct nlattr *nest;

    h->nlmsg_type = SOCK_DIAG_BY_FAMILY;
    h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request = mnl_nlmsg_put_extra_header(h, sizeof(*request));
    request->sdiag_family = family;
    request->sdiag_protocol = protocol;
    request->idiag_states = states;
    nest = mnl_attr_nest_start(h, INET_DIAG_REQ_SK_BPF_STORAGES);
    mnl_attr_put_u32(h, SK_DIAG_BPF_STORAGE_REQ_MAP_FD, (uint32_t)storage_map_fd);
    mnl_attr_nest_end(h, nest);
    return exchange_begin(fd, h, ret);
}

/* One datagram of answers. @return 1 when the dump is complete, 0 when more follows, -errno */
static int dump_answers(const struct exchange *e, uint8_t protocol, char *buffer, diag_fn *fn,
                        void *context)
{
    const struct nlmsghdr *h = (const struct nlmsghdr *)buffer;
    int len = exchange_receive(e, buffer, ANSWER_BYTES), error;
    struct diag_socket s;

    if (len < 0)
        return len;
    for (; mnl_nlmsg_ok(h, len); h = mnl_nlmsg_next(h, &len)) {
        if (!exchange_owns(e, h))
            continue;
        if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR) {
            error = error_of(h);
            return error < 0 ? error : 1;
        }
        if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
            mnl_nlmsg_get_payload_len(h) < sizeof(struct inet_diag_msg))
            continue;
        socket_parse(h, protocol, &s);
        fn(e->fd, &s, context);
    }
    return 0;
}

/*
 * The callback must not use the descriptor for the dump itself; destroying goes over a second one.
 * @return 0 or -errno
 */
int diag_dump(int fd, uint8_t family, uint8_t protocol, uint32_t states, int storage_map_fd,
              diag_fn *fn, void *context)
{
    _cleanup_free_
    char *buffer = malloc(ANSWER_BYTES);
    struct exchange exchange = {.fd = -1};
    int r;

    if (!buffer)
        return -ENOMEM;
    r = dump_request(fd, family, protocol, states, storage_map_fd, &exchange);
    while (r == 0)
        r = dump_answers(&exchange, protocol, buffer, fn, context);
    return r < 0 ? r : 0;
}

/* The answer to a request about one socket. @return 1 + -errno or 0 in *ret; 0: not ours; -errno */
static int one_answer(const struct exchange *e, uint16_t type, int *ret)
{
    char buffer[1024];
    const struct nlmsghdr *h = (const struct nlmsghdr *)buffer;
    int len = exchange_receive(e, buffer, sizeof(buffer));

    if (len < 0)
        return len;
    if (!mnl_nlmsg_ok(h, len) || !exchange_owns(e, h))
        return 0;
    if (h->nlmsg_type == NLMSG_ERROR)
        *ret = error_of(h);
    else
        *ret = type == SOCK_DESTROY ? -EBADMSG : 0;
    return 1;
}

/* A request about one socket. @return 0 or the error that came back */
static int ask_about(int fd, const struct diag_socket *s, uint16_t type, uint16_t flags)
{
    char buffer[512];
    struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
    struct inet_diag_req_v2 *request;
    struct exchange exchange = {.fd = -1};
    bool v4 = s->family == AF_INET;
    int r, answer = 0;

    h->nlmsg_type = type;
    h->nlmsg_flags = NLM_F_REQUEST | flags;
    request = mnl_nlmsg_put_extra_header(h, sizeof(*request));
    request->sdiag_family = s->family;
    request->sdiag_protocol = s->protocol;
    request->idiag_states = UINT32_MAX;
    request->id.idiag_sport = htons(s->local_port);
    request->id.idiag_dport = htons(s->remote_port);
    memcpy(request->id.idiag_src, s->local.bytes + (v4 ? 12 : 0), v4 ? 4 : 16);
    memcpy(request->id.idiag_dst, s->remote.bytes + (v4 ? 12 : 0), v4 ? 4 : 16);
    request->id.idiag_if = s->ifindex;
    request->id.idiag_cookie[0] = (uint32_t)s->cookie;
    request->id.idiag_cookie[1] = (uint32_t)(s->cookie >> 32);
    r = exchange_begin(fd, h, &exchange);
    while (r == 0)
        r = one_answer(&exchange, type, &answer);
    return r < 0 ? r : answer;
}

int diag_destroy(int fd, const struct diag_socket *s)
{
    return ask_about(fd, s, SOCK_DESTROY, NLM_F_ACK);
}

int diag_has(int fd, const struct diag_socket *s)
{
    struct diag_socket swapped = *s;

    if (s->protocol == IPPROTO_UDP) {
        /* net/ipv4/udp_diag.c, udp_dump_one(): "src and dst are swapped for historical reasons" */
        swapped.local = s->remote;
        swapped.remote = s->local;
        swapped.local_port = s->remote_port;
        swapped.remote_port = s->local_port;
    }
    return ask_about(fd, &swapped, SOCK_DIAG_BY_FAMILY, 0);
}
