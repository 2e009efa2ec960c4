/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "console/push_internal.h"

/*
 * Changes that Enforcers' sessions make to objects. Those of one object are made one after the
 * other, in the order in which they were asked for: the later of two about the same attribute is
 * the one that stays, also where somebody else changes the object between them.
 */

struct patch {
    struct push *push;
    char id[SCHEMA_ID_LEN + 1];
    json_t *attributes;
    push_patched_fn *done;
    unsigned tries;
    struct patch *next; /* of the same object; waits */
    UT_hash_handle hh;  /* of the first one, which is being committed */
};

bool push_is_patching(const struct push *push, const char *id)
{
    const struct patch *first = NULL;

    HASH_FIND_STR(push->patches, id, first);
    return first;
}

static void patched(void *context, int result, size_t failed_op, uint64_t revision);

static int patch_submit(struct patch *patch)
{
    struct console *console = patch->push->console;
    const struct object *object = objects_find(console->objects, patch->id);
    _cleanup_change_set_ struct change_set *set = NULL;
    json_t *body = object ? object_parse(object) : NULL;
    int r = object ? -ENOMEM : -ENOENT;

    if (body && json_object_update(body, patch->attributes) == 0)
        r = change_set_new(&set);
    if (body && set)
        r = change_set_update(set, object, body);
    json_decref(body);
    if (console->stopping)
        r = -ECONNREFUSED;
    if (r == 0)
        commit_submit(console->commit, &set, patched, patch);
    return r;
}

/* The first of an object is done. @return the one after it, the first now */
static struct patch *patch_end(struct patch *patch, int result)
{
    struct push *push = patch->push;
    struct patch *next = patch->next;

    HASH_DEL(push->patches, patch);
    if (next)
        HASH_ADD_STR(push->patches, id, next);
    if (result < 0 && result != -ENOENT)
        log_event(LOG_LEVEL_WARN, "push.change_lost", LOG_F("object", "%s", patch->id),
                  LOG_F("problem", "%s", error_text(result)));
    if (patch->done)
        patch->done(push, patch->id, patch->attributes, result);
    json_decref(patch->attributes);
    free(patch);
    return next;
}

static void patch_run(struct patch *patch)
{
    int r = patch ? patch_submit(patch) : 0;

    while (r < 0) {
        patch = patch_end(patch, r);
        r = patch ? patch_submit(patch) : 0;
    }
}

/* Another change of the object came first: this one is good for what it has become as well. */
static void patched(void *context, int result, size_t failed_op, uint64_t revision)
{
    struct patch *patch = context;

    if (result == -ESTALE && ++patch->tries < PUSH_TRIES_MAX)
        patch_run(patch);
    else
        patch_run(patch_end(patch, result));
}

void push_patch(struct push *push, const struct object *object, json_t *attributes,
                push_patched_fn *done)
{
    struct patch *patch = attributes ? calloc(1, sizeof(*patch)) : NULL, *last = NULL;

    if (!patch) {
        if (done)
            done(push, object->id, attributes, -ENOMEM);
        json_decref(attributes);
        return;
    }
    patch->push = push;
    memcpy(patch->id, object->id, sizeof(patch->id));
    patch->attributes = attributes;
    patch->done = done;
    HASH_FIND_STR(push->patches, patch->id, last);
    if (!last) {
        HASH_ADD_STR(push->patches, id, patch);
        patch_run(patch);
        return;
    }
    while (last->next)
        last = last->next;
    last->next = patch;
}
