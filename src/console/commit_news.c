/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "console/commit_internal.h"

static void op_clear(struct store_op *op)
{
    free((char *)op->object.id);
    free((char *)op->object.kind);
    free((char *)op->object.namespace);
    free((char *)op->object.body);
}

void commit_news_free(struct commit_news **news)
{
    struct commit_news *old = *news;

    if (!old)
        return;
    *news = NULL;
    for (size_t i = 0; i < old->n; i++)
        op_clear(&old->ops[i]);
    free(old->ops);
    free(old);
}
#define _cleanup_news_ _cleanup_(commit_news_free)

static int add(void *context, enum store_op_type type, const struct store_object *object)
{
    struct commit_news *news = context;
    struct store_op op = {.type = type, .object = *object};

    if (news->n == news->size) {
        size_t size = news->size ? news->size * 2 : 16;
        struct store_op *more = reallocarray(news->ops, size, sizeof(*more));

        if (!more)
            return -ENOMEM;
        news->ops = more;
        news->size = size;
    }
    op.object.unique_key = NULL;
    op.object.id = strdup(object->id);
    op.object.kind = strdup(object->kind);
    op.object.namespace = strdup(object->namespace ? object->namespace : "/");
    op.object.body = object->body ? strndup(object->body, object->body_len) : NULL;
    if (!op.object.id || !op.object.kind || !op.object.namespace ||
        (object->body && !op.object.body)) {
        op_clear(&op);
        return -ENOMEM;
    }
    news->ops[news->n++] = op;
    return 0;
}

static int add_all(void *context, const struct store_object *object)
{
    return add(context, STORE_UPDATE, object);
}

int commit_news_fetch(struct commit *commit, struct store *store)
{
    _cleanup_news_ struct commit_news *news = calloc(1, sizeof(*news));
    uint64_t since;
    int r;

    if (!news)
        return -ENOMEM;
    pthread_mutex_lock(&commit->lock);
    since = commit->applied;
    pthread_mutex_unlock(&commit->lock);
    r = store_changes(store, since, add, news, &news->revision);
    if (r == -ESTALE) {
        log_event(LOG_LEVEL_WARN, "commit.reload", LOG_F("since", "%" PRIu64, since));
        while (news->n)
            op_clear(&news->ops[--news->n]);
        news->everything = true;
        r = store_load(store, add_all, news, &news->revision);
    }
    if (r < 0)
        return r;
    if (news->revision <= since && !news->everything)
        return 0;
    pthread_mutex_lock(&commit->lock);
    while (commit->news && !commit->stopping)
        pthread_cond_wait(&commit->taken, &commit->lock);
    if (!commit->stopping) {
        commit->news = TAKE_PTR(news);
        uv_async_send(commit->async);
        while (commit->news && !commit->stopping)
            pthread_cond_wait(&commit->taken, &commit->lock);
    }
    pthread_mutex_unlock(&commit->lock);
    return 0;
}

/* ---- In the loop -------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct store_op *)a)->object.id, ((const struct store_op *)b)->object.id);
}

struct missing {
    struct commit_news *news;
    size_t n_known;
    int error;
};

static bool look_for_missing(void *context, const struct object *object)
{
    struct missing *missing = context;
    const struct store_op wanted = {.object = {.id = object->id}};
    const struct store_object gone = {
        .id = object->id,
        .kind = object->kind->name,
        .namespace = object->space->name,
        .revision = missing->news->revision,
    };

    if (object->revision > missing->news->revision ||
        bsearch(&wanted, missing->news->ops, missing->n_known, sizeof(wanted), compare))
        return true;
    missing->error = add(missing->news, STORE_DELETE, &gone);
    return missing->error == 0;
}

/* What memory has and the database has not, goes. */
static int add_deletions(struct commit *commit, struct commit_news *news)
{
    struct missing missing = {.news = news, .n_known = news->n};
    size_t n_kinds;
    const struct schema_kind *const *kinds = schema_kinds(&n_kinds);

    if (news->n)
        qsort(news->ops, news->n, sizeof(*news->ops), compare);
    for (size_t i = 0; i < n_kinds && missing.error == 0; i++) {
        const struct objects_query query = {
            .kind = kinds[i],
            .space = objects_space(commit->objects, "/"),
            .recursive = true,
            .archived = true,
        };
        uint64_t total;
        int r = objects_list(commit->objects, &query, look_for_missing, &missing, &total);

        if (r < 0)
            return r;
    }
    return missing.error;
}

void commit_news_apply(struct commit *commit, struct commit_news *news)
{
    uint64_t applied = objects_revision(commit->objects);
    size_t n = 0;
    int r = news->everything ? add_deletions(commit, news) : 0;

    for (size_t i = 0; i < news->n; i++) {
        const struct object *object = objects_find(commit->objects, news->ops[i].object.id);
        bool known = news->everything
                         ? object && object->revision >= news->ops[i].object.revision &&
                               news->ops[i].type != STORE_DELETE
                         : news->ops[i].object.revision <= applied;

        if (known)
            op_clear(&news->ops[i]);
        else
            news->ops[n++] = news->ops[i];
    }
    news->n = n;
    if (r == 0)
        r = objects_apply(commit->objects, news->revision, news->ops, news->n);
    if (r < 0) {
        log_event(LOG_LEVEL_ERROR, "commit.apply", LOG_F("error", "%s", error_text(r)));
        abort();
    }
}
