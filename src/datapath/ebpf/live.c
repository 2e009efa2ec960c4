/* SPDX-License-Identifier: Apache-2.0 */

/* Live connections: list them, judge them against the policy in force, close what it rejects. */
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#include "bulkhead.skel.h"

#define STATES_CONNECTED                                                                           \
    (1u << TCP_ESTABLISHED | 1u << TCP_SYN_SENT | 1u << TCP_SYN_RECV | 1u << TCP_FIN_WAIT1 |       \
     1u << TCP_FIN_WAIT2 | 1u << TCP_CLOSE_WAIT | 1u << TCP_LAST_ACK | 1u << TCP_CLOSING)
#define DOOMED_PER_NAMESPACE_MAX 65536

static const uint8_t families[] = {AF_INET, AF_INET6};

/* An IPv4 connection of an IPv6 socket is dumped with its mapped address; both come out alike here.
 */
static bool pu_of(struct datapath *dp, int diag_fd, const struct diag_socket *s, uint32_t *ret)
{
    uint32_t rest = dp->control.flags & ABI_CONTROL_HOST ? dp->control.host_pu : ABI_PU_NONE;

    if (s->cgroup_id == dp->own_cgroup_id || !cgroup_known(dp, s->cgroup_id, ret))
        return false;
    if (*ret == rest && diag_fd == dp->netns[0].diag_fd) /* the first is our own */
        *ret = service_of(dp, s, rest);
    return *ret != ABI_PU_NONE && *ret < dp->pus_end && dp->pus[*ret].used;
}

/* ---- Judge --------------------------------------------------------------------------------- */

struct doomed {
    struct diag_socket *items;
    size_t n, size;
    struct datapath *dp;
    const struct ifaddrs *host; /* our own namespace: addresses of its interfaces; else NULL */
};

/*
 * Over an excluded interface, as far as can be told: its last packet was, or there was none that
 * the programs looked at and it has an address of one. The next packet knows.
 */
static bool socket_excluded(const struct doomed *doomed, const struct diag_socket *s)
{
    if (!(doomed->dp->control.flags & ABI_CONTROL_EXCLUDED_INTERFACES))
        return false;
    if (s->has_state)
        return s->socket.phase == ABI_PHASE_EXEMPT && s->socket.flags & ABI_SOCKET_INTERFACE;
    return host_address_excluded(doomed->dp, doomed->host, &s->local);
}

static bool decide_rejects(struct datapath *dp, const struct diag_socket *s, uint32_t pu,
                           enum model_direction direction, uint32_t identity, bool only_rules)
{
    struct policy_decision d;
    uint32_t class = policy_compiled_address_class(dp->compiled, &s->remote);
    uint16_t port = direction == MODEL_DIRECTION_OUT ? s->remote_port : s->local_port;

    policy_compiled_decide(dp->compiled, dp->pus[pu].policy, direction, identity, class,
                           s->protocol, port, &d);
    return d.action == MODEL_ACTION_REJECT && !(only_rules && d.by_default);
}

/* The same questions, in the same order, as src/bpf/tcp.h asks at a socket's next packet. */
static bool socket_rejected(struct datapath *dp, const struct diag_socket *s, uint32_t pu)
{
    const struct abi_socket *st = &s->socket;
    bool known = s->has_state && st->phase == ABI_PHASE_ACCEPTED;

    if (cidr_list_has(&dp->excluded, &s->remote))
        return false;
    if (s->has_state && st->phase == ABI_PHASE_REJECTED)
        return true;
    if (!known && (s->state == TCP_SYN_SENT || s->state == TCP_SYN_RECV))
        return false; /* judged by its answer */
    if (!known)
        return decide_rejects(dp, s, pu, MODEL_DIRECTION_IN, 0, true) ||
               decide_rejects(dp, s, pu, MODEL_DIRECTION_OUT, 0, true);
    if (st->peer_identity && st->peer_enforcer == dp->control.enforcer_id &&
        st->peer_identity == dp->pus[pu].identity)
        return false;
    if (decide_rejects(dp, s, pu, (enum model_direction)st->direction, st->peer_identity, false))
        return true;
    return st->flags & ABI_SOCKET_SIMULTANEOUS &&
           decide_rejects(dp, s, pu, MODEL_DIRECTION_IN, st->peer_identity, false);
}

static void judge(int diag_fd, const struct diag_socket *s, void *context)
{
    struct doomed *doomed = context;
    uint32_t pu;

    if (!pu_of(doomed->dp, diag_fd, s, &pu) || !socket_rejected(doomed->dp, s, pu) ||
        socket_excluded(doomed, s) || doomed->n >= DOOMED_PER_NAMESPACE_MAX)
        return;
    if (doomed->n == doomed->size) {
        size_t size = doomed->size ? doomed->size * 2 : 64;
        void *items = realloc(doomed->items, size * sizeof(*doomed->items));

        if (!items)
            return;
        doomed->items = items;
        doomed->size = size;
    }
    doomed->items[doomed->n++] = *s;
}

static int rejudge_namespace(struct datapath *dp, int diag_fd, const struct ifaddrs *host,
                             size_t *destroyed)
{
    struct doomed doomed = {.dp = dp, .host = host};
    int map_fd = bpf_map__fd(dp->skeleton->maps.sockets), r = 0;
    size_t i;

    for (i = 0; i < ARRAY_SIZE(families) && r == 0; i++)
        r = diag_dump(diag_fd, families[i], IPPROTO_TCP, STATES_CONNECTED, map_fd, judge, &doomed);
    for (i = 0; i < doomed.n; i++)
        if (diag_destroy(diag_fd, &doomed.items[i]) == 0)
            (*destroyed)++;
    free(doomed.items);
    return r;
}

int datapath_rejudge(struct datapath *dp, size_t *ret_destroyed)
{
    struct ifaddrs *host = NULL;
    size_t i, destroyed = 0;
    int r;

    if (!dp->compiled)
        return 0;
    r = namespaces_sync(dp);
    if (r == 0 && dp->control.flags & ABI_CONTROL_EXCLUDED_INTERFACES && getifaddrs(&host) < 0)
        r = -errno;
    for (i = 0; i < dp->n_netns && r == 0; i++) /* the first is our own */
        r = rejudge_namespace(dp, dp->netns[i].diag_fd, i == 0 ? host : NULL, &destroyed);
    freeifaddrs(host);
    if (ret_destroyed)
        *ret_destroyed = destroyed;
    return r;
}

/* A socket that the kernel rejected after it was made. Which namespace it is in is not known. */
void live_destroy_cookie(struct datapath *dp, const struct abi_event *event)
{
    struct diag_socket s = {
        .local_port = event->local_port,
        .remote_port = event->remote_port,
        .protocol = IPPROTO_TCP,
        .cookie = event->cookie,
        .ifindex = event->ifindex,
    };
    size_t i, j;

    memcpy(s.local.bytes, event->flow.local, 16);
    memcpy(s.remote.bytes, event->flow.remote, 16);
    if (namespaces_sync(dp) < 0)
        return;
    for (i = 0; i < dp->n_netns; i++) {
        for (j = 0; j < ARRAY_SIZE(families); j++) {
            s.family = families[j];
            if (s.family == AF_INET && !ip_addr_is_v4(&s.remote))
                continue;
            if (diag_destroy(dp->netns[i].diag_fd, &s) == 0)
                return;
        }
    }
}

/* ---- List ---------------------------------------------------------------------------------- */

struct listing {
    struct datapath *dp;
    datapath_socket_fn *fn;
    void *context;
    uint64_t now_ns;
};

static enum datapath_socket_type socket_type(const struct diag_socket *s)
{
    const struct abi_socket *st = &s->socket;

    if (s->protocol == IPPROTO_TCP ? s->state == TCP_LISTEN : !s->remote_port)
        return DATAPATH_SOCKET_LISTEN;
    if (!s->has_state || st->phase == ABI_PHASE_EXISTING || st->phase == ABI_PHASE_EXEMPT)
        return DATAPATH_SOCKET_EXISTING;
    if (st->peer_identity)
        return DATAPATH_SOCKET_PU_TO_PU;
    return st->direction == ABI_OUT ? DATAPATH_SOCKET_PU_TO_EXT : DATAPATH_SOCKET_EXT_TO_PU;
}

static void list_one(int diag_fd, const struct diag_socket *s, void *context)
{
    struct listing *listing = context;
    const struct abi_socket *st = &s->socket;
    struct datapath_socket out = {
        .type = socket_type(s),
        .direction = (enum model_direction)st->direction,
        .local = s->local,
        .remote = s->remote,
        .local_port = s->local_port,
        .remote_port = s->remote_port,
        .protocol = s->protocol,
        .rule = POLICY_RULE_NONE,
    };

    if (!pu_of(listing->dp, diag_fd, s, &out.pu))
        return;
    if (s->has_state) {
        out.peer_enforcer = st->peer_identity ? st->peer_enforcer : 0;
        out.peer_identity = st->peer_identity;
        out.policy_version = st->policy;
        out.rule = st->rule;
        if (st->started_ns && listing->now_ns > st->started_ns)
            out.duration_ns = listing->now_ns - st->started_ns;
    }
    listing->fn(&out, listing->context);
}

int datapath_sockets(struct datapath *dp, datapath_socket_fn *fn, void *context)
{
    struct listing listing = {.dp = dp, .fn = fn, .context = context, .now_ns = now_ns()};
    int map_fd = bpf_map__fd(dp->skeleton->maps.sockets), r;
    size_t i, j;

    r = namespaces_sync(dp);
    for (i = 0; i < dp->n_netns && r == 0; i++) {
        int fd = dp->netns[i].diag_fd;

        for (j = 0; j < ARRAY_SIZE(families) && r == 0; j++) {
            r = diag_dump(fd, families[j], IPPROTO_TCP, STATES_CONNECTED | 1u << TCP_LISTEN, map_fd,
                          list_one, &listing);
            if (r == 0)
                r = diag_dump(fd, families[j], IPPROTO_UDP, UINT32_MAX, map_fd, list_one, &listing);
        }
    }
    return r;
}
