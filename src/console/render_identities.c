/* SPDX-License-Identifier: Apache-2.0 */
#include "console/render_internal.h"

/* Identities, the Enforcers that host them, and documents about both. */

static char *identity_key(const char *namespace, const struct tag_set *tags)
{
    struct buf key = BUF_INIT((MODEL_TAG_BYTES_MAX + 1) * (MODEL_TAGS_PER_SET_MAX + 2));

    buf_printf(&key, "%s\n", namespace);
    for (size_t i = 0; i < tags->n; i++)
        buf_printf(&key, "%s\n", tags->tags[i]);
    return buf_steal(&key);
}

void identity_free(struct identity *identity)
{
    entry_kill(&identity->entry);
    tag_set_clear(&identity->tags);
    pointers_free(&identity->rulesets);
    pointers_free(&identity->fetched_by);
    free(identity->hosts.items);
    free(identity->labels);
    free(identity->namespace);
    free(identity->key);
    free(identity);
}

static int identity_file(struct render *render, struct identity *identity)
{
    int r = labels_of(render, &identity->tags, false, &identity->labels, &identity->n_labels);

    for (size_t i = 0; i < identity->n_labels && r == 0; i++)
        r = pointers_push(&identity->labels[i]->identities, identity);
    return r < 0 ? r : identity_rulesets(render, identity);
}

int identity_get(struct render *render, const char *namespace, const struct tag_set *tags,
                 struct identity **ret)
{
    _cleanup_free_
    char *key = identity_key(namespace, tags);
    struct identity *identity = NULL;
    int r;

    if (!key)
        return -ENOMEM;
    HASH_FIND_STR(render->identities, key, identity);
    if (identity) {
        *ret = identity;
        return 0;
    }
    identity = calloc(1, sizeof(*identity));
    if (!identity)
        return -ENOMEM;
    identity->namespace = strdup(namespace);
    r = identity->namespace ? tag_set_copy(tags, &identity->tags) : -ENOMEM;
    if (r < 0) {
        identity_free(identity);
        return r;
    }
    identity->key = TAKE_PTR(key);
    HASH_ADD_KEYPTR(hh, render->identities, identity->key, strlen(identity->key), identity);
    *ret = identity;
    return identity_file(render, identity);
}

static void enforcer_units_versioned(struct render *render, const struct identity *identity)
{
    for (size_t i = 0; i < identity->hosts.n; i++) {
        struct enforcer *enforcer = identity->hosts.items[i].target;

        for (size_t j = 0; j < enforcer->units.n; j++)
            if (((struct unit *)enforcer->units.v[j])->identity == identity)
                unit_versioned(render, enforcer->units.v[j]);
        host_changed(render, enforcer);
    }
}

void identity_versioned(struct render *render, struct identity *identity)
{
    json_t *claims = identity_claims(render, identity);

    entry_version_of(identity->entry, claims);
    json_decref(claims);
}

int render_identity_put(struct render *render, uint32_t number, const char *namespace,
                        const struct tag_set *tags)
{
    struct identity *identity, *taken = NULL;
    int r;

    r = identity_get(render, namespace, tags, &identity);
    if (r < 0)
        return r;
    HASH_FIND(hh_number, render->numbers, &number, sizeof(number), taken);
    /* Two Consoles may have given a number each: all take the lower one. */
    if (taken || (identity->number && identity->number <= number))
        return 0;
    if (identity->number)
        HASH_DELETE(hh_number, render->numbers, identity);
    else
        pointers_remove(&render->missing, identity);
    entry_kill(&identity->entry);
    identity->number = number;
    HASH_ADD(hh_number, render->numbers, number, sizeof(number), identity);
    r = entry_new(render, identity, &identity->entry, "i:%u", number);
    if (r < 0)
        return r;
    identity_versioned(render, identity);
    enforcer_units_versioned(render, identity);
    identity_touched(render, identity);
    return 0;
}

void render_missing(struct render *render, render_missing_fn *visit, void *context)
{
    for (size_t i = 0; i < render->missing.n; i++) {
        const struct identity *identity = render->missing.v[i];
        uint32_t candidate = identity_id(identity->namespace, &identity->tags);
        struct identity *taken = NULL;

        for (;;) {
            HASH_FIND(hh_number, render->numbers, &candidate, sizeof(candidate), taken);
            if (!taken && candidate > 255)
                break;
            candidate++;
        }
        visit(context, identity->namespace, &identity->tags, candidate);
    }
}

/* ---- Hosts ------------------------------------------------------------------------------------
 */

/* Its document says something else: everybody who needs one of its identities looks again. */
static void host_work_out(struct render *render, struct enforcer *enforcer)
{
    uint64_t version;
    json_t *claims;

    if (!enforcer->entry)
        return;
    version = enforcer->entry->version;
    claims = host_claims(render, enforcer);
    entry_version_of(enforcer->entry, claims);
    json_decref(claims);
    if (enforcer->entry->version == version)
        return;
    enforcer_dirty(render, enforcer); /* it sees by its own document what others know of it */
    for (size_t i = 0; i < enforcer->identities.n; i++)
        identity_touched(render, enforcer->identities.items[i].target);
    for (size_t i = 0; i < enforcer->fetched_by.n; i++)
        enforcer_dirty(render, enforcer->fetched_by.v[i]);
}

/* Worked out when somebody looks: a document names all identities of its host, and thousands of
 * them change at once when the host is new. */
void host_changed(struct render *render, struct enforcer *enforcer)
{
    if (!enforcer->entry || enforcer->stale)
        return;
    enforcer->stale = pointers_push(&render->stale_hosts, enforcer) == 0;
    if (!enforcer->stale)
        host_work_out(render, enforcer);
}

void hosts_work_out(struct render *render)
{
    while (render->stale_hosts.n > 0) {
        struct enforcer *enforcer = render->stale_hosts.v[--render->stale_hosts.n];

        enforcer->stale = false;
        host_work_out(render, enforcer);
    }
}

int identity_join(struct render *render, struct identity *identity, struct enforcer *enforcer)
{
    bool is_new, first;
    int r;

    if (identity->units++ == 0 && identity->number == 0) {
        r = pointers_push(&render->missing, identity);
        if (r < 0)
            return r;
    }
    r = counts_add(&identity->hosts, enforcer, &is_new);
    if (r == 0)
        r = counts_add(&enforcer->identities, identity, &first);
    if (r < 0)
        return r;
    if (is_new) {
        host_changed(render, enforcer);
        identity_touched(render, identity);
    }
    return 0;
}

void identity_leave(struct render *render, struct identity *identity, struct enforcer *enforcer)
{
    if (--identity->units == 0 && identity->number == 0)
        pointers_remove(&render->missing, identity);
    if (counts_drop(&identity->hosts, enforcer)) {
        identity_touched(render, identity);
        counts_drop(&enforcer->identities, identity);
        host_changed(render, enforcer);
    } else {
        counts_drop(&enforcer->identities, identity);
    }
}

int enforcer_get(struct render *render, const char *id, struct enforcer **ret)
{
    struct enforcer *enforcer = NULL;

    HASH_FIND_STR(render->enforcers, id, enforcer);
    if (!enforcer) {
        enforcer = calloc(1, sizeof(*enforcer));
        if (!enforcer)
            return -ENOMEM;
        enforcer->id = strdup(id);
        if (!enforcer->id) {
            free(enforcer);
            return -ENOMEM;
        }
        HASH_ADD_KEYPTR(hh, render->enforcers, enforcer->id, strlen(enforcer->id), enforcer);
    }
    *ret = enforcer;
    return 0;
}

static void enforcer_unnumber(struct render *render, struct enforcer *enforcer)
{
    if (enforcer->number == 0)
        return;
    for (size_t i = 0; i < enforcer->identities.n; i++)
        identity_touched(render, enforcer->identities.items[i].target);
    for (size_t i = 0; i < enforcer->fetched_by.n; i++)
        enforcer_dirty(render, enforcer->fetched_by.v[i]);
    HASH_DELETE(hh_number, render->enforcer_numbers, enforcer);
    enforcer->number = 0;
    entry_kill(&enforcer->entry);
}

int render_enforcer_put(struct render *render, const struct render_enforcer_input *input)
{
    struct enforcer *enforcer, *taken = NULL;
    int r;

    r = enforcer_get(render, input->id, &enforcer);
    if (r == 0)
        r = place_get(render, input->namespace, &enforcer->place);
    if (r < 0)
        return r;
    json_decref(enforcer->keys);
    json_decref(enforcer->addresses);
    enforcer->keys = input->keys ? json_deep_copy(input->keys) : NULL;
    enforcer->addresses = input->addresses ? json_deep_copy(input->addresses) : NULL;
    if (input->number != enforcer->number) {
        enforcer_dirty(render, enforcer);
        enforcer_unnumber(render, enforcer);
        HASH_FIND(hh_number, render->enforcer_numbers, &input->number, sizeof(uint32_t), taken);
        if (input->number != 0 && !taken) {
            enforcer->number = input->number;
            HASH_ADD(hh_number, render->enforcer_numbers, number, sizeof(uint32_t), enforcer);
            r = entry_new(render, enforcer, &enforcer->entry, "h:%u", enforcer->number);
            if (r < 0)
                return r;
        }
    }
    host_changed(render, enforcer);
    return 0;
}

static void fetched_drop(struct enforcer *enforcer)
{
    for (size_t i = 0; i < enforcer->fetched_hosts.n; i++)
        pointers_remove(&((struct enforcer *)enforcer->fetched_hosts.v[i])->fetched_by, enforcer);
    for (size_t i = 0; i < enforcer->fetched_identities.n; i++)
        pointers_remove(&((struct identity *)enforcer->fetched_identities.v[i])->fetched_by,
                        enforcer);
    pointers_free(&enforcer->fetched_hosts);
    pointers_free(&enforcer->fetched_identities);
}

/* The object is gone; a shell stays while units still name it. */
void render_enforcer_remove(struct render *render, const char *id)
{
    struct enforcer *enforcer = NULL;

    HASH_FIND_STR(render->enforcers, id, enforcer);
    if (!enforcer)
        return;
    enforcer_unnumber(render, enforcer);
    fetched_drop(enforcer);
    json_decref(enforcer->keys);
    json_decref(enforcer->addresses);
    enforcer->keys = enforcer->addresses = NULL;
    entry_kill(&enforcer->profile_entry);
    free_pointer(&enforcer->profile);
    if (enforcer->units.n > 0)
        return;
    for (size_t i = 0; i < enforcer->fetched_by.n; i++)
        pointers_remove(&((struct enforcer *)enforcer->fetched_by.v[i])->fetched_hosts, enforcer);
    if (enforcer->dirty)
        pointers_remove(&render->dirty_enforcers, enforcer);
    if (enforcer->stale)
        pointers_remove(&render->stale_hosts, enforcer);
    HASH_DELETE(hh, render->enforcers, enforcer);
    pointers_free(&enforcer->fetched_by);
    pointers_free(&enforcer->units);
    free(enforcer->identities.items);
    free(enforcer->id);
    free(enforcer);
}

void render_day_set(struct render *render, uint32_t day)
{
    struct enforcer *enforcer, *next_enforcer;
    struct identity *identity, *next_identity;

    if (render->day == day)
        return;
    render->day = day;
    HASH_ITER(hh, render->enforcers, enforcer, next_enforcer)
    host_changed(render, enforcer);
    HASH_ITER(hh, render->identities, identity, next_identity)
    {
        uint64_t version;

        if (!identity->entry)
            continue;
        version = identity->entry->version;
        identity_versioned(render, identity);
        if (identity->entry->version != version)
            identity_touched(render, identity);
    }
}

int render_profile_put(struct render *render, const char *enforcer_id, const char *body)
{
    struct enforcer *enforcer = NULL;
    char *copy;
    int r = 0;

    HASH_FIND_STR(render->enforcers, enforcer_id, enforcer);
    if (!enforcer)
        return -ENOENT;
    if (enforcer->profile && strcmp(enforcer->profile, body) == 0)
        return 0;
    copy = strdup(body);
    if (copy && !enforcer->profile_entry)
        r = entry_new(render, enforcer, &enforcer->profile_entry, "p:");
    if (!copy || r < 0) {
        free(copy);
        return -ENOMEM;
    }
    free(enforcer->profile);
    enforcer->profile = copy;
    enforcer->profile_entry->version = link_version(copy, strlen(copy));
    enforcer_dirty(render, enforcer);
    return 0;
}

int render_trust_put(struct render *render, const char *body)
{
    struct enforcer *enforcer, *next;
    char *copy = strdup(body);
    int r = 0;

    if (!copy)
        return -ENOMEM;
    if (!render->trust_entry)
        r = entry_new(render, render, &render->trust_entry, "t:");
    if (r < 0) {
        free(copy);
        return r;
    }
    free(render->trust);
    render->trust = copy;
    render->trust_entry->version = link_version(copy, strlen(copy));
    HASH_ITER(hh, render->enforcers, enforcer, next)
    enforcer_dirty(render, enforcer);
    return 0;
}
