/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "console/render_internal.h"

/* Renderings: made once per distinct (namespace, tags that subjects name), worked out when dirty.
 */

void rendering_dirty(struct render *render, struct rendering *rendering)
{
    rendering->openness = RENDERING_UNKNOWN;
    if (rendering->dirty)
        return;
    /* Out of memory: it stays undone, and is found by the next change that concerns it. */
    rendering->dirty = pointers_push(&render->dirty_renderings, rendering) == 0;
}

void enforcer_dirty(struct render *render, struct enforcer *enforcer)
{
    if (!enforcer || enforcer->dirty)
        return;
    enforcer->dirty = pointers_push(&render->dirty_enforcers, enforcer) == 0;
}

int rulesets_for(struct render *render, const struct place *place, struct label *const *labels,
                 size_t n_labels, struct pointers *ret)
{
    _cleanup_pointers_ struct pointers fallback = {0};
    uint64_t stamp = ++render->stamp;

    for (size_t i = 0; i < n_labels; i++) {
        const struct pointers *posted = &labels[i]->subjects;

        for (size_t j = 0; j < posted->n; j++) {
            struct ruleset *ruleset = posted->v[j];
            int r;

            if (ruleset->stamp == stamp || ruleset->disabled ||
                !place_sees(place, ruleset->place, ruleset->propagate) ||
                !clauses_match(&ruleset->subject, labels, n_labels))
                continue;
            ruleset->stamp = stamp;
            r = pointers_push(ruleset->fallback ? &fallback : ret, ruleset);
            if (r < 0)
                return r;
        }
    }
    if (ret->n == 0) {
        pointers_free(ret);
        *ret = fallback;
        fallback = (struct pointers){0};
    }
    return 0;
}

static int place_collect(const struct place *place, bool own, struct items *items)
{
    int r = items_add(items, place->entry);

    for (size_t i = 0; i < place->networks.n && r == 0; i++) {
        const struct network *network = place->networks.v[i];

        if (own || network->propagate)
            r = items_add(items, network->entry);
    }
    return r;
}

static int need_collect(const struct identity *identity, struct items *items)
{
    int r;

    if (identity->hosts.n == 0)
        return 0;
    r = items_add(items, identity->entry);
    for (size_t i = 0; i < identity->hosts.n && r == 0; i++)
        r = items_add(items, ((const struct enforcer *)identity->hosts.items[i].target)->entry);
    return r;
}

static int rendering_collect(const struct rendering *rendering, struct items *items)
{
    int r = 0;

    for (const struct place *place = rendering->place; place && r == 0; place = place->parent)
        r = place_collect(place, place == rendering->place, items);
    for (size_t i = 0; i < rendering->rulesets.n && r == 0; i++) {
        const struct ruleset *ruleset = rendering->rulesets.v[i];

        r = items_add(items, ruleset->entry);
        for (size_t j = 0; j < ruleset->needs.n && r == 0; j++)
            r = need_collect(ruleset->needs.v[j], items);
    }
    return r;
}

static int rulesets_switch(struct rendering *rendering, struct pointers *now)
{
    for (size_t i = 0; i < rendering->rulesets.n; i++)
        pointers_remove(&((struct ruleset *)rendering->rulesets.v[i])->renderings, rendering);
    pointers_free(&rendering->rulesets);
    rendering->rulesets = *now;
    *now = (struct pointers){0};
    for (size_t i = 0; i < rendering->rulesets.n; i++) {
        int r = pointers_push(&((struct ruleset *)rendering->rulesets.v[i])->renderings, rendering);

        if (r < 0)
            return r;
    }
    return 0;
}

static int rendering_work_out(struct render *render, struct rendering *rendering)
{
    _cleanup_pointers_ struct pointers rulesets = {0};
    _cleanup_items_ struct items items = {0};
    struct render_part *part = NULL;
    int r;

    render->rendered++;
    rendering->openness = RENDERING_UNKNOWN;
    r = rulesets_for(render, rendering->place, rendering->labels, rendering->n_labels, &rulesets);
    if (r == 0)
        r = rulesets_switch(rendering, &rulesets);
    if (r == 0)
        r = rendering_collect(rendering, &items);
    if (r == 0)
        r = part_new(&items, &part);
    if (r < 0)
        return r;
    if (part_equal(part, rendering->part)) {
        render_part_unref(&part);
        return 0;
    }
    render_part_unref(&rendering->part);
    rendering->part = part;
    for (size_t i = 0; i < rendering->enforcers.n; i++)
        enforcer_dirty(render, rendering->enforcers.items[i].target);
    return 0;
}

static int rendering_key(const struct place *place, struct label *const *labels, size_t n,
                         char **ret, size_t *ret_len)
{
    size_t len = (n + 1) * sizeof(void *);
    char *key = malloc(len);

    if (!key)
        return -ENOMEM;
    memcpy(key, &place, sizeof(void *));
    memcpy(key + sizeof(void *), labels, n * sizeof(void *));
    *ret = key;
    *ret_len = len;
    return 0;
}

static int rendering_file(struct render *render, struct rendering *rendering)
{
    int r = pointers_push(&rendering->place->renderings, rendering);

    for (size_t i = 0; i < rendering->n_labels && r == 0; i++)
        r = pointers_push(&rendering->labels[i]->renderings, rendering);
    if (r == 0)
        rendering_dirty(render, rendering);
    return r;
}

int rendering_get(struct render *render, struct place *place, const struct tag_set *tags,
                  struct rendering **ret)
{
    _cleanup_free_
    struct label **labels = NULL;
    _cleanup_free_
    char *key = NULL;
    struct rendering *rendering = NULL;
    size_t n = 0, len = 0;
    int r;

    r = labels_of(render, tags, true, &labels, &n);
    if (r == 0)
        r = rendering_key(place, labels, n, &key, &len);
    if (r < 0)
        return r;
    assert(key);
    HASH_FIND(hh, render->renderings, key, len, rendering);
    if (rendering) {
        *ret = rendering;
        return 0;
    }
    rendering = calloc(1, sizeof(*rendering));
    if (!rendering)
        return -ENOMEM;
    rendering->place = place;
    rendering->labels = TAKE_PTR(labels);
    rendering->n_labels = n;
    rendering->key = TAKE_PTR(key);
    rendering->key_len = len;
    HASH_ADD_KEYPTR(hh, render->renderings, rendering->key, len, rendering);
    *ret = rendering;
    return rendering_file(render, rendering);
}

void rendering_release(struct render *render, struct rendering *rendering)
{
    if (rendering->units > 0)
        return;
    if (rendering->dirty)
        pointers_remove(&render->dirty_renderings, rendering);
    pointers_remove(&rendering->place->renderings, rendering);
    for (size_t i = 0; i < rendering->n_labels; i++)
        pointers_remove(&rendering->labels[i]->renderings, rendering);
    for (size_t i = 0; i < rendering->rulesets.n; i++)
        pointers_remove(&((struct ruleset *)rendering->rulesets.v[i])->renderings, rendering);
    HASH_DEL(render->renderings, rendering);
    pointers_free(&rendering->rulesets);
    render_part_unref(&rendering->part);
    free(rendering->enforcers.items);
    free(rendering->labels);
    free(rendering->key);
    free(rendering);
}

int render_flush(struct render *render, render_concerned_fn *visit, void *context)
{
    _cleanup_pointers_ struct pointers enforcers = {0};
    int r = 0;

    hosts_work_out(render);
    while (render->dirty_renderings.n > 0 && r == 0) {
        struct rendering *rendering = render->dirty_renderings.v[--render->dirty_renderings.n];

        rendering->dirty = false;
        r = rendering_work_out(render, rendering);
        if (r < 0)
            rendering_dirty(render, rendering);
    }
    if (r < 0)
        return r;
    enforcers = render->dirty_enforcers;
    render->dirty_enforcers = (struct pointers){0};
    for (size_t i = 0; i < enforcers.n; i++)
        ((struct enforcer *)enforcers.v[i])->dirty = false;
    for (size_t i = 0; i < enforcers.n; i++)
        visit(context, ((struct enforcer *)enforcers.v[i])->id);
    return 0;
}

static int fetched_collect(const struct enforcer *enforcer, struct items *items)
{
    int r = 0;

    for (size_t i = 0; i < enforcer->fetched_hosts.n && r == 0; i++)
        r = items_add(items, ((const struct enforcer *)enforcer->fetched_hosts.v[i])->entry);
    for (size_t i = 0; i < enforcer->fetched_identities.n && r == 0; i++)
        r = items_add(items, ((const struct identity *)enforcer->fetched_identities.v[i])->entry);
    return r;
}

/* What is this Enforcer's alone, as a part of its own. */
static int own_part(struct render *render, const struct enforcer *enforcer,
                    struct render_scope *scope)
{
    _cleanup_items_ struct items items = {0};
    _cleanup_render_part_ struct render_part *part = NULL;
    int r = items_add(&items, render->trust_entry);

    if (r == 0)
        r = items_add(&items, enforcer->profile_entry);
    if (r == 0) /* how far its keys have got */
        r = items_add(&items, enforcer->entry);
    for (size_t i = 0; i < enforcer->units.n && r == 0; i++)
        r = items_add(&items, ((const struct unit *)enforcer->units.v[i])->entry);
    if (r == 0)
        r = fetched_collect(enforcer, &items);
    if (r == 0)
        r = part_new(&items, &part);
    return r < 0 ? r : scope_push(scope, part);
}

int render_scope_of(struct render *render, const char *enforcer_id, struct render_scope *ret)
{
    _cleanup_render_scope_ struct render_scope scope = {0};
    _cleanup_pointers_ struct pointers seen = {0};
    struct enforcer *enforcer = NULL;
    int r;

    hosts_work_out(render); /* a version that is listed must be that of the content */
    HASH_FIND_STR(render->enforcers, enforcer_id, enforcer);
    if (!enforcer)
        return -ENOENT;
    r = own_part(render, enforcer, &scope);
    for (size_t i = 0; i < enforcer->units.n && r == 0; i++) {
        const struct unit *unit = enforcer->units.v[i];

        if (!unit->rendering || pointers_has(&seen, unit->rendering))
            continue;
        r = pointers_push(&seen, unit->rendering);
        if (r == 0)
            r = scope_push(&scope, unit->rendering->part);
    }
    if (r < 0)
        return r;
    *ret = scope;
    scope = (struct render_scope){0};
    return 0;
}
