/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "console/api_internal.h"
#include "console/hooks.h"

/* Looking around: tags in use, search, health. */

static bool in_reach(const struct api_call *call, const struct object *object)
{
    return api_private(call)->query.recursive
               ? namespace_is_within(call->namespace, object->space->name)
               : strcmp(call->namespace, object->space->name) == 0;
}

/* ---- Tags --------------------------------------------------------------------------------------
 */

struct tagging {
    struct api_call *call;
    const char *prefix; /* "key="; NULL: all */
    size_t prefix_len;
    json_t *found, *only; /* only: tags that policies use, or NULL */
    bool everything;      /* all namespaces: no need to look at members */
};

static size_t count_members(const struct tagging *tagging, const struct objects_tag *tag)
{
    size_t n = 0;

    if (tagging->everything)
        return tag->n;
    for (size_t i = 0; i < tag->n; i++)
        n += in_reach(tagging->call, objects_tag_member(tag, i));
    return n;
}

static bool visit_tag(void *context, const struct objects_tag *tag)
{
    struct tagging *tagging = context;
    size_t n;

    if (strncmp(tag->text, "$id=", 4) == 0)
        return true; /* everything has one of its own */
    if (tagging->prefix && strncmp(tag->text, tagging->prefix, tagging->prefix_len) != 0)
        return true;
    if (tagging->only && !json_object_get(tagging->only, tag->text))
        return true;
    n = count_members(tagging, tag);
    if (n)
        json_array_append_new(tagging->found,
                              json_pack("{s:s, s:I, s:s}", "value", tag->text, "count",
                                        (json_int_t)n, "namespace", tagging->call->namespace));
    return true;
}

static int compare_values(const void *a, const void *b)
{
    const json_t *left = *(json_t *const *)a, *right = *(json_t *const *)b;

    return strcmp(json_string_value(json_object_get(left, "value")),
                  json_string_value(json_object_get(right, "value")));
}

static json_t *sorted(json_t *list)
{
    size_t n = json_array_size(list);
    json_t **items = calloc(n + 1, sizeof(*items)), *result = json_array();

    for (size_t i = 0; items && i < n; i++)
        items[i] = json_array_get(list, i);
    if (items)
        qsort(items, n, sizeof(*items), compare_values);
    for (size_t i = 0; items && i < n; i++)
        json_array_append(result, items[i]);
    free(items);
    json_decref(list);
    return result;
}

static void add_strings(const json_t *value, json_t *names)
{
    size_t i, j;
    json_t *clause, *tag;

    json_array_foreach((json_t *)value, i, clause)
        json_array_foreach(clause, j, tag) if (json_is_string(tag))
            json_object_set_new(names, json_string_value(tag), json_true());
}

static bool visit_ruleset(void *context, const struct object *object)
{
    static const char *const lists[] = {"incomingRules", "outgoingRules"};
    json_t *body = object_parse(object), *rule;
    size_t i;

    add_strings(json_object_get(body, "subject"), context);
    for (size_t l = 0; l < ARRAY_SIZE(lists); l++)
        json_array_foreach(json_object_get(body, lists[l]), i, rule)
            add_strings(json_object_get(rule, "object"), context);
    json_decref(body);
    return true;
}

static json_t *policy_tags(const struct api_call *call)
{
    const struct objects_query query = {
        .kind = schema_kind_find("networkrulesetpolicy"),
        .space = objects_space(call->console->objects, call->namespace),
        .recursive = api_private(call)->query.recursive,
        .propagated = true,
    };
    json_t *names = json_object();
    uint64_t total;

    objects_list(call->console->objects, &query, visit_ruleset, names, &total);
    return names;
}

static json_t *find_tags(struct api_call *call, const char *prefix, bool only_policy)
{
    struct tagging tagging = {
        .call = call,
        .prefix = prefix,
        .prefix_len = prefix ? strlen(prefix) : 0,
        .found = json_array(),
        .only = only_policy ? policy_tags(call) : NULL,
        .everything = api_private(call)->query.recursive && strcmp(call->namespace, "/") == 0,
    };

    objects_tags_visit(call->console->objects, visit_tag, &tagging);
    json_decref(tagging.only);
    return sorted(tagging.found);
}

static void tags_handle(struct api_call *call)
{
    api_answer_page(call, find_tags(call, NULL, api_parameter(call, "onlyPolicyTags") != NULL));
}

static void tagvalues_handle(struct api_call *call)
{
    const char *key = api_parameter(call, "key");
    _cleanup_free_
    char *prefix = NULL;
    json_t *tags, *tag, *keys = json_object(), *list = json_array(), *values;
    const char *name;
    size_t i;

    if (key && asprintf(&prefix, "%s=", key) < 0)
        prefix = NULL;
    tags = find_tags(call, prefix, false);
    json_array_foreach(tags, i, tag)
    {
        const char *text = json_string_value(json_object_get(tag, "value"));
        const char *equals = strchr(text, '=');
        _cleanup_free_
        char *word = strndup(text, (size_t)(equals - text));

        if (!word)
            continue;
        if (!json_object_get(keys, word))
            json_object_set_new(keys, word, json_array());
        json_array_append_new(json_object_get(keys, word), json_string(equals + 1));
    }
    json_object_foreach(keys, name, values)
        json_array_append_new(list, json_pack("{s:s, s:O}", "key", name, "values", values));
    json_decref(tags);
    json_decref(keys);
    api_answer_page(call, list);
}

/* ---- Search ------------------------------------------------------------------------------------
 */

#define SEARCH_WORDS_MAX 8
#define SEARCH_RESULTS_MAX 500
#define SEARCH_RESULTS_DEFAULT 50

struct hit {
    double score;
    const struct object *object;
};

struct search {
    char *words[SEARCH_WORDS_MAX];
    size_t n_words;
    struct hit hits[SEARCH_RESULTS_MAX]; /* the best so far */
    size_t n;
    uint64_t total;
};

static double score_word(const struct object *object, const char *word)
{
    const char *found = strcasestr(object->name, word);
    double score = 0;

    if (strcmp(object->id, word) == 0)
        return 100;
    if (found)
        score += strcasecmp(object->name, word) == 0 ? 10 : found == object->name ? 5 : 3;
    for (size_t i = 0; i < object->tags.n; i++) {
        const char *tag = object->tags.tags[i];

        if (strcasecmp(tag, word) == 0)
            score += 4;
        else if (*tag != '$' && strcasestr(tag, word))
            score += 1;
    }
    return score;
}

static double score_of(const struct search *search, const struct object *object)
{
    _cleanup_free_
    char *description = NULL;
    double sum = 0;

    for (size_t i = 0; i < search->n_words; i++) {
        double score = score_word(object, search->words[i]);

        if (score == 0) {
            if (!description)
                description = object_text(object, "description");
            if (!description || !strcasestr(description, search->words[i]))
                return 0; /* every word must be somewhere */
            score = 1;
        }
        sum += score;
    }
    return sum;
}

static int compare_hits(const void *a, const void *b)
{
    const struct hit *left = a, *right = b;

    if (left->score != right->score)
        return left->score < right->score ? 1 : -1;
    return strcmp(left->object->id, right->object->id);
}

static bool visit_object(void *context, const struct object *object)
{
    struct search *search = context;
    double score = score_of(search, object);
    size_t worst = 0;

    if (score == 0)
        return true;
    search->total++;
    if (search->n < SEARCH_RESULTS_MAX) {
        search->hits[search->n++] = (struct hit){score, object};
        return true;
    }
    for (size_t i = 1; i < search->n; i++)
        if (search->hits[i].score < search->hits[worst].score)
            worst = i;
    if (search->hits[worst].score < score)
        search->hits[worst] = (struct hit){score, object};
    return true;
}

static void search_kinds(struct api_call *call, struct search *search)
{
    size_t n;
    const struct schema_kind *const *kinds = schema_kinds(&n);

    for (size_t i = 0; i < n; i++) {
        const struct objects_query query = {
            .kind = kinds[i],
            .space = objects_space(call->console->objects, call->namespace),
            .recursive = true,
        };
        uint64_t total;

        if (kinds[i]->stored && !kinds[i]->hidden &&
            auth_allowed(call->console->auth, call->caller, AUTH_LIST, kinds[i], call->namespace,
                         NULL))
            objects_list(call->console->objects, &query, visit_object, search, &total);
    }
}

static json_t *hits_json(struct api_call *call, struct search *search)
{
    const struct api_query *query = &api_private(call)->query;
    size_t limit = query->cursor ? query->limit : query->pagesize;
    json_t *list = json_array();
    size_t start;

    if (limit == 0)
        limit = SEARCH_RESULTS_DEFAULT;
    start = query->page > 1 ? (query->page - 1) * limit : 0;
    qsort(search->hits, search->n, sizeof(*search->hits), compare_hits);
    for (size_t i = start; i < search->n && i < start + limit; i++) {
        const struct object *object = search->hits[i].object;

        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:f, s:o?}", "objectIdentity", object->kind->name,
                            "objectID", object->id, "objectNamespace", object->space->name, "score",
                            search->hits[i].score, "object", api_show(call, object)));
    }
    return list;
}

static void search_handle(struct api_call *call)
{
    const char *text = api_parameter(call, "q");
    struct search *search = calloc(1, sizeof(*search));
    struct api_error error = {0};
    json_t *list;
    uint64_t total;

    while (search && text && *text && search->n_words < SEARCH_WORDS_MAX) {
        size_t len;

        text += strspn(text, " ");
        len = strcspn(text, " ");
        if (len)
            search->words[search->n_words++] = strndup(text, len);
        text += len;
    }
    if (!search || search->n_words == 0) {
        free(search);
        api_error_set(&error, 400, "Bad request", "q: expected words to look for");
        api_fail(call, &error, NULL);
        return;
    }
    search_kinds(call, search);
    list = hits_json(call, search);
    total = search->total;
    while (search->n_words)
        free(search->words[--search->n_words]);
    free(search);
    api_answer_list(call, list, total);
}

/* ---- Health ------------------------------------------------------------------------------------
 */

static void health_handle(struct api_call *call)
{
    enum commit_state state = commit_state(call->console->commit);
    const char *status = state == COMMIT_OK          ? "Operational"
                         : state == COMMIT_DISK_FULL ? "Degraded"
                                                     : "Offline";
    json_t *alerts = json_array(), *list;

    if (state == COMMIT_DISK_FULL)
        json_array_append_new(alerts, json_string("disk full: writes are refused (507)"));
    if (state == COMMIT_GONE)
        json_array_append_new(alerts, json_string("database gone: writes are refused (503)"));
    if (api_parameter(call, "quiet")) {
        json_decref(alerts);
        api_answer(call, state == COMMIT_OK ? 200 : 503, NULL);
        return;
    }
    list = json_pack("[{s:s, s:s, s:s, s:s, s:o}, {s:s, s:s, s:s, s:s, s:[]}]", "name", "database",
                     "type", "Database", "status", status, "responseTime", "0s", "alerts", alerts,
                     "name", "console", "type", "General", "status",
                     call->console->stopping ? "Degraded" : "Operational", "responseTime", "0s",
                     "alerts");
    api_answer(call, state == COMMIT_OK ? 200 : 503, list);
}

int hooks_look(struct console *console)
{
    const struct api_hooks all[] = {
        {.kind = "tag", .handle = tags_handle},
        {.kind = "tagvalue", .handle = tagvalues_handle},
        {.kind = "search", .handle = search_handle},
        {.kind = "healthcheck", .handle = health_handle, .open_verbs = 1u << AUTH_LIST},
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(all); i++)
        r = api_register(console, &all[i]);
    return r;
}
