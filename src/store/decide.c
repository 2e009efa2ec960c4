/* SPDX-License-Identifier: Apache-2.0 */
#include "store/decide.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <uthash.h>

#include "base/error.h"

/* A unique key of a kind. Who has it changes while the batch is played through. */
struct unique {
    char *name; /* kind, newline, key */
    struct entry *owner;
    UT_hash_handle hh;
};

/* What changes about an object, so that a transaction that fails can be undone. */
struct state {
    bool alive;
    const char *kind;
    struct unique *unique;              /* NULL: has none */
    const struct store_object *content; /* NULL: as in the database */
    int64_t created_ms;
    uint64_t revision;
};

struct entry {
    char *id;
    char *stored_kind;     /* NULL: not in the database */
    struct unique *stored; /* its unique key there */
    struct state state;
    UT_hash_handle hh;
};

struct known {
    const char *key; /* of the transaction */
    bool taken;
    UT_hash_handle hh;
};

struct undo {
    struct entry *entry;
    struct state state;
};

struct decide {
    struct store_transaction *const *transactions;
    size_t n;
    size_t n_ops, ops_max;
    struct entry *entries;
    struct unique *uniques;
    struct known *known;
    const char **ids, **keys;
    struct store_pair *kind_keys;
    size_t n_ids, n_keys, n_kind_keys;
    bool locked;
    struct undo *undo; /* of the transaction that is being played */
    size_t n_undo;
    struct store_effects effects;
};

static int unique_get(struct decide *decide, const char *kind, const char *key,
                      struct unique **ret_unique)
{
    _cleanup_free_
    char *name = NULL;
    struct unique *unique = NULL;

    if (!key) {
        *ret_unique = NULL;
        return 0;
    }
    if (asprintf(&name, "%s\n%s", kind, key) < 0) {
        name = NULL;
        return -ENOMEM;
    }
    HASH_FIND_STR(decide->uniques, name, unique);
    if (!unique) {
        unique = calloc(1, sizeof(*unique));
        if (!unique)
            return -ENOMEM;
        unique->name = TAKE_PTR(name);
        HASH_ADD_KEYPTR(hh, decide->uniques, unique->name, strlen(unique->name), unique);
    }
    *ret_unique = unique;
    return 0;
}

static int entry_get(struct decide *decide, const char *id, struct entry **ret_entry)
{
    struct entry *entry = NULL;

    HASH_FIND_STR(decide->entries, id, entry);
    if (!entry) {
        entry = calloc(1, sizeof(*entry));
        if (!entry)
            return -ENOMEM;
        entry->id = strdup(id);
        if (!entry->id) {
            free(entry);
            return -ENOMEM;
        }
        HASH_ADD_KEYPTR(hh, decide->entries, entry->id, strlen(entry->id), entry);
    }
    *ret_entry = entry;
    return 0;
}

static int want_op(struct decide *decide, const struct store_op *op)
{
    struct entry *entry = NULL;
    struct unique *unique = NULL;
    unsigned int before = HASH_COUNT(decide->entries);
    int r;

    if (op->type == STORE_LOG)
        return 0;
    r = entry_get(decide, op->object.id, &entry);
    if (r < 0)
        return r;
    if (HASH_COUNT(decide->entries) > before)
        decide->ids[decide->n_ids++] = entry->id;
    if (op->type == STORE_DELETE || !op->object.unique_key)
        return 0;
    before = HASH_COUNT(decide->uniques);
    r = unique_get(decide, op->object.kind, op->object.unique_key, &unique);
    if (r < 0)
        return r;
    if (HASH_COUNT(decide->uniques) > before)
        decide->kind_keys[decide->n_kind_keys++] =
            (struct store_pair){op->object.kind, op->object.unique_key};
    return 0;
}

static int want_idempotency(struct decide *decide, const char *key)
{
    struct known *known = NULL;

    if (!key)
        return 0;
    HASH_FIND_STR(decide->known, key, known);
    if (known)
        return 0;
    known = calloc(1, sizeof(*known));
    if (!known)
        return -ENOMEM;
    known->key = key;
    HASH_ADD_KEYPTR(hh, decide->known, known->key, strlen(known->key), known);
    decide->keys[decide->n_keys++] = key;
    return 0;
}

static int want_transaction(struct decide *decide, const struct store_transaction *transaction)
{
    int r;

    if (transaction->result < 0)
        return 0;
    r = want_idempotency(decide, transaction->idempotency_key);
    for (size_t i = 0; r == 0 && i < transaction->n_ops; i++)
        r = want_op(decide, &transaction->ops[i]);
    return r;
}

static int make_room(struct decide *decide)
{
    size_t n = decide->n_ops + 1;
    struct store_effects *effects = &decide->effects;

    decide->ids = calloc(n, sizeof(*decide->ids));
    decide->kind_keys = calloc(n, sizeof(*decide->kind_keys));
    decide->keys = calloc(decide->n + 1, sizeof(*decide->keys));
    decide->undo = calloc(decide->ops_max + 1, sizeof(*decide->undo));
    effects->deletes = calloc(n, sizeof(*effects->deletes));
    effects->puts = calloc(n, sizeof(*effects->puts));
    effects->changes = calloc(n, sizeof(*effects->changes));
    effects->log = calloc(n, sizeof(*effects->log));
    effects->idempotency = calloc(decide->n + 1, sizeof(*effects->idempotency));
    if (!decide->ids || !decide->kind_keys || !decide->keys || !decide->undo || !effects->deletes ||
        !effects->puts || !effects->changes || !effects->log || !effects->idempotency)
        return -ENOMEM;
    return 0;
}

int decide_new(struct store_transaction *const *transactions, size_t n, struct decide **ret)
{
    _cleanup_decide_ struct decide *decide = NULL;
    int r;

    assert(transactions || n == 0);
    assert(ret);

    decide = calloc(1, sizeof(*decide));
    if (!decide)
        return -ENOMEM;
    decide->transactions = transactions;
    decide->n = n;
    for (size_t i = 0; i < n; i++) {
        if (transactions[i]->result < 0)
            continue;
        decide->n_ops += transactions[i]->n_ops;
        decide->ops_max = MAX(decide->ops_max, transactions[i]->n_ops);
    }
    r = make_room(decide);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = want_transaction(decide, transactions[i]);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(decide);
    return 0;
}

void decide_free(struct decide **decide)
{
    struct decide *d = decide ? *decide : NULL;
    struct entry *entry, *next_entry;
    struct unique *unique, *next_unique;
    struct known *known, *next_known;

    if (!d)
        return;
    HASH_ITER(hh, d->entries, entry, next_entry)
    {
        HASH_DEL(d->entries, entry);
        free(entry->stored_kind);
        free(entry->id);
        free(entry);
    }
    HASH_ITER(hh, d->uniques, unique, next_unique)
    {
        HASH_DEL(d->uniques, unique);
        free(unique->name);
        free(unique);
    }
    HASH_ITER(hh, d->known, known, next_known)
    {
        HASH_DEL(d->known, known);
        free(known);
    }
    free(d->ids);
    free(d->kind_keys);
    free(d->keys);
    free(d->undo);
    free(d->effects.deletes);
    free(d->effects.puts);
    free(d->effects.changes);
    free(d->effects.log);
    free(d->effects.idempotency);
    free(d);
    *decide = NULL;
}

size_t decide_wanted_ids(const struct decide *decide, const char *const **ret_ids)
{
    *ret_ids = decide->ids;
    return decide->n_ids;
}

size_t decide_wanted_keys(const struct decide *decide, const struct store_pair **ret_kind_key)
{
    *ret_kind_key = decide->kind_keys;
    return decide->n_kind_keys;
}

size_t decide_wanted_idempotency(const struct decide *decide, const char *const **ret_keys)
{
    *ret_keys = decide->keys;
    return decide->n_keys;
}

int decide_found_object(struct decide *decide, const struct store_object *row)
{
    struct entry *entry = NULL;
    struct unique *unique = NULL;
    int r;

    r = entry_get(decide, row->id, &entry);
    if (r == 0)
        r = unique_get(decide, row->kind, row->unique_key, &unique);
    if (r < 0)
        return r;
    if (entry->stored_kind)
        return 0;
    entry->stored_kind = strdup(row->kind);
    if (!entry->stored_kind)
        return -ENOMEM;
    entry->stored = unique;
    if (unique)
        unique->owner = entry;
    entry->state = (struct state){
        .alive = true,
        .kind = entry->stored_kind,
        .unique = unique,
        .created_ms = row->created_ms,
        .revision = row->revision,
    };
    return 0;
}

int decide_found_idempotency(struct decide *decide, const char *key)
{
    struct known *known = NULL;

    HASH_FIND_STR(decide->known, key, known);
    if (known)
        known->taken = true;
    return 0;
}

void decide_found_lock(struct decide *decide)
{
    decide->locked = true;
}

/* Moves the unique key with the state. Backwards it is its own inverse. */
static void set_state(struct entry *entry, const struct state *state)
{
    if (entry->state.unique)
        entry->state.unique->owner = NULL;
    entry->state = *state;
    if (entry->state.unique)
        entry->state.unique->owner = entry;
}

static int check_op(const struct entry *entry, const struct unique *unique,
                    const struct store_op *op, uint64_t revision)
{
    const struct state *state = &entry->state;

    if (op->type == STORE_CREATE && state->alive)
        return -EEXIST;
    if (op->type != STORE_CREATE) {
        if (!state->alive || strcmp(state->kind, op->object.kind) != 0)
            return -ENOENT;
        if (op->expected_revision && state->revision != op->expected_revision &&
            state->revision != revision)
            return -ESTALE;
    }
    if (unique && unique->owner && unique->owner != entry)
        return -EEXIST;
    return 0;
}

static int play_op(struct decide *decide, const struct store_op *op, size_t index,
                   uint64_t revision)
{
    struct store_effects *effects = &decide->effects;
    struct entry *entry = NULL;
    struct unique *unique = NULL;
    struct state state = {0};
    int r;

    if (op->type == STORE_LOG) {
        effects->log[effects->n_log++] = (struct store_log_entry){&op->object, revision};
        return 0;
    }
    r = entry_get(decide, op->object.id, &entry);
    if (r == 0 && op->type != STORE_DELETE)
        r = unique_get(decide, op->object.kind, op->object.unique_key, &unique);
    if (r == 0)
        r = check_op(entry, unique, op, revision);
    if (r < 0)
        return r;
    if (op->type != STORE_DELETE)
        state = (struct state){
            .alive = true,
            .kind = op->object.kind,
            .unique = unique,
            .content = &op->object,
            .created_ms =
                op->type == STORE_CREATE ? op->object.created_ms : entry->state.created_ms,
            .revision = revision,
        };
    decide->undo[decide->n_undo++] = (struct undo){entry, entry->state};
    set_state(entry, &state);
    effects->changes[effects->n_changes++] =
        (struct store_change){revision, index, op->type, entry->id, op->object.kind};
    return 0;
}

static int play_transaction(struct decide *decide, struct store_transaction *transaction,
                            uint64_t revision)
{
    size_t n_changes = decide->effects.n_changes, n_log = decide->effects.n_log;
    int r = 0;

    decide->n_undo = 0;
    for (size_t i = 0; i < transaction->n_ops; i++) {
        r = play_op(decide, &transaction->ops[i], i, revision);
        if (r < 0) {
            transaction->failed_op = i;
            break;
        }
    }
    if (r == 0)
        return 0;
    while (decide->n_undo > 0) {
        struct undo *undo = &decide->undo[--decide->n_undo];

        set_state(undo->entry, &undo->state);
    }
    decide->effects.n_changes = n_changes;
    decide->effects.n_log = n_log;
    return r;
}

static void collect_objects(struct decide *decide)
{
    struct store_effects *effects = &decide->effects;
    struct entry *entry, *next;

    HASH_ITER(hh, decide->entries, entry, next)
    {
        const struct state *state = &entry->state;

        if (state->alive && state->content)
            effects->puts[effects->n_puts++] = (struct store_put){
                .object = state->content,
                .created_ms = state->created_ms,
                .revision = state->revision,
                .rekeyed = entry->stored && entry->stored != state->unique,
            };
        else if (entry->stored_kind && !state->alive)
            effects->deletes[effects->n_deletes++] = entry->id;
    }
}

int decide_run(struct decide *decide, uint64_t revision, int64_t now_ms,
               const struct store_effects **ret_effects)
{
    struct store_effects *effects = &decide->effects;

    assert(decide);
    assert(ret_effects);

    for (size_t i = 0; i < decide->n; i++) {
        struct store_transaction *transaction = decide->transactions[i];
        struct known *known = NULL;
        int r;

        if (transaction->result < 0)
            continue;
        if (transaction->idempotency_key)
            HASH_FIND_STR(decide->known, transaction->idempotency_key, known);
        if (known && known->taken)
            r = -EALREADY;
        else if (decide->locked && transaction->lockable)
            r = -BULKHEAD_ELOCKED;
        else
            r = play_transaction(decide, transaction, revision + 1);
        if (r == -ENOMEM)
            return r;
        transaction->result = r;
        if (r < 0)
            continue;
        transaction->revision = ++revision;
        if (!known)
            continue;
        known->taken = true;
        effects->idempotency[effects->n_idempotency++] = (struct store_pair){
            transaction->idempotency_key,
            transaction->idempotency_answer ? transaction->idempotency_answer : ""};
    }
    collect_objects(decide);
    effects->revision = revision;
    effects->now_ms = now_ms;
    *ret_effects = effects;
    return 0;
}

void decide_publish(struct decide *decide)
{
    for (size_t i = 0; i < decide->n; i++) {
        struct store_transaction *transaction = decide->transactions[i];

        for (size_t j = 0; transaction->result == 0 && j < transaction->n_ops; j++)
            transaction->ops[j].object.revision = transaction->revision;
    }
}
