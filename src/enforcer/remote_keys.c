/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/remote.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"

/*
 * A new key pair is told to the Console at once and used when others can know it: when our own host
 * document comes back with it, which the others got in the same change, or after a while. Until
 * then the kernel works with what it has; those keys may be of an earlier run of this daemon.
 */

/* ---- Keys shared with peers ------------------------------------------------------------------
 */

/* Worked out once per peer and key: X25519 for thousands of peers takes its time. */
static struct shared_key *shared_get(struct remote *remote, uint32_t peer, uint16_t epoch,
                                     const uint8_t public_key[WIRE_KEY_BYTES])
{
    const struct epochs_pair *own = &remote->epochs.used;
    struct shared_key *shared = NULL, probe = {.id = {.enforcer = peer, .epoch = epoch}};

    HASH_FIND(hh, remote->shared, &probe.id, sizeof(probe.id), shared);
    if (!shared) {
        shared = calloc(1, sizeof(*shared));
        if (!shared)
            return NULL;
        shared->id = probe.id;
        HASH_ADD(hh, remote->shared, id, sizeof(shared->id), shared);
    } else if (memcmp(shared->public_key, public_key, WIRE_KEY_BYTES) == 0) {
        shared->round = remote->shared_round;
        return shared;
    }
    memcpy(shared->public_key, public_key, WIRE_KEY_BYTES);
    shared->round = remote->shared_round;
    shared->good = wire_pair_key(own->private_key, remote->registration->number, own->epoch,
                                 public_key, peer, epoch, shared->key) == 0;
    return shared;
}

/* Those that nobody wanted in this round; or all. */
static void shared_drop(struct remote *remote, bool all)
{
    for (struct shared_key *shared = remote->shared, *next; shared; shared = next) {
        next = shared->hh.next;
        if (!all && shared->round == remote->shared_round)
            continue;
        HASH_DEL(remote->shared, shared);
        explicit_bzero(shared, sizeof(*shared));
        free(shared);
    }
}

static int add_key(struct remote *remote, uint32_t peer, uint16_t epoch,
                   const uint8_t public_key[WIRE_KEY_BYTES], struct datapath_peer_key *keys,
                   size_t *n)
{
    const struct shared_key *shared = shared_get(remote, peer, epoch, public_key);

    if (!shared)
        return -ENOMEM;
    if (!shared->good) {
        warnings_add(&remote->daemon->warnings, WARNING_PEERS,
                     "Enforcer %u: its public key cannot be used", peer);
        return 0;
    }
    keys[*n] = (struct datapath_peer_key){
        .enforcer_id = peer, .peer_epoch = epoch, .own_epoch = remote->epochs.used.epoch};
    memcpy(keys[(*n)++].key, shared->key, sizeof(shared->key));
    return 0;
}

static int all_keys(struct remote *remote, struct datapath_peer_key *keys, size_t *ret_n)
{
    const struct epochs_pair *own = &remote->epochs.used;
    uint32_t number = remote->registration->number;
    size_t n_hosts = remote->view ? remote->view->n_hosts : 0, n = 0;
    int r = 0;

    remote->shared_round++;
    if (remote->shared_epoch != own->epoch)
        shared_drop(remote, true);
    remote->shared_epoch = own->epoch;
    warnings_clear(&remote->daemon->warnings, WARNING_PEERS);
    r = add_key(remote, number, own->epoch, own->public_key, keys, &n);
    for (size_t i = 0; i < n_hosts; i++) {
        const struct document_claims *host = remote->view->hosts[i];

        for (size_t j = 0; host->id != number && j < host->n_keys && r == 0; j++)
            r = add_key(remote, host->id, host->keys[j].epoch, host->keys[j].key, keys, &n);
    }
    shared_drop(remote, false);
    *ret_n = n;
    return r;
}

static int set_addresses(struct remote *remote)
{
    const struct view *view = remote->view;
    _cleanup_free_
    struct ip_prefix *addresses = NULL;
    size_t n = 0;

    for (size_t i = 0; view && i < view->n_hosts; i++)
        n += view->hosts[i]->n_addresses;
    addresses = calloc(n + 1, sizeof(*addresses));
    if (!addresses)
        return -ENOMEM;
    n = 0;
    for (size_t i = 0; view && i < view->n_hosts; i++)
        for (size_t j = 0; j < view->hosts[i]->n_addresses; j++)
            addresses[n++] = view->hosts[i]->addresses[j];
    return datapath_peer_addresses_set(remote->daemon->datapath, addresses, n);
}

static void not_written(struct remote *remote, int error)
{
    log_event(LOG_LEVEL_ERROR, "keys.not_written", LOG_F("error", "%s", error_text(error)));
    warnings_add(&remote->daemon->warnings, WARNING_STATE, "%s/%s: %s",
                 remote->daemon->options->state, EPOCHS_FILE, error_text(error));
}

/* The kernel works with `used` from here on. */
static void in_use(struct remote *remote)
{
    const struct epochs_pair *used = &remote->epochs.used;
    int r;

    if (remote->epoch_in_use == used->epoch)
        return;
    r = epochs_in_use(remote->daemon->options->state, &remote->epochs);
    if (r < 0)
        not_written(remote, r);
    remote->epoch_in_use = used->epoch;
}

int remote_keys_apply(struct remote *remote)
{
    struct daemon *daemon = remote->daemon;
    size_t max = 1 + DOCUMENT_KEYS_MAX * (remote->view ? remote->view->n_hosts : 0), n;
    _cleanup_free_
    struct datapath_peer_key *keys = NULL;
    int r;

    if (!remote->registration)
        return 0;
    if (!remote->epochs.used.there) {
        if (datapath_epoch(daemon->datapath) != 0 && remote->epochs.next.there)
            return set_addresses(remote); /* the kernel has keys of an earlier run, which work */
        epochs_switch(&remote->epochs);
    }
    keys = calloc(max, sizeof(*keys));
    if (!keys)
        return -ENOMEM;
    r = all_keys(remote, keys, &n);
    if (r == 0) {
        datapath_epoch_set(daemon->datapath, remote->epochs.used.epoch);
        r = datapath_peers_set(daemon->datapath, keys, n, daemon->directory->bindings,
                               daemon->directory->n_bindings);
    }
    explicit_bzero(keys, max * sizeof(*keys));
    if (r == 0)
        in_use(remote);
    return r < 0 ? r : set_addresses(remote);
}

/* ---- The time for a new one ------------------------------------------------------------------
 */

static void switch_due(uv_timer_t *timer)
{
    struct remote *remote = timer->data;
    int r;

    if (!remote->epochs.next.there)
        return;
    epochs_switch(&remote->epochs);
    r = daemon_keys_apply(remote->daemon);
    log_event(r < 0 ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, "keys.switched",
              LOG_F("epoch", "%u", remote->epochs.used.epoch),
              LOG_F("result", "%s", r < 0 ? error_text(r) : "in use"));
}

void remote_keys_announced(struct remote *remote)
{
    if (!remote->epochs.next.there)
        return;
    remote->announced_ms = uv_now(&remote->daemon->loop);
    uv_timer_start(&remote->switch_timer, switch_due, REMOTE_DISTRIBUTED_LATEST_MS, 0);
}

void remote_keys_look(struct remote *remote)
{
    const struct view *view = remote->view;

    for (size_t i = 0; view && remote->epochs.next.there && i < view->n_hosts; i++) {
        const struct document_claims *host = view->hosts[i];

        if (host->id != remote->registration->number || host->n_keys == 0 ||
            host->keys[0].epoch != remote->epochs.next.epoch ||
            memcmp(host->keys[0].key, remote->epochs.next.public_key, WIRE_KEY_BYTES) != 0)
            continue;
        if (uv_timer_get_due_in(&remote->switch_timer) > REMOTE_DISTRIBUTED_MS)
            uv_timer_start(&remote->switch_timer, switch_due, REMOTE_DISTRIBUTED_MS, 0);
        return;
    }
}

static void make(struct remote *remote)
{
    int r = epochs_make(remote->daemon->options->state, &remote->epochs);

    if (r < 0)
        not_written(remote, r);
}

/* Only while connected: nobody else could come to know it. */
void remote_keys_rotate(struct remote *remote)
{
    struct link_message message = {.type = LINK_KEYS};

    if (remote->state != REMOTE_CONNECTED || remote->epochs.next.there)
        return;
    make(remote);
    message.keys.n = epochs_public(&remote->epochs, message.keys.keys);
    remote_send(remote, &message);
    remote_keys_announced(remote);
    log_event(LOG_LEVEL_INFO, "keys.made", LOG_F("epoch", "%u", remote->epochs.next.epoch));
}

static void rotate_due(uv_timer_t *timer)
{
    remote_keys_rotate(timer->data);
}

static uint64_t rotate_ms(void)
{
    const char *text = getenv("BULKHEAD_TEST_KEY_MS");
    uint64_t ms = text ? strtoull(text, NULL, 10) : 0;

    return ms >= 100 ? ms : EPOCHS_ROTATE_MS;
}

int remote_keys_start(struct remote *remote)
{
    make(remote);
    uv_timer_start(&remote->rotate_timer, rotate_due, rotate_ms(), rotate_ms());
    return 0;
}

void remote_keys_stop(struct remote *remote)
{
    shared_drop(remote, true);
    epochs_wipe(&remote->epochs);
}
