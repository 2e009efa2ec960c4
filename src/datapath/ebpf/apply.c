/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The switch from one policy to the next. Everything new is written under numbers that nothing
 * refers to yet, and into the bank that is not in force; one write of `control` switches the bank
 * and the generation for all PUs and addresses together, so that every socket is judged again at
 * its next packet. What is old goes a second later, when no program can still be in the middle of
 * it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#include "internal.h"

#include "bulkhead.skel.h"

struct peer_rows {
    struct abi_peer_key *keys;
    __u32 *classes;
    size_t n;
};

static void rows_clear(struct peer_rows *rows)
{
    free(rows->keys);
    free(rows->classes);
    memset(rows, 0, sizeof(*rows));
}

static int rows_of_policy(const struct policy_compiled_policy *policy, uint32_t version,
                          const struct class_entry *classes, struct peer_rows *ret)
{
    struct peer_rows rows = {
        .keys = calloc(policy->n_peers + 1, sizeof(*rows.keys)),
        .classes = calloc(policy->n_peers + 1, sizeof(*rows.classes)),
        .n = policy->n_peers,
    };
    size_t i;

    if (!rows.keys || !rows.classes) {
        rows_clear(&rows);
        return -ENOMEM;
    }
    for (i = 0; i < policy->n_peers; i++) {
        const struct policy_peer_entry *peer = &policy->peers[i];

        rows.keys[i] = (struct abi_peer_key){.policy = version,
                                             .direction = peer->direction,
                                             .kind = peer->kind,
                                             .peer = peer->peer};
        rows.classes[i] = classes[peer->class].number;
    }
    *ret = rows;
    return 0;
}

/* What a version means: its peers and their classes, its defaults, the names behind its rule
 * numbers. */
static int policy_digest(const struct policy_compiled_policy *policy, const struct peer_rows *rows,
                         uint8_t ret[SHA256_BYTES])
{
    size_t keys = rows->n * sizeof(*rows->keys), classes = rows->n * sizeof(*rows->classes);
    size_t len = keys + classes + 34;
    _cleanup_free_
    uint8_t *text = calloc(1, len);

    if (!text)
        return -ENOMEM;
    memcpy(text, rows->keys, keys);
    memcpy(text + keys, rows->classes, classes);
    memcpy(text + keys + classes, policy->policy->fingerprint, 32);
    text[len - 2] = (uint8_t)policy->policy->defaults[0];
    text[len - 1] = (uint8_t)policy->policy->defaults[1];
    return hash_sha256(text, len, ret);
}

static const struct policy_version *version_find(const struct policy_version *versions, size_t n,
                                                 const uint8_t digest[32])
{
    size_t i;

    for (i = 0; i < n; i++)
        if (memcmp(versions[i].digest, digest, 32) == 0)
            return &versions[i];
    return NULL;
}

/*
 * Write one policy aside, unless the kernel has just this one already.
 * @param made  versions of the policies before this one; its own comes behind
 */
static int version_write(struct datapath *dp, const struct policy_compiled_policy *policy,
                         const struct class_entry *classes, struct policy_version *made, size_t n)
{
    struct policy_version version = {0};
    const struct policy_version *old;
    struct peer_rows rows;
    size_t i;
    int r;

    r = rows_of_policy(policy, 0, classes, &rows);
    if (r < 0)
        return r;
    r = policy_digest(policy, &rows, version.digest);
    old = r == 0 ? version_find(dp->versions, dp->n_versions, version.digest) : NULL;
    if (r == 0 && !old)
        old = version_find(made, n, version.digest);
    if (old) {
        version.version = old->version;
    } else if (r == 0) {
        version.version = dp->next_version++;
        for (i = 0; i < rows.n; i++)
            rows.keys[i].policy = version.version;
        r = map_write(bpf_map__fd(dp->skeleton->maps.peer_class), rows.keys, rows.classes, rows.n,
                      sizeof(*rows.keys), sizeof(*rows.classes));
        if (r < 0) /* no program has seen the number */
            map_delete(bpf_map__fd(dp->skeleton->maps.peer_class), rows.keys, rows.n,
                       sizeof(*rows.keys));
    }
    rows_clear(&rows);
    if (r == 0)
        made[n] = version;
    return r;
}

static void versions_retire(struct datapath *dp, const struct policy_version *kept, size_t n_kept)
{
    struct peer_rows rows;
    size_t i;

    for (i = 0; i < dp->n_versions; i++) {
        if (version_find(kept, n_kept, dp->versions[i].digest))
            continue;
        if (rows_of_policy(&dp->compiled->policies[i], dp->versions[i].version, dp->classes,
                           &rows) < 0)
            continue; /* the entries stay until the next start; nothing refers to them */
        map_retire(dp, bpf_map__fd(dp->skeleton->maps.peer_class), rows.keys, rows.n,
                   sizeof(*rows.keys));
        rows_clear(&rows);
    }
}

/* ---- Processing units ---------------------------------------------------------------------- */

static int pu_cgroup_write(struct datapath *dp, uint64_t id, uint32_t index)
{
    return map_write(bpf_map__fd(dp->skeleton->maps.pu_by_cgroup), &id, &index, 1, sizeof(id),
                     sizeof(index));
}

static int pu_cgroup_delete(struct datapath *dp, uint64_t id)
{
    return map_delete(bpf_map__fd(dp->skeleton->maps.pu_by_cgroup), &id, 1, sizeof(id));
}

/* The entry of a PU with its policy in one bank; the other bank stays. */
static int pu_value_write(struct datapath *dp, const struct datapath_pu *pu, uint32_t bank,
                          uint32_t policy, const uint8_t defaults[2], bool reset)
{
    int fd = bpf_map__fd(dp->skeleton->maps.pus);
    struct abi_pu value;

    if (bpf_map_lookup_elem(fd, &pu->index, &value) < 0)
        return -errno;
    value.identity[bank] = pu->identity;
    value.policy[bank] = policy;
    value.reset[bank] = reset;
    memcpy(value.defaults[bank], defaults, 2);
    if (bpf_map_update_elem(fd, &pu->index, &value, BPF_ANY) < 0)
        return -errno;
    return 0;
}

static void pu_slot_clear(struct datapath *dp, uint32_t index)
{
    struct pu_slot *slot = &dp->pus[index];

    if (slot->cgroup_id)
        pu_cgroup_delete(dp, slot->cgroup_id);
    free(slot->cgroup);
    memset(slot, 0, sizeof(*slot));
}

static int pu_place(struct datapath *dp, const struct datapath_pu *pu, bool *changed)
{
    struct pu_slot *slot = &dp->pus[pu->index];
    const char *cgroup = pu->host || !pu->cgroup ? "" : pu->cgroup;

    slot->policy = pu->policy;
    if (slot->used && slot->host == pu->host && strcmp(slot->cgroup, cgroup) == 0)
        return 0;
    if (slot->used)
        pu_slot_clear(dp, pu->index);
    slot->cgroup = strdup(cgroup);
    if (!slot->cgroup)
        return -ENOMEM;
    slot->policy = pu->policy;
    slot->used = true;
    slot->host = pu->host;
    dp->pus_end = MAX(dp->pus_end, pu->index + 1);
    *changed = true;
    return 0;
}

/* Look the cgroups of all PUs up again. @return 1 when something changed */
static int pu_cgroups_sync(struct datapath *dp, size_t *ret_missing)
{
    char path[PATH_BYTES * 2];
    size_t missing = 0;
    bool changed = false;
    uint32_t i;

    for (i = 0; i < dp->pus_end; i++) {
        struct pu_slot *slot = &dp->pus[i];
        uint64_t id;
        int r = 0;

        if (!slot->used || !slot->cgroup[0])
            continue;
        snprintf(path, sizeof(path), "%s%s", dp->cgroup_mount, slot->cgroup);
        id = cgroup_id_of(path);
        missing += id == 0;
        if (id == slot->cgroup_id)
            continue;
        if (slot->cgroup_id)
            pu_cgroup_delete(dp, slot->cgroup_id);
        slot->cgroup_id = id;
        changed = true;
        if (id)
            r = pu_cgroup_write(dp, id, i);
        if (r < 0) {
            slot->cgroup_id = 0; /* not there: tried again next time */
            return r;
        }
    }
    if (ret_missing)
        *ret_missing = missing;
    return changed;
}

bool cgroup_wanted(const struct datapath *dp, uint64_t id)
{
    uint32_t i;

    for (i = 0; i < dp->pus_end; i++)
        if (dp->pus[i].used && dp->pus[i].cgroup_id == id)
            return true;
    return id == dp->own_cgroup_id;
}

/* Cgroups that were PUs in an earlier run: the numbers may mean others now. */
static int purge_cgroups(struct datapath *dp)
{
    int fd = bpf_map__fd(dp->skeleton->maps.pu_by_cgroup), r;
    uint64_t key, kept, *at = NULL;

    while (bpf_map_get_next_key(fd, at, &key) == 0) {
        if (!cgroup_wanted(dp, key)) {
            r = map_delete(fd, &key, 1, sizeof(key));
            if (r < 0)
                return r;
            continue;
        }
        kept = key;
        at = &kept;
    }
    return 0;
}

static int pus_place(struct datapath *dp, const struct datapath_pu *pus, size_t n, bool *changed)
{
    _cleanup_free_
    bool *wanted = calloc(ABI_PUS_MAX, sizeof(*wanted));
    uint32_t host = ABI_PU_NONE, index;
    size_t i;
    int r;

    if (!wanted)
        return -ENOMEM;
    for (i = 0; i < n; i++) {
        if (pus[i].index >= ABI_PUS_MAX)
            return -BULKHEAD_ETOOMANY;
        wanted[pus[i].index] = true;
        r = pu_place(dp, &pus[i], changed);
        if (r < 0)
            return r;
        if (pus[i].host)
            host = pus[i].index;
    }
    for (index = 0; index < dp->pus_end; index++) {
        if (!dp->pus[index].used || wanted[index])
            continue;
        pu_slot_clear(dp, index);
        *changed = true;
    }
    if (!dp->host_enabled)
        host = ABI_PU_NONE;
    if (dp->control.host_pu != host) {
        dp->control.host_pu = host;
        *changed = true;
    }
    if (host == ABI_PU_NONE)
        dp->control.flags &= ~(uint32_t)ABI_CONTROL_HOST;
    else
        dp->control.flags |= ABI_CONTROL_HOST;
    return 0;
}

/* Every PU's policy, or the action of all of them while there is none, into a bank. */
static int pus_write(struct datapath *dp, const struct datapath_pu *pus, size_t n,
                     const struct policy_compiled *compiled, const struct policy_version *versions,
                     enum model_action fallback, uint32_t bank)
{
    uint8_t defaults[2] = {(uint8_t)fallback, (uint8_t)fallback};
    bool reset = false;
    size_t i;
    int r = 0;

    for (i = 0; i < n && r == 0; i++) {
        if (versions) {
            const struct policy *policy = compiled->policies[pus[i].policy].policy;

            defaults[0] = (uint8_t)policy->defaults[0];
            defaults[1] = (uint8_t)policy->defaults[1];
            reset = policy->reject_reset;
        }
        r = pu_value_write(dp, &pus[i], bank, versions ? versions[pus[i].policy].version : 0,
                           defaults, reset);
    }
    return r;
}

/*
 * The moment of the switch: one write of `control` puts the other bank in force and tells every
 * socket to ask again whose it is. The cgroups come before it: a socket must not be judged in the
 * new bank as the PU that it was in the old one. Until the write only new sockets ask, and find
 * either.
 */
static int bank_switch(struct datapath *dp, const struct datapath_pu *pus, size_t n,
                       size_t *ret_missing)
{
    bool changed = dp->purge;
    int r;

    r = pus_place(dp, pus, n, &changed);
    if (r == 0)
        r = services_sync(dp, pus, n, &changed);
    if (r == 0)
        r = pu_cgroups_sync(dp, ret_missing);
    changed |= r > 0;
    if (r >= 0 && dp->purge)
        r = purge_cgroups(dp);
    if (r < 0)
        return r;
    dp->control.bank ^= 1;
    r = control_write(dp);
    if (r < 0) {
        dp->control.bank ^= 1;
    } else {
        /* a write of its own: what a program asked of the old bank can then only be stamped with
         * the old generation, and is asked again */
        generation_bump(dp, changed);
        r = control_write(dp);
    }
    dp->walked_at_ns = 0;
    return r;
}

static bool pus_valid(const struct datapath_pu *pus, size_t n, size_t n_policies)
{
    size_t i;

    for (i = 0; i < n; i++)
        if (pus[i].index >= ABI_PUS_MAX || pus[i].policy >= n_policies)
            return false;
    return true;
}

/* The kernel has `compiled` now; what only the last one needed goes. */
static void compiled_replace(struct datapath *dp, const struct policy_compiled *compiled,
                             struct class_entry *classes, struct policy_version *versions)
{
    if (dp->compiled) {
        versions_retire(dp, versions, compiled->n_policies);
        classes_retire(dp, classes, compiled->n_classes);
    }
    dp->compiled = compiled;
    free(dp->versions);
    free(dp->classes);
    dp->versions = versions;
    dp->n_versions = compiled->n_policies;
    dp->classes = classes;
    dp->n_classes = compiled->n_classes;
}

/* Where an apply began to number what it writes. */
struct numbers {
    uint32_t class, version;
};

/* An apply failed: what it wrote has numbers that no program has seen, and would only take room. */
static void apply_undo(struct datapath *dp, const struct policy_compiled *compiled,
                       const struct class_entry *classes, const struct policy_version *versions,
                       const struct numbers *first)
{
    struct peer_rows rows;
    size_t i;

    if (!classes)
        return; /* it undid itself */
    for (i = 0; i < compiled->n_policies; i++) {
        if (versions[i].version < first->version ||
            rows_of_policy(&compiled->policies[i], versions[i].version, classes, &rows) < 0)
            continue;
        map_delete(bpf_map__fd(dp->skeleton->maps.peer_class), rows.keys, rows.n,
                   sizeof(*rows.keys));
        rows_clear(&rows);
    }
    classes_undo(dp, compiled, classes, first->class);
}

int datapath_apply(struct datapath *dp, const struct policy_compiled *compiled,
                   const struct datapath_pu *pus, size_t n_pus, size_t *ret_missing)
{
    const struct numbers first = {.class = dp->next_class, .version = dp->next_version};
    _cleanup_free_
    struct class_entry *classes = NULL;
    _cleanup_free_
    struct policy_version *versions = NULL;
    uint32_t next = dp->control.bank ^ 1;
    size_t i;
    int r;

    map_retired_collect(dp, now_ns() - RETIRE_AFTER_NS);
    if (!pus_valid(pus, n_pus, compiled->n_policies))
        return -EINVAL;
    versions = calloc(compiled->n_policies + 1, sizeof(*versions));
    if (!versions)
        return -ENOMEM;
    r = classes_sync(dp, compiled, &classes);
    for (i = 0; i < compiled->n_policies && r == 0; i++)
        r = version_write(dp, &compiled->policies[i], classes, versions, i);
    if (r == 0)
        r = addresses_sync(dp, compiled, next);
    if (r == 0)
        r = pus_write(dp, pus, n_pus, compiled, versions, MODEL_ACTION_NONE, next);
    if (r == 0)
        r = bank_switch(dp, pus, n_pus, ret_missing);
    if (r < 0 && dp->control.bank != next)
        apply_undo(dp, compiled, classes, versions, &first);
    if (r < 0)
        return r;
    compiled_replace(dp, compiled, TAKE_PTR(classes), TAKE_PTR(versions));
    purge_stale(dp);
    for (i = 0; i < n_pus; i++)
        dp->pus[pus[i].index].identity = pus[i].identity;
    return 0;
}

int datapath_set_fallback(struct datapath *dp, enum model_action action,
                          const struct datapath_pu *pus, size_t n_pus)
{
    uint32_t next = dp->control.bank ^ 1;
    int r;

    if (!pus_valid(pus, n_pus, SIZE_MAX))
        return -EINVAL;
    r = addresses_sync(dp, dp->compiled, next);
    if (r == 0)
        r = pus_write(dp, pus, n_pus, NULL, NULL, action, next);
    return r < 0 ? r : bank_switch(dp, pus, n_pus, NULL);
}

uint32_t datapath_policy_version(const struct datapath *dp, size_t i)
{
    return i < dp->n_versions ? dp->versions[i].version : 0;
}

int datapath_cgroups_sync(struct datapath *dp)
{
    int r = pu_cgroups_sync(dp, NULL);

    if (r <= 0)
        return r;
    generation_bump(dp, true);
    dp->walked_at_ns = 0;
    r = control_write(dp);
    return r < 0 ? r : 1;
}

/* ---- Adoption ------------------------------------------------------------------------------ */

/* What an earlier run left in a trie and this one did not write. */
static void purge_addresses(struct datapath *dp, uint32_t bank)
{
    int fd = addresses_fd(dp, bank);
    struct abi_address_key key, kept, *at = NULL;

    while (bpf_map_get_next_key(fd, at, &key) == 0) {
        if (!address_known(dp, bank, &key)) {
            if (bpf_map_delete_elem(fd, &key) < 0)
                return;
            continue;
        }
        kept = key;
        at = &kept;
    }
}

static uint32_t key_number(const uint8_t *key, size_t offset, uint32_t mask, bool swap)
{
    uint32_t number;

    memcpy(&number, key + offset, sizeof(number));
    return (swap ? __builtin_bswap32(number) : number) & mask;
}

/* The highest number in the keys of a map. */
static uint32_t highest(int fd, size_t offset, uint32_t mask, bool swap)
{
    uint8_t key[32], *at = NULL;
    uint32_t number = 0;

    for (; bpf_map_get_next_key(fd, at, key) == 0; at = key)
        number = MAX(number, key_number(key, offset, mask, swap));
    return number;
}

/*
 * What an earlier run left: its numbers must not be used again, and its entries go once the first
 * policy of this run is in place. The PUs themselves stay as they are until then. A policy without
 * rules shows in its PUs only; a class that was written last, in nothing but its entries.
 */
int pus_adopt(struct datapath *dp)
{
    struct abi_pu pu;
    uint32_t version, number, i;

    version = highest(bpf_map__fd(dp->skeleton->maps.peer_class), 0, UINT32_MAX, false);
    for (i = 0; i < ABI_PUS_MAX; i++)
        if (bpf_map_lookup_elem(bpf_map__fd(dp->skeleton->maps.pus), &i, &pu) == 0)
            version = MAX(version, MAX(pu.policy[0], pu.policy[1]));
    number = highest(bpf_map__fd(dp->skeleton->maps.verdicts), 0, ABI_CLASS_NUMBER, false);
    number = MAX(number, highest(bpf_map__fd(dp->skeleton->maps.verdict_ranges),
                                 offsetof(struct abi_range_key, class_be), ABI_CLASS_NUMBER, true));
    dp->next_version = dp->purge_version = version + 1;
    dp->next_class = dp->purge_class = number + 1;
    dp->purge = true;
    purge_addresses(dp, dp->control.bank ^ 1); /* not in force: ours to write */
    return 0;
}

/* Collect the keys of a map whose number is below a bound, then retire them. */
static void purge_map(struct datapath *dp, int fd, size_t key_size, size_t offset, uint32_t mask,
                      uint32_t bound, bool swap)
{
    size_t n = 0, size = 1024;
    uint8_t *keys = malloc(size * key_size), *at = NULL;
    uint8_t key[32];

    assert(key_size <= sizeof(key));
    while (keys && bpf_map_get_next_key(fd, at, key) == 0) {
        at = key;
        if (key_number(key, offset, mask, swap) >= bound)
            continue;
        if (n == size) {
            uint8_t *more = realloc(keys, size * 2 * key_size);

            if (!more)
                break;
            keys = more;
            size *= 2;
        }
        memcpy(keys + n++ * key_size, key, key_size);
    }
    if (keys)
        map_retire(dp, fd, keys, n, key_size);
    free(keys);
}

void purge_stale(struct datapath *dp)
{
    if (!dp->purge)
        return;
    dp->purge = false;
    purge_map(dp, bpf_map__fd(dp->skeleton->maps.peer_class), sizeof(struct abi_peer_key), 0,
              UINT32_MAX, dp->purge_version, false);
    purge_map(dp, bpf_map__fd(dp->skeleton->maps.verdicts), sizeof(struct abi_verdict_key), 0,
              ABI_CLASS_NUMBER, dp->purge_class, false);
    purge_map(dp, bpf_map__fd(dp->skeleton->maps.verdict_ranges), sizeof(struct abi_range_key), 4,
              ABI_CLASS_NUMBER, dp->purge_class, true);
    purge_addresses(dp, dp->control.bank ^ 1);
}
