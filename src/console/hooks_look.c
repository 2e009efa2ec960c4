/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "console/api_internal.h"
#include "console/api_reader.h"
#include "console/hooks.h"

/* Looking around: search, health. Tags in use: hooks_tags.c. */

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
    struct api_call *call;
    char *words[SEARCH_WORDS_MAX];
    size_t n_words;
    struct hit hits[SEARCH_RESULTS_MAX]; /* the best so far */
    size_t n;
    uint64_t total; /* of hits */
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

static int search_begin(void *context, struct objects_read *read)
{
    struct search *search = context;
    struct api_call *call = search->call;
    size_t n;
    const struct schema_kind *const *kinds = schema_kinds(&n);
    struct objects_query query = {
        .space = objects_space(call->console->objects, call->namespace),
        .recursive = true,
    };
    int r = query.space ? 0 : -ENOENT;

    for (size_t i = 0; r == 0 && i < n; i++) {
        query.kind = kinds[i];
        if (kinds[i]->stored && !kinds[i]->hidden &&
            auth_allowed(call->console->auth, call->caller, AUTH_LIST, kinds[i], call->namespace,
                         NULL))
            r = objects_read_add(read, &query);
    }
    return r;
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

static void search_answer(void *context, int r)
{
    struct search *search = context;
    struct api_error error = {0};

    if (r == 0) {
        api_answer_list(search->call, 200, hits_json(search->call, search), search->total, NULL);
        return;
    }
    api_error_result(&error, r, "the search");
    api_fail(search->call, &error, NULL);
}

static void search_free(void *context)
{
    struct search *search = context;

    while (search->n_words)
        free(search->words[--search->n_words]);
    free(search);
}

static void search_handle(struct api_call *call)
{
    static const struct api_reader reader = {
        .begin = search_begin,
        .visitor = {NULL, visit_object},
        .answer = search_answer,
        .free = search_free,
    };
    const char *text = api_parameter(call, "q");
    struct search *search = calloc(1, sizeof(*search));
    struct api_error error = {0};

    while (search && text && *text && search->n_words < SEARCH_WORDS_MAX) {
        size_t len;

        text += strspn(text, " ");
        len = strcspn(text, " ");
        if (len) {
            search->words[search->n_words] = strndup(text, len);
            search->n_words += search->words[search->n_words] != NULL;
        }
        text += len;
    }
    if (!search || search->n_words == 0) {
        free(search);
        api_error_set(&error, 400, "Bad request", "q: expected words to look for");
        api_fail(call, &error, NULL);
        return;
    }
    search->call = call;
    api_read(call, &reader, search);
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
    char took[32];

    snprintf(took, sizeof(took), "%.3fms", (double)commit_last_us(call->console->commit) / 1000);
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
                     "type", "Database", "status", status, "responseTime", took, "alerts", alerts,
                     "name", "console", "type", "General", "status",
                     call->console->stopping ? "Degraded" : "Operational", "responseTime", "",
                     "alerts");
    api_answer_made(call, state == COMMIT_OK ? 200 : 503, list);
}

int hooks_look(struct console *console)
{
    const struct api_hooks all[] = {
        {.kind = "search", .handle = search_handle},
        {.kind = "healthcheck", .handle = health_handle, .open_verbs = 1u << AUTH_LIST},
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(all); i++)
        r = api_register(console, &all[i]);
    return r;
}
