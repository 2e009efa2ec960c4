/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "console/render_internal.h"

/* Namespaces, and the external networks in them. */

/* Used where nobody up the tree has tagPrefixes: the product's list without $id, which would give
 * every unit an identity of its own. */
static const char *const default_prefixes[] = {"$controller=",
                                               "$identity=",
                                               "$image=",
                                               "$name=",
                                               "$namespace=",
                                               "$type=",
                                               "@org:cloudaccount=",
                                               "@org:group=",
                                               "@org:kubernetes=",
                                               "@org:tenant=",
                                               "app:host:type=",
                                               "app=",
                                               "externalnetwork:name=",
                                               NULL};

int place_get(struct render *render, const char *name, struct place **ret)
{
    struct place *place = NULL;
    const char *slash;
    int r;

    HASH_FIND_STR(render->places, name, place);
    if (place) {
        *ret = place;
        return 0;
    }
    place = calloc(1, sizeof(*place));
    if (!place)
        return -ENOMEM;
    place->name = strdup(name);
    slash = strrchr(name, '/');
    r = place->name ? 0 : -ENOMEM;
    if (r == 0 && strcmp(name, "/") != 0 && slash) {
        _cleanup_free_
        char *above = slash == name ? strdup("/") : strndup(name, (size_t)(slash - name));

        r = above ? place_get(render, above, &place->parent) : -ENOMEM;
        if (r == 0)
            r = pointers_push(&place->parent->children, place);
    }
    if (r < 0) {
        free(place->name);
        free(place);
        return r;
    }
    HASH_ADD_KEYPTR(hh, render->places, place->name, strlen(place->name), place);
    *ret = place;
    return 0;
}

bool place_sees(const struct place *place, const struct place *owner, bool propagate)
{
    if (place == owner)
        return true;
    for (; propagate && place; place = place->parent)
        if (place == owner)
            return true;
    return false;
}

void place_renderings_dirty(struct render *render, struct place *place, bool below)
{
    for (size_t i = 0; i < place->renderings.n; i++)
        rendering_dirty(render, place->renderings.v[i]);
    for (size_t i = 0; below && i < place->children.n; i++)
        place_renderings_dirty(render, place->children.v[i], true);
}

static int prefixes_read(const json_t *list, char ***ret)
{
    size_t n = json_array_size(list);
    char **prefixes;

    *ret = NULL;
    if (n == 0)
        return 0;
    prefixes = calloc(n + 1, sizeof(char *));
    if (!prefixes)
        return -ENOMEM;
    for (size_t i = 0, kept = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(list, i));

        if (text)
            prefixes[kept++] = strdup(text);
    }
    *ret = prefixes;
    return 0;
}

static void prefixes_free(char ***prefixes)
{
    for (char **at = *prefixes; at && *at; at++)
        free(*at);
    free(*prefixes);
    *prefixes = NULL;
}

static bool prefixes_equal(char *const *a, char *const *b)
{
    if (!a || !b)
        return a == b;
    for (; *a && *b; a++, b++)
        if (strcmp(*a, *b) != 0)
            return false;
    return !*a && !*b;
}

static int reidentify(struct render *render, struct place *place)
{
    struct unit *unit, *next;

    HASH_ITER(hh, render->units, unit, next)
    {
        if (place_sees(unit->place, place, true)) {
            int r = unit_identify(render, unit);

            if (r < 0)
                return r;
        }
    }
    return 0;
}

int render_namespace_put(struct render *render, const char *name, const json_t *body)
{
    struct place *place;
    char **prefixes = NULL;
    uint64_t version;
    int r;

    r = place_get(render, name, &place);
    if (r == 0)
        r = prefixes_read(json_object_get(body, "tagPrefixes"), &prefixes);
    if (r == 0 && !place->entry)
        r = entry_new(render, place, &place->entry, "n:%s",
                      strlen(name) < LINK_KEY_MAX - 2 ? name : "(too long)");
    if (r < 0)
        return r;
    json_decref(place->body);
    place->body = json_deep_copy(body);
    place->defined = true;
    version = place->entry->version;
    json_t *content = place_content(place);
    entry_version_of(place->entry, content);
    json_decref(content);
    if (place->entry->version != version)
        place_renderings_dirty(render, place, true);
    if (prefixes_equal(prefixes, place->prefixes)) {
        prefixes_free(&prefixes);
        return 0;
    }
    prefixes_free(&place->prefixes);
    place->prefixes = prefixes;
    return reidentify(render, place);
}

void render_namespace_remove(struct render *render, const char *name)
{
    struct place *place = NULL;

    HASH_FIND_STR(render->places, name, place);
    if (!place || !place->defined)
        return;
    place_renderings_dirty(render, place, true);
    entry_kill(&place->entry);
    json_decref(place->body);
    place->body = NULL;
    place->defined = false;
    if (place->prefixes) {
        prefixes_free(&place->prefixes);
        reidentify(render, place);
    }
}

const char *const *render_tag_prefixes(struct render *render, const char *namespace)
{
    struct place *place = NULL;

    if (place_get(render, namespace, &place) < 0)
        return default_prefixes;
    for (; place; place = place->parent)
        if (place->prefixes)
            return (const char *const *)place->prefixes;
    return default_prefixes;
}

int render_identity_tags(struct render *render, const char *namespace, const struct tag_set *tags,
                         struct tag_set *ret)
{
    const char *const *prefixes = render_tag_prefixes(render, namespace);
    _cleanup_tag_set_ struct tag_set kept = {0};

    for (size_t i = 0; i < tags->n; i++) {
        for (const char *const *prefix = prefixes; *prefix; prefix++) {
            int r;

            if (strncmp(tags->tags[i], *prefix, strlen(*prefix)) != 0)
                continue;
            r = tag_set_add(&kept, tags->tags[i]);
            if (r < 0)
                return r;
            break;
        }
    }
    *ret = kept;
    kept = (struct tag_set){0};
    return 0;
}

/* ---- External networks ------------------------------------------------------------------------
 */

static void network_drop(struct render *render, struct network *network)
{
    place_renderings_dirty(render, network->place, network->propagate);
    pointers_remove(&network->place->networks, network);
    HASH_DEL(render->networks, network);
    entry_kill(&network->entry);
    json_decref(network->body);
    free(network->id);
    free(network);
}

static int network_add(struct render *render, const char *id, struct place *place,
                       struct network **ret)
{
    struct network *network = calloc(1, sizeof(*network));
    int r = network ? 0 : -ENOMEM;

    if (r == 0) {
        network->place = place;
        network->id = strdup(id);
        r = network->id ? entry_new(render, network, &network->entry, "x:%s", id) : -ENOMEM;
    }
    if (r == 0)
        r = pointers_push(&place->networks, network);
    if (r < 0) {
        if (network) {
            entry_kill(&network->entry);
            free(network->id);
        }
        free(network);
        return r;
    }
    HASH_ADD_KEYPTR(hh, render->networks, network->id, strlen(network->id), network);
    *ret = network;
    return 0;
}

int render_network_put(struct render *render, const char *id, const char *namespace,
                       const json_t *body)
{
    struct network *network = NULL;
    struct place *place;
    uint64_t version;
    int r;

    HASH_FIND_STR(render->networks, id, network);
    if (!body) {
        if (network)
            network_drop(render, network);
        return 0;
    }
    r = place_get(render, namespace, &place);
    if (r == 0 && !network)
        r = network_add(render, id, place, &network);
    if (r < 0)
        return r;
    assert(network);
    json_decref(network->body);
    network->body = json_deep_copy(body);
    version = network->entry->version;
    json_t *content = network_content(network);
    entry_version_of(network->entry, content);
    json_decref(content);
    if (network->entry->version != version)
        place_renderings_dirty(
            render, place, network->propagate || json_is_true(json_object_get(body, "propagate")));
    network->propagate = json_is_true(json_object_get(body, "propagate"));
    return 0;
}
