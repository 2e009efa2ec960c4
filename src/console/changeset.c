/* SPDX-License-Identifier: Apache-2.0 */
#include "console/changeset.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"
#include "console/console.h"
#include "console/tagtable.h"

#define SIZE_FIRST 4

int change_set_new(struct change_set **ret)
{
    *ret = calloc(1, sizeof(**ret));
    return *ret ? 0 : -ENOMEM;
}

static void op_clear(struct store_op *op)
{
    free((char *)op->object.id);
    free((char *)op->object.kind);
    free((char *)op->object.namespace);
    free((char *)op->object.unique_key);
    free((char *)op->object.body);
}

void change_set_free(struct change_set **set)
{
    struct change_set *old = *set;

    if (!old)
        return;
    *set = NULL;
    for (size_t i = 0; i < old->n; i++)
        op_clear(&old->ops[i]);
    free(old->ops);
    free(old->next_id);
    free(old->next_unique);
    free(old->heads);
    free(old->idempotency_key);
    free(old->idempotency_answer);
    free(old);
}

/*
 * 24 digits: seconds (4 bytes), chance of this process (5 bytes), a counter (3 bytes). Later ones
 * are greater, so that lists by ID are lists by age, and no two Consoles make the same.
 */
int change_set_make_id(char ret_id[SCHEMA_ID_LEN + 1])
{
    static uint8_t chance[5];
    static uint32_t counter;
    static bool ready;
    static uint32_t last_seconds;
    uint32_t seconds = (uint32_t)(console_now_ms() / 1000);

    if (!ready && getrandom(chance, sizeof(chance), 0) != sizeof(chance))
        return -EIO;
    ready = true;
    if (seconds > last_seconds) {
        last_seconds = seconds;
        counter = 0;
    }
    snprintf(ret_id, SCHEMA_ID_LEN + 1, "%08x%02x%02x%02x%02x%02x%06x", last_seconds, chance[0],
             chance[1], chance[2], chance[3], chance[4], counter & 0xffffffu);
    if (++counter == 1u << 24) {
        counter = 0;
        last_seconds++; /* more than 16 million in a second: borrow of the next */
    }
    return 0;
}

/* ---- Chains ------------------------------------------------------------------------------- */

static uint32_t unique_hash(const char *kind, const char *key)
{
    return tag_table_hash(kind) * 31u + tag_table_hash(key);
}

static void chain(struct change_set *set, size_t i)
{
    const struct store_object *object = &set->ops[i].object;
    uint32_t *head = &set->heads[tag_table_hash(object->id) & (set->n_heads - 1)];

    set->next_id[i] = *head;
    *head = (uint32_t)i + 1;
    set->next_unique[i] = 0;
    if (!object->unique_key)
        return;
    head = &set->heads[set->n_heads +
                       (unique_hash(object->kind, object->unique_key) & (set->n_heads - 1))];
    set->next_unique[i] = *head;
    *head = (uint32_t)i + 1;
}

static int grow(struct change_set *set)
{
    size_t size = set->size ? set->size * 2 : SIZE_FIRST;
    uint32_t *more;
    struct store_op *ops;

    if (set->n >= STORE_OPS_MAX)
        return -BULKHEAD_ETOOMANY;
    if (set->n < set->size)
        return 0;
    ops = reallocarray(set->ops, size, sizeof(*ops));
    if (!ops)
        return -ENOMEM;
    set->ops = ops;
    more = reallocarray(set->next_id, size, sizeof(*more));
    if (!more)
        return -ENOMEM;
    set->next_id = more;
    more = reallocarray(set->next_unique, size, sizeof(*more));
    if (!more)
        return -ENOMEM;
    set->next_unique = more;
    more = calloc(size * 2, sizeof(*more));
    if (!more)
        return -ENOMEM;
    free(set->heads);
    set->heads = more;
    set->n_heads = size;
    set->size = size;
    for (size_t i = 0; i < set->n; i++)
        chain(set, i);
    return 0;
}

const struct store_op *change_set_find(const struct change_set *set, const char *id)
{
    if (!set->n_heads)
        return NULL;
    for (uint32_t at = set->heads[tag_table_hash(id) & (set->n_heads - 1)]; at;
         at = set->next_id[at - 1])
        if (strcmp(set->ops[at - 1].object.id, id) == 0)
            return &set->ops[at - 1];
    return NULL;
}

const struct store_op *change_set_find_unique(const struct change_set *set,
                                              const struct schema_kind *kind,
                                              const char *unique_key)
{
    if (!set->n_heads)
        return NULL;
    for (uint32_t at =
             set->heads[set->n_heads + (unique_hash(kind->name, unique_key) & (set->n_heads - 1))];
         at; at = set->next_unique[at - 1]) {
        const struct store_object *object = &set->ops[at - 1].object;

        if (strcmp(object->kind, kind->name) == 0 && strcmp(object->unique_key, unique_key) == 0)
            return &set->ops[at - 1];
    }
    return NULL;
}

const struct store_op *change_set_at(const struct change_set *set, size_t i)
{
    return i < set->n ? &set->ops[i] : NULL;
}

void change_set_lockable(struct change_set *set)
{
    set->lockable = true;
}

size_t change_set_count(const struct change_set *set)
{
    return set->n;
}

/* ---- Ops ---------------------------------------------------------------------------------- */

/* Copies what `op` points to; its body is taken over, also on failure. */
static int add(struct change_set *set, const struct store_op *op, const char *name,
               const struct schema_kind *kind)
{
    struct store_op copy = *op;
    int r = grow(set);

    copy.object.id = strdup(op->object.id);
    copy.object.kind = strdup(op->object.kind);
    copy.object.namespace = strdup(op->object.namespace);
    copy.object.unique_key =
        kind && name ? objects_unique_key(kind, op->object.namespace, name) : NULL;
    if (r == 0 && (!copy.object.id || !copy.object.kind || !copy.object.namespace ||
                   (!copy.object.body && op->type != STORE_DELETE)))
        r = -ENOMEM;
    if (r < 0) {
        op_clear(&copy);
        return r;
    }
    set->ops[set->n] = copy;
    chain(set, set->n++);
    return 0;
}

int change_set_create_as(struct change_set *set, const struct schema_kind *kind,
                         const char *namespace, const json_t *sparse, const char *id)
{
    int64_t now_ms = console_now_ms();
    struct store_op op = {
        .type = STORE_CREATE,
        .object = {.id = id,
                   .kind = kind->name,
                   .namespace = namespace,
                   .created_ms = now_ms,
                   .updated_ms = now_ms},
    };

    op.object.body = json_dumps(sparse, JSON_COMPACT);
    op.object.body_len = op.object.body ? strlen(op.object.body) : 0;
    return add(set, &op, json_string_value(json_object_get(sparse, "name")), kind);
}

int change_set_create(struct change_set *set, const struct schema_kind *kind, const char *namespace,
                      const json_t *sparse, char ret_id[SCHEMA_ID_LEN + 1])
{
    char id[SCHEMA_ID_LEN + 1];
    int r;

    r = change_set_make_id(id);
    if (r == 0)
        r = change_set_create_as(set, kind, namespace, sparse, id);
    if (r == 0 && ret_id)
        memcpy(ret_id, id, sizeof(id));
    return r;
}

int change_set_update(struct change_set *set, const struct object *object, const json_t *sparse)
{
    struct store_op op = {
        .type = STORE_UPDATE,
        .object = {.id = object->id,
                   .kind = object->kind->name,
                   .namespace = object->space->name,
                   .created_ms = object->created_ms,
                   /* strictly more, because clients lock by it */
                   .updated_ms = MAX(console_now_ms(), object->updated_ms + 1)},
        .expected_revision = object->revision,
    };

    op.object.body = json_dumps(sparse, JSON_COMPACT);
    op.object.body_len = op.object.body ? strlen(op.object.body) : 0;
    return add(set, &op, json_string_value(json_object_get(sparse, "name")), object->kind);
}

int change_set_delete(struct change_set *set, const struct object *object)
{
    const struct store_op op = {
        .type = STORE_DELETE,
        .object = {.id = object->id, .kind = object->kind->name, .namespace = object->space->name},
        .expected_revision = object->revision,
    };
    const struct store_op *before = change_set_find(set, object->id);

    /* With its namespace, and with what it belongs to: once is enough. */
    if (before && before->type == STORE_DELETE)
        return 0;
    return add(set, &op, NULL, NULL);
}

int change_set_replace(struct change_set *set, const char *id, const json_t *sparse)
{
    struct store_op *op = (struct store_op *)change_set_find(set, id);
    char *body;

    if (!op || op->type != STORE_CREATE)
        return -ENOENT;
    body = json_dumps(sparse, JSON_COMPACT);
    if (!body)
        return -ENOMEM;
    free((char *)op->object.body);
    op->object.body = body;
    op->object.body_len = strlen(body);
    return 0;
}

int change_set_log(struct change_set *set, const char *namespace, const json_t *activity)
{
    char id[SCHEMA_ID_LEN + 1];
    struct store_op op = {
        .type = STORE_LOG,
        .object = {.id = id,
                   .kind = "activity",
                   .namespace = namespace,
                   .created_ms = console_now_ms()},
    };
    int r;

    r = change_set_make_id(id);
    if (r < 0)
        return r;
    op.object.updated_ms = op.object.created_ms;
    op.object.body = json_dumps(activity, JSON_COMPACT);
    op.object.body_len = op.object.body ? strlen(op.object.body) : 0;
    return add(set, &op, NULL, NULL);
}

int change_set_idempotency(struct change_set *set, const char *key, const char *answer)
{
    _cleanup_free_
    char *key_copy = strdup(key), *answer_copy = strdup(answer);

    if (!key_copy || !answer_copy)
        return -ENOMEM;
    free(set->idempotency_key);
    free(set->idempotency_answer);
    set->idempotency_key = TAKE_PTR(key_copy);
    set->idempotency_answer = TAKE_PTR(answer_copy);
    return 0;
}
