/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "console/render_internal.h"

/* Processing units, and the life of the whole table. */

int render_new(struct render **ret)
{
    struct render *render = calloc(1, sizeof(*render));
    struct place *root;

    if (!render)
        return -ENOMEM;
    if (place_get(render, "/", &root) < 0) {
        free(render);
        return -ENOMEM;
    }
    *ret = render;
    return 0;
}

void unit_versioned(struct render *render, struct unit *unit)
{
    json_t *content = unit_content(unit);
    uint64_t version = unit->entry->version;

    entry_version_of(unit->entry, content);
    json_decref(content);
    if (unit->entry->version != version)
        enforcer_dirty(render, unit->enforcer);
}

static void rendering_leave(struct render *render, struct unit *unit)
{
    struct rendering *rendering = unit->rendering;

    if (!rendering)
        return;
    unit->rendering = NULL;
    rendering->units--;
    counts_drop(&rendering->enforcers, unit->enforcer);
    enforcer_dirty(render, unit->enforcer);
    rendering_release(render, rendering);
}

int unit_rekey(struct render *render, struct unit *unit)
{
    struct rendering *rendering;
    bool is_new;
    int r;

    r = rendering_get(render, unit->place, &unit->tags, &rendering);
    if (r < 0 || rendering == unit->rendering)
        return r;
    rendering->units++; /* first in, then out: not to free what is still needed */
    r = counts_add(&rendering->enforcers, unit->enforcer, &is_new);
    if (r < 0)
        return r;
    rendering_leave(render, unit);
    unit->rendering = rendering;
    enforcer_dirty(render, unit->enforcer);
    return 0;
}

int unit_identify(struct render *render, struct unit *unit)
{
    _cleanup_tag_set_ struct tag_set tags = {0};
    struct identity *identity, *before = unit->identity;
    int r;

    r = render_identity_tags(render, unit->place->name, &unit->tags, &tags);
    if (r == 0)
        r = identity_get(render, unit->place->name, &tags, &identity);
    if (r < 0 || identity == before)
        return r;
    unit->identity = identity;
    r = identity_join(render, identity, unit->enforcer);
    if (before)
        identity_leave(render, before, unit->enforcer);
    unit_versioned(render, unit);
    return r;
}

/* Called when the first subject names this tag: its units are no longer like the others. */
int units_of_label(struct render *render, struct label *label)
{
    struct unit *unit, *next;
    const struct pointers *carriers;
    int result = 0;

    if (carriers_of(render, label->text, &carriers)) {
        for (size_t i = 0; i < carriers->n && result == 0; i++)
            result = unit_rekey(render, carriers->v[i]);
        return result;
    }
    HASH_ITER(hh, render->units, unit, next)
    {
        if (tag_set_has(&unit->tags, label->text)) {
            int r = unit_rekey(render, unit);

            if (r < 0)
                return r;
        }
    }
    return 0;
}

static void unit_leave(struct render *render, struct unit *unit)
{
    rendering_leave(render, unit);
    if (unit->identity)
        identity_leave(render, unit->identity, unit->enforcer);
    unit->identity = NULL;
    pointers_remove(&unit->enforcer->units, unit);
    enforcer_dirty(render, unit->enforcer);
}

void render_unit_remove(struct render *render, const char *id)
{
    struct unit *unit = NULL;

    HASH_FIND_STR(render->units, id, unit);
    if (!unit)
        return;
    unit_leave(render, unit);
    carriers_remove(render, unit);
    HASH_DEL(render->units, unit);
    entry_kill(&unit->entry);
    tag_set_clear(&unit->tags);
    free(unit->local_id);
    free(unit->enforcer_id);
    free(unit->id);
    free(unit);
}

static int unit_new(struct render *render, const struct render_unit_input *input, struct unit **ret)
{
    struct unit *unit = calloc(1, sizeof(*unit));
    int r;

    if (!unit)
        return -ENOMEM;
    unit->id = strdup(input->id);
    unit->local_id = strdup(input->local_id);
    unit->enforcer_id = strdup(input->enforcer_id);
    r = unit->id && unit->local_id && unit->enforcer_id
            ? enforcer_get(render, input->enforcer_id, &unit->enforcer)
            : -ENOMEM;
    if (r == 0)
        r = entry_new(render, unit, &unit->entry, "u:%.*s", LINK_LOCAL_ID_MAX, input->local_id);
    if (r == 0)
        r = pointers_push(&unit->enforcer->units, unit);
    if (r < 0) {
        entry_kill(&unit->entry);
        free(unit->id);
        free(unit->local_id);
        free(unit->enforcer_id);
        free(unit);
        return r;
    }
    HASH_ADD_KEYPTR(hh, render->units, unit->id, strlen(unit->id), unit);
    *ret = unit;
    return 0;
}

int render_unit_put(struct render *render, const struct render_unit_input *input)
{
    struct unit *unit = NULL;
    struct place *place;
    int r;

    HASH_FIND_STR(render->units, input->id, unit);
    if (unit && (!input->active || strcmp(unit->enforcer_id, input->enforcer_id) != 0 ||
                 strcmp(unit->local_id, input->local_id) != 0)) {
        render_unit_remove(render, input->id);
        unit = NULL;
    }
    if (!input->active)
        return 0;
    r = place_get(render, input->namespace, &place);
    if (r == 0 && !unit)
        r = unit_new(render, input, &unit);
    if (r < 0)
        return r;
    assert(unit);
    if (unit->place == place && tag_set_equal(&unit->tags, input->tags))
        return 0;
    unit->place = place;
    carriers_remove(render, unit);
    tag_set_clear(&unit->tags);
    r = tag_set_copy(input->tags, &unit->tags);
    if (r == 0)
        r = carriers_add(render, unit);
    if (r == 0)
        r = unit_rekey(render, unit);
    if (r == 0)
        r = unit_identify(render, unit);
    unit_versioned(render, unit);
    return r;
}

void render_counters(const struct render *render, struct render_counters *ret)
{
    *ret = (struct render_counters){
        .renderings = HASH_COUNT(render->renderings),
        .identities = HASH_COUNT(render->identities),
        .units = HASH_COUNT(render->units),
        .enforcers = HASH_COUNT(render->enforcers),
        .rulesets = HASH_COUNT(render->rulesets),
        .networks = HASH_COUNT(render->networks),
        .labels = HASH_COUNT(render->labels),
        .rendered = render->rendered,
    };
}

static void labels_free(struct render *render)
{
    struct label *label, *next;

    HASH_ITER(hh, render->labels, label, next)
    {
        HASH_DEL(render->labels, label);
        pointers_free(&label->subjects);
        pointers_free(&label->objects);
        pointers_free(&label->renderings);
        pointers_free(&label->identities);
        free(label);
    }
}

static void places_free(struct render *render)
{
    struct place *place, *next;

    HASH_ITER(hh, render->places, place, next)
    {
        HASH_DEL(render->places, place);
        entry_kill(&place->entry);
        json_decref(place->body);
        for (char **prefix = place->prefixes; prefix && *prefix; prefix++)
            free(*prefix);
        free(place->prefixes);
        pointers_free(&place->rulesets);
        pointers_free(&place->networks);
        pointers_free(&place->renderings);
        pointers_free(&place->children);
        free(place->name);
        free(place);
    }
}

static void identities_free(struct render *render)
{
    struct identity *identity, *next;

    HASH_CLEAR(hh_number, render->numbers);
    HASH_ITER(hh, render->identities, identity, next)
    {
        HASH_DEL(render->identities, identity);
        identity_free(identity);
    }
}

void render_free(struct render **at)
{
    struct render *render = *at;
    struct place *place, *next;

    if (!render)
        return;
    /* Nobody has to find himself in lists that go as well. */
    HASH_ITER(hh, render->places, place, next)
    {
        pointers_free(&place->rulesets);
        pointers_free(&place->networks);
    }
    while (render->units)
        render_unit_remove(render, render->units->id);
    while (render->rulesets)
        render_ruleset_put(render, render->rulesets->id, "/", NULL, 0);
    while (render->networks)
        render_network_put(render, render->networks->id, "/", NULL);
    while (render->enforcers)
        render_enforcer_remove(render, render->enforcers->id);
    identities_free(render);
    carriers_free(render);
    labels_free(render);
    places_free(render);
    entry_kill(&render->trust_entry);
    free(render->trust);
    buf_free(&render->scratch);
    pointers_free(&render->dirty_renderings);
    pointers_free(&render->dirty_enforcers);
    pointers_free(&render->stale_hosts);
    pointers_free(&render->missing);
    free_pointer(at);
}
