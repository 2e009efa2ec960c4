/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "console/api_internal.h"
#include "console/api_reader.h"
#include "console/hooks.h"
#include "console/sorting.h"

/*
 * /tags and /tagvalues: the tags of all objects in reach, each with how many have it, in order of
 * the text. An interned tag is at one address, so counting compares addresses.
 */

#define TALLY_FIRST 1024 /* places; a power of two */
#define PREFIX_MAX (MODEL_TAG_BYTES_MAX + 2)
#define AT_ONCE 64 /* tags, then the clock is asked */

struct tally_entry {
    const char *tag; /* NULL: free */
    size_t n;
};

struct tagging {
    struct api_call *call;
    enum encoding encoding;
    char prefix[PREFIX_MAX]; /* "key="; "": all */
    bool by_key;             /* /tagvalues */
    json_t *only;            /* tags that policies use; NULL: all */
    struct tally_entry *tally;
    size_t n, n_places;
    bool collected, failed, showing;
    struct sorting sorting; /* of the entries of the tally */
    struct http_response response;
    struct encoding_open list, group, values;
    size_t next, first, end; /* tag; items of the page */
    size_t items;            /* so far: tags, or keys */
    const char *key;         /* of the tag before; NULL: none */
};

/* ---- Counting ------------------------------------------------------------------------------ */

static size_t place_of(const struct tagging *tagging, const char *tag)
{
    size_t place = ((size_t)(uintptr_t)tag >> 4) * 11400714819323198485ull >> 20;

    while (tagging->tally[place & (tagging->n_places - 1)].tag &&
           tagging->tally[place & (tagging->n_places - 1)].tag != tag)
        place++;
    return place & (tagging->n_places - 1);
}

static int grow(struct tagging *tagging)
{
    struct tally_entry *old = tagging->tally;
    size_t n_old = tagging->n_places;

    tagging->n_places = n_old ? n_old * 2 : TALLY_FIRST;
    tagging->tally = calloc(tagging->n_places, sizeof(*tagging->tally));
    if (!tagging->tally) {
        tagging->tally = old;
        tagging->n_places = n_old;
        return -ENOMEM;
    }
    for (size_t i = 0; i < n_old; i++)
        if (old[i].tag)
            tagging->tally[place_of(tagging, old[i].tag)] = old[i];
    free(old);
    return 0;
}

static int count(struct tagging *tagging, const char *tag)
{
    struct tally_entry *entry;

    if (tagging->n * 2 >= tagging->n_places && grow(tagging) < 0)
        return -ENOMEM;
    entry = &tagging->tally[place_of(tagging, tag)];
    tagging->n += !entry->tag;
    entry->tag = tag;
    entry->n++;
    return 0;
}

static void add_strings(const json_t *value, json_t *names)
{
    size_t i, j;
    json_t *clause, *tag;

    json_array_foreach((json_t *)value, i, clause)
        json_array_foreach(clause, j, tag) if (json_is_string(tag))
            json_object_set_new(names, json_string_value(tag), json_true());
}

static void add_policy_tags(struct tagging *tagging, const struct object *ruleset)
{
    static const char *const lists[] = {"incomingRules", "outgoingRules"};
    json_t *body = object_parse(ruleset), *rule;
    size_t i;

    add_strings(json_object_get(body, "subject"), tagging->only);
    for (size_t l = 0; l < ARRAY_SIZE(lists); l++)
        json_array_foreach(json_object_get(body, lists[l]), i, rule)
            add_strings(json_object_get(rule, "object"), tagging->only);
    json_decref(body);
}

/* The query for policies comes first, and is the only one that asks for propagated ones. */
static void page(void *context, const struct objects_query *query, uint64_t total, size_t n)
{
    struct tagging *tagging = context;

    tagging->collected = !query->propagated;
}

static bool visit(void *context, const struct object *object)
{
    struct tagging *tagging = context;
    size_t len = strlen(tagging->prefix);

    if (!tagging->collected) {
        add_policy_tags(tagging, object);
        return true;
    }
    for (size_t i = 0; i < object->tags.n && !tagging->failed; i++) {
        const char *tag = object->tags.tags[i];

        if (strncmp(tag, "$id=", 4) != 0 && strncmp(tag, tagging->prefix, len) == 0 &&
            (!tagging->only || json_object_get(tagging->only, tag)))
            tagging->failed = count(tagging, tag) < 0;
    }
    return !tagging->failed;
}

static int begin(void *context, struct objects_read *read)
{
    struct tagging *tagging = context;
    const struct api_call *call = tagging->call;
    size_t n;
    const struct schema_kind *const *kinds = schema_kinds(&n);
    struct objects_query query = {
        .kind = schema_kind_find("networkrulesetpolicy"),
        .space = objects_space(call->console->objects, call->namespace),
        .recursive = api_private(call)->query.recursive,
        .propagated = true,
    };
    int r = query.space ? 0 : -ENOENT;

    if (r == 0 && tagging->only)
        r = objects_read_add(read, &query);
    query.propagated = false;
    query.archived = true;
    for (size_t i = 0; r == 0 && i < n; i++) {
        query.kind = kinds[i];
        if (kinds[i]->stored && (kinds[i]->mixins & SCHEMA_BASE))
            r = objects_read_add(read, &query);
    }
    return r;
}

/* ---- Showing ------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b, void *context)
{
    const struct tally_entry *left = a, *right = b;

    return strcmp(left->tag, right->tag);
}

/* What was counted, without gaps: over it the sorting goes. */
static int begin_showing(struct tagging *tagging)
{
    const struct api_query *query = &api_private(tagging->call)->query;
    size_t limit = query->cursor ? query->limit : query->pagesize, n = 0;

    for (size_t i = 0; i < tagging->n_places; i++)
        if (tagging->tally[i].tag)
            tagging->tally[n++] = tagging->tally[i];
    tagging->first = query->page > 1 ? (query->page - 1) * limit : 0;
    tagging->end = limit ? tagging->first + limit : SIZE_MAX;
    encoding_begin(tagging->encoding, false, &tagging->response.body, &tagging->list);
    return sorting_begin(&tagging->sorting, TAKE_PTR(tagging->tally), n, sizeof(struct tally_entry),
                         compare, NULL);
}

static bool on_page(const struct tagging *tagging)
{
    return tagging->items > tagging->first && tagging->items <= tagging->end;
}

static void put(struct tagging *tagging, json_t *value)
{
    struct buf *body = &tagging->response.body;

    if (value)
        encoding_append(tagging->encoding, value, body);
    else
        body->error = -ENOMEM;
    json_decref(value);
}

static void show_tag(struct tagging *tagging, const struct tally_entry *entry)
{
    tagging->items++;
    if (!on_page(tagging))
        return;
    encoding_next(tagging->encoding, &tagging->list, NULL, &tagging->response.body);
    put(tagging, json_pack("{s:s, s:I, s:s}", "value", entry->tag, "count", (json_int_t)entry->n,
                           "namespace", tagging->call->namespace));
}

static void end_group(struct tagging *tagging)
{
    if (!tagging->key || !on_page(tagging))
        return;
    encoding_end(tagging->encoding, &tagging->values, &tagging->response.body);
    encoding_end(tagging->encoding, &tagging->group, &tagging->response.body);
}

/* Tags with the same key follow each other. */
static void show_value(struct tagging *tagging, const struct tally_entry *entry)
{
    struct buf *body = &tagging->response.body;
    size_t len = strcspn(entry->tag, "=");

    if (!tagging->key || strncmp(tagging->key, entry->tag, len + 1) != 0) {
        end_group(tagging);
        tagging->items++;
        tagging->key = entry->tag;
        if (!on_page(tagging))
            return;
        encoding_next(tagging->encoding, &tagging->list, NULL, body);
        encoding_begin(tagging->encoding, true, body, &tagging->group);
        encoding_next(tagging->encoding, &tagging->group, "key", body);
        put(tagging, json_stringn(entry->tag, len));
        encoding_next(tagging->encoding, &tagging->group, "values", body);
        encoding_begin(tagging->encoding, false, body, &tagging->values);
    }
    if (!on_page(tagging))
        return;
    encoding_next(tagging->encoding, &tagging->values, NULL, body);
    put(tagging, json_string(entry->tag + len + (entry->tag[len] == '=')));
}

static int show(struct tagging *tagging)
{
    const struct tally_entry *sorted;

    if (!sorting_step(&tagging->sorting, AT_ONCE))
        return 0;
    sorted = (const void *)tagging->sorting.items;
    for (unsigned i = 0; i < AT_ONCE && tagging->next < tagging->n; i++) {
        if (tagging->by_key)
            show_value(tagging, &sorted[tagging->next++]);
        else
            show_tag(tagging, &sorted[tagging->next++]);
    }
    return tagging->next == tagging->n;
}

static int finish(void *context, uint64_t until_ns)
{
    struct tagging *tagging = context;
    int r = tagging->failed ? -ENOMEM : 0;

    if (r == 0 && !tagging->showing)
        r = begin_showing(tagging);
    tagging->showing = true;
    while (r == 0) {
        r = show(tagging);
        if (uv_hrtime() >= until_ns)
            break;
    }
    return r;
}

/* ---- The call ------------------------------------------------------------------------------ */

static void answer(void *context, int r)
{
    struct tagging *tagging = context;
    struct http_response *response = &tagging->response;
    struct api_error error = {0};

    end_group(tagging);
    encoding_end(tagging->encoding, &tagging->list, &response->body);
    if (r == 0)
        r = response->body.error;
    if (r < 0) {
        api_error_result(&error, r, tagging->call->kind->name);
        api_fail(tagging->call, &error, NULL);
        return;
    }
    response->content_type = encoding_content_type(tagging->encoding);
    http_response_header(response, "X-Count-Total", "%zu", tagging->items);
    api_send(api_private(tagging->call), response);
}

static size_t held(const void *context)
{
    const struct tagging *tagging = context;

    return (tagging->n_places + 2 * tagging->n) * sizeof(*tagging->tally) +
           tagging->response.body.len;
}

static void tagging_free(void *context)
{
    struct tagging *tagging = context;

    free(tagging->tally);
    sorting_clear(&tagging->sorting);
    http_response_clear(&tagging->response);
    json_decref(tagging->only);
    free(tagging);
}

static void run(struct api_call *call, bool by_key, bool only_policy, const char *key)
{
    static const struct api_reader reader = {
        .begin = begin,
        .visitor = {page, visit},
        .finish = finish,
        .answer = answer,
        .held = held,
        .free = tagging_free,
    };
    struct tagging *tagging = calloc(1, sizeof(*tagging));
    struct api_error error = {0};

    if (!tagging) {
        api_error_result(&error, -ENOMEM, call->kind->name);
        api_fail(call, &error, NULL);
        return;
    }
    tagging->call = call;
    tagging->encoding = api_private(call)->encoding;
    tagging->by_key = by_key;
    tagging->only = only_policy ? json_object() : NULL;
    tagging->response =
        (struct http_response){.status = 200, .body = BUF_INIT(API_ANSWER_BYTES_MAX)};
    /* A key that is longer than a tag may be is no tag's. */
    if (key)
        snprintf(tagging->prefix, sizeof(tagging->prefix), "%s=", key);
    api_read(call, &reader, tagging);
}

static void tags_handle(struct api_call *call)
{
    run(call, false, api_parameter(call, "onlyPolicyTags") != NULL, NULL);
}

static void tagvalues_handle(struct api_call *call)
{
    run(call, true, false, api_parameter(call, "key"));
}

int hooks_tags(struct console *console)
{
    const struct api_hooks all[] = {
        {.kind = "tag", .handle = tags_handle},
        {.kind = "tagvalue", .handle = tagvalues_handle},
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(all); i++)
        r = api_register(console, &all[i]);
    return r;
}
