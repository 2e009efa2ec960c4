/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "console/render_internal.h"

/* Entries, and what their bodies say. */

int entry_new(struct render *render, void *owner, struct render_entry **ret, const char *format,
              ...)
{
    struct render_entry *entry;
    char key[LINK_KEY_MAX + 1];
    va_list arguments;
    int len;

    va_start(arguments, format);
    len = vsnprintf(key, sizeof(key), format, arguments);
    va_end(arguments);
    assert(len > 0 && (size_t)len < sizeof(key));
    entry = calloc(1, sizeof(*entry) + (size_t)len + 1);
    if (!entry)
        return -ENOMEM;
    memcpy(entry->key, key, (size_t)len + 1);
    entry->id = ++render->last_entry_id;
    entry->owner = owner;
    entry->references = 1;
    *ret = entry;
    return 0;
}

void entry_unref(struct render_entry **entry)
{
    if (!*entry)
        return;
    assert((*entry)->references > 0);
    if (--(*entry)->references == 0)
        free(*entry);
    *entry = NULL;
}

void entry_kill(struct render_entry **entry)
{
    if (!*entry)
        return;
    (*entry)->dead = true;
    (*entry)->owner = NULL;
    entry_unref(entry);
}

void entry_version_of(struct render_entry *entry, const json_t *content)
{
    char *text = content ? json_dumps(content, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

    /* Out of memory: a version that nobody has, so it is sent again. */
    entry->version = text ? link_version(text, strlen(text)) : entry->version + 1;
    free(text);
}

static json_t *pick(const json_t *body, const char *const *names)
{
    json_t *picked = json_object();

    for (; *names && picked; names++) {
        json_t *value = json_object_get(body, *names);

        if (value && json_object_set(picked, *names, value) < 0) {
            json_decref(picked);
            return NULL;
        }
    }
    return picked;
}

static json_t *with_namespace(json_t *object, const char *namespace)
{
    if (object)
        json_object_set_new(object, "namespace", json_string(namespace));
    return object;
}

json_t *ruleset_parse(const struct ruleset *ruleset)
{
    return json_loads(ruleset->text, 0, NULL);
}

/* As policy files have it (docs/formats/policy.md). */
json_t *network_content(const struct network *network)
{
    static const char *const names[] = {
        "name", "propagate", "entries", "associatedTags", "metadata", "matchProcessingUnits", NULL};

    return with_namespace(pick(network->body, names), network->place->name);
}

const char *place_default(const struct place *place, const char *attribute)
{
    for (; place; place = place->parent) {
        const char *action = json_string_value(json_object_get(place->body, attribute));

        if (action && strcmp(action, "Inherit") != 0)
            return action;
    }
    return "Reject";
}

json_t *place_content(const struct place *place)
{
    static const char *const names[] = {"defaultPUIncomingTrafficAction",
                                        "defaultPUOutgoingTrafficAction", "rejectMode", NULL};
    json_t *content = pick(place->body, names);

    if (content)
        json_object_set_new(content, "name", json_string(place->name));
    return content;
}

static json_t *tags_json(const struct tag_set *tags)
{
    json_t *list = json_array();

    for (size_t i = 0; i < tags->n && list; i++)
        json_array_append_new(list, json_string(tags->tags[i]));
    return list;
}

json_t *unit_content(const struct unit *unit)
{
    json_t *tags = tags_json(&unit->tags);

    if (!tags)
        return NULL;
    return json_pack("{s:s, s:s, s:o, s:I}", "ID", unit->id, "namespace", unit->place->name, "tags",
                     tags, "identity",
                     unit->identity ? (json_int_t)unit->identity->number : (json_int_t)0);
}

/* The same for a whole half of the life of a document, then later by as much. */
static json_int_t expiry_s(const struct render *render, uint32_t number)
{
    uint32_t half = RENDER_DOCUMENT_DAYS / 2, shift = number % half;
    uint32_t day = (render->day + shift) / half * half - shift + RENDER_DOCUMENT_DAYS;

    return (json_int_t)day * 86400;
}

json_t *identity_claims(const struct render *render, const struct identity *identity)
{
    json_t *tags = tags_json(&identity->tags);

    if (!tags)
        return NULL;
    return json_pack("{s:I, s:s, s:o, s:I}", "id", (json_int_t)identity->number, "ns",
                     identity->namespace, "tags", tags, "exp", expiry_s(render, identity->number));
}

static int compare_numbers(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* Numbers in order, so that the content does not depend on the order of events. */
static json_t *hosted(const struct enforcer *enforcer)
{
    uint32_t *numbers = calloc(enforcer->identities.n + 1, sizeof(*numbers));
    json_t *list = numbers ? json_array() : NULL;
    size_t n = 0;

    if (!list) {
        free(numbers);
        return NULL;
    }
    for (size_t i = 0; i < enforcer->identities.n; i++) {
        const struct identity *identity = enforcer->identities.items[i].target;

        if (identity->number)
            numbers[n++] = identity->number;
    }
    qsort(numbers, n, sizeof(*numbers), compare_numbers);
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_integer(numbers[i]));
    free(numbers);
    return list;
}

json_t *host_claims(const struct render *render, const struct enforcer *enforcer)
{
    json_t *identities = hosted(enforcer);

    if (!identities)
        return NULL;
    return json_pack("{s:I, s:O*, s:O*, s:o, s:I}", "id", (json_int_t)enforcer->number, "keys",
                     enforcer->keys, "addresses", enforcer->addresses, "identities", identities,
                     "exp", expiry_s(render, enforcer->number));
}

static int append_json(struct buf *body, json_t *content)
{
    char *text = content ? json_dumps(content, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

    json_decref(content);
    if (!text)
        return -ENOMEM;
    buf_puts(body, text);
    free(text);
    return body->error;
}

int render_entry_body(struct render *render, const struct render_entry *entry, struct buf *body,
                      json_t **ret_claims)
{
    *ret_claims = NULL;
    if (entry->dead)
        return -ENOENT;
    switch (entry->key[0]) {
    case 'n':
        return append_json(body, place_content(entry->owner));
    case 'r':
        buf_puts(body, ((const struct ruleset *)entry->owner)->text);
        return body->error;
    case 'x':
        return append_json(body, network_content(entry->owner));
    case 'u':
        return append_json(body, unit_content(entry->owner));
    case 'i':
        *ret_claims = identity_claims(render, entry->owner);
        return *ret_claims ? 0 : -ENOMEM;
    case 'h':
        *ret_claims = host_claims(render, entry->owner);
        return *ret_claims ? 0 : -ENOMEM;
    case 'p':
        buf_puts(body, ((const struct enforcer *)entry->owner)->profile);
        return body->error;
    default:
        buf_puts(body, render->trust);
        return body->error;
    }
}
