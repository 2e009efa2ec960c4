/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy.h"

#include <errno.h>
#include <string.h>

#include "base/hash.h"
#include "intern.h"

#define PEER_BYTES (4 + 4 + SHA256_BYTES)

static int names_of_classes(const struct policy_compiled *compiled, struct intern *names)
{
    uint32_t id;
    bool is_new;
    int r = 0;

    for (size_t i = 0; r == 0 && i < compiled->n_classes; i++)
        r = intern_add(names, compiled->classes[i].fingerprint,
                       sizeof(compiled->classes[i].fingerprint), &id, &is_new);
    return r;
}

/* Indices of the classes whose fingerprint is not in `names`. */
static size_t classes_missing(const struct policy_compiled *compiled, const struct intern *names,
                              size_t *ret)
{
    size_t n = 0;

    for (size_t i = 0; i < compiled->n_classes; i++) {
        const struct policy_class *class = &compiled->classes[i];

        if (intern_find(names, class->fingerprint, sizeof(class->fingerprint)) == INTERN_NONE)
            ret[n++] = i;
    }
    return n;
}

/* What the datapath holds of a policy, in one number: defaults and peers with the content of their
 * classes. */
static int content(const struct policy_compiled *compiled, size_t i, uint8_t ret[SHA256_BYTES])
{
    const struct policy_compiled_policy *policy = &compiled->policies[i];
    size_t len = 2 + policy->n_peers * PEER_BYTES;
    _cleanup_free_
    uint8_t *bytes = malloc(len);
    uint8_t *at = bytes;

    if (!bytes)
        return -ENOMEM;
    *at++ = (uint8_t)policy->policy->defaults[0];
    *at++ = (uint8_t)policy->policy->defaults[1];
    for (size_t j = 0; j < policy->n_peers; j++) {
        const struct policy_peer_entry *peer = &policy->peers[j];
        const uint8_t head[8] = {peer->direction,
                                 peer->kind,
                                 0,
                                 0,
                                 (uint8_t)(peer->peer >> 24),
                                 (uint8_t)(peer->peer >> 16),
                                 (uint8_t)(peer->peer >> 8),
                                 (uint8_t)peer->peer};

        memcpy(at, head, sizeof(head));
        memcpy(at + sizeof(head), compiled->classes[peer->class].fingerprint, SHA256_BYTES);
        at += PEER_BYTES;
    }
    return hash_sha256(bytes, len, ret);
}

static int diff_classes(const struct policy_compiled *before, const struct policy_compiled *after,
                        struct policy_delta *delta)
{
    _cleanup_intern_ struct intern old = {0}, new = {0};
    int r;

    r = names_of_classes(before, &old);
    if (r == 0)
        r = names_of_classes(after, &new);
    if (r < 0)
        return r;
    delta->classes_added = calloc(after->n_classes + 1, sizeof(size_t));
    delta->classes_removed = calloc(before->n_classes + 1, sizeof(size_t));
    if (!delta->classes_added || !delta->classes_removed)
        return -ENOMEM;
    delta->n_classes_added = classes_missing(after, &old, delta->classes_added);
    delta->n_classes_removed = classes_missing(before, &new, delta->classes_removed);
    return 0;
}

/* Both lists are sorted by prefix: one walk over the two. */
static int diff_addresses(const struct policy_compiled *before, const struct policy_compiled *after,
                          struct policy_delta *delta)
{
    size_t i = 0, j = 0;

    delta->addresses_set = calloc(after->n_addresses + 1, sizeof(size_t));
    delta->addresses_removed = calloc(before->n_addresses + 1, sizeof(size_t));
    if (!delta->addresses_set || !delta->addresses_removed)
        return -ENOMEM;
    while (i < before->n_addresses || j < after->n_addresses) {
        int order = i == before->n_addresses  ? 1
                    : j == after->n_addresses ? -1
                                              : ip_prefix_compare(&before->addresses[i].prefix,
                                                                  &after->addresses[j].prefix);

        if (order < 0)
            delta->addresses_removed[delta->n_addresses_removed++] = i;
        else if (order > 0 ||
                 before->addresses[i].address_class != after->addresses[j].address_class)
            delta->addresses_set[delta->n_addresses_set++] = j;
        i += order <= 0;
        j += order >= 0;
    }
    return 0;
}

static int diff_policies(const struct policy_compiled *before, const struct policy_compiled *after,
                         struct policy_delta *delta)
{
    _cleanup_intern_ struct intern old = {0};
    uint8_t digest[SHA256_BYTES];
    uint32_t id;
    bool is_new;
    int r = 0;

    delta->policies_changed = calloc(after->n_policies + 1, sizeof(size_t));
    if (!delta->policies_changed)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < before->n_policies; i++) {
        r = content(before, i, digest);
        if (r == 0)
            r = intern_add(&old, digest, sizeof(digest), &id, &is_new);
    }
    for (size_t i = 0; r == 0 && i < after->n_policies; i++) {
        r = content(after, i, digest);
        if (r == 0 && intern_find(&old, digest, sizeof(digest)) == INTERN_NONE)
            delta->policies_changed[delta->n_policies_changed++] = i;
    }
    return r;
}

int policy_diff(const struct policy_compiled *before, const struct policy_compiled *after,
                struct policy_delta **ret)
{
    static const struct policy_compiled nothing;
    _cleanup_policy_delta_ struct policy_delta *delta = NULL;
    int r;

    assert(after);
    assert(ret);
    if (!before)
        before = &nothing;
    delta = calloc(1, sizeof(*delta));
    if (!delta)
        return -ENOMEM;
    r = diff_classes(before, after, delta);
    if (r == 0)
        r = diff_addresses(before, after, delta);
    if (r == 0)
        r = diff_policies(before, after, delta);
    if (r == 0)
        *ret = TAKE_PTR(delta);
    return r;
}

void policy_delta_free(struct policy_delta **delta)
{
    struct policy_delta *d = *delta;

    if (!d)
        return;
    free(d->classes_added);
    free(d->classes_removed);
    free(d->addresses_set);
    free(d->addresses_removed);
    free(d->policies_changed);
    free(d);
    *delta = NULL;
}
