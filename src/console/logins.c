/* SPDX-License-Identifier: Apache-2.0 */
#include "console/logins.h"

#include <errno.h>
#include <string.h>

#include <uthash.h>

#include "base/error.h"
#include "base/log.h"
#include "console/auth.h"
#include "console/objects.h"

#define KIND LOGINS_KIND
#define TRIES_MAX 20

/* ---- What is stored ------------------------------------------------------------------------- */

struct stored {
    const struct object *object; /* NULL: none yet */
    char name[AUTH_MARK_LEN + 1];
    int64_t failures, first_ms, locked_ms, last_step;
};

static int64_t member(const json_t *body, const char *name, int64_t otherwise)
{
    const json_t *value = json_object_get(body, name);

    return json_is_integer(value) ? (int64_t)json_integer_value(value) : otherwise;
}

/* A digest of the name: what people type into the wrong field may be a password. */
static int stored_read(struct console *console, const char *name, struct stored *ret)
{
    json_t *body;
    int r;

    *ret = (struct stored){.last_step = -1};
    r = auth_mark(name, ret->name);
    if (r < 0)
        return r;
    ret->object = objects_find_unique(console->objects, schema_kind_find(KIND), ret->name);
    if (!ret->object)
        return 0;
    body = object_parse(ret->object);
    ret->failures = member(body, "failures", 0);
    ret->first_ms = member(body, "firstFailure", 0);
    ret->locked_ms = member(body, "lockedUntil", 0);
    ret->last_step = member(body, "lastStep", -1);
    json_decref(body);
    return body ? 0 : -ENOMEM;
}

static int stored_put(struct change_set *set, const struct stored *stored)
{
    json_t *body = json_pack(
        "{s:s, s:I, s:I, s:I, s:I}", "name", stored->name, "failures", (json_int_t)stored->failures,
        "firstFailure", (json_int_t)stored->first_ms, "lockedUntil", (json_int_t)stored->locked_ms,
        "lastStep", (json_int_t)stored->last_step);
    int r;

    if (!body)
        return -ENOMEM;
    r = stored->object ? change_set_update(set, stored->object, body)
                       : change_set_create(set, schema_kind_find(KIND), "/", body, NULL);
    json_decref(body);
    return r;
}

/* ---- What is only here ---------------------------------------------------------------------- */

struct login {
    UT_hash_handle hh; /* by name; the one that was asked for longest ago first */
    char name[LOGINS_NAME_MAX];
    unsigned under_way;  /* not known yet, or not stored yet */
    unsigned unrecorded; /* failures that could not be stored, since first_ms */
    int64_t first_ms, last_login_ms, last_step;
};

static struct login *logins;

static struct login *login_find(const char *name)
{
    struct login *login;

    HASH_FIND_STR(logins, name, login);
    return login;
}

static void drop_oldest(void)
{
    struct login *login = logins, *next;

    while (login && login->under_way > 0)
        login = login->hh.next;
    next = login;
    if (next) {
        HASH_DEL(logins, next);
        free(next);
    }
}

static struct login *login_make(const char *name)
{
    struct login *login = login_find(name);

    if (login) {
        HASH_DEL(logins, login);
    } else {
        if (HASH_COUNT(logins) >= LOGINS_MEMORY_MAX)
            drop_oldest();
        login = calloc(1, sizeof(*login));
        if (!login)
            return NULL;
        snprintf(login->name, sizeof(login->name), "%s", name);
        login->last_step = -1;
    }
    HASH_ADD_STR(logins, name, login);
    return login;
}

static void settle(const char *name)
{
    struct login *login = login_find(name);

    if (login && login->under_way > 0)
        login->under_way--;
}

static void count_unrecorded(const char *name, int64_t now_ms)
{
    struct login *login = login_make(name);

    if (!login)
        return;
    if (now_ms - login->first_ms >= LOGINS_LOCK_MS) {
        login->unrecorded = 0;
        login->first_ms = now_ms;
    }
    login->unrecorded++;
}

/* ---- Both together -------------------------------------------------------------------------- */

static unsigned failures_now(const struct stored *stored, const struct login *login, int64_t now_ms)
{
    unsigned n = 0;

    if (now_ms - stored->first_ms < LOGINS_LOCK_MS)
        n += (unsigned)MIN(stored->failures, (int64_t)LOGINS_FAILURES_MAX);
    if (login && now_ms - login->first_ms < LOGINS_LOCK_MS)
        n += login->unrecorded;
    return n;
}

int64_t logins_locked_ms(struct console *console, const char *name, int64_t now_ms)
{
    const struct login *login = login_find(name);
    struct stored stored;
    unsigned n;

    if (stored_read(console, name, &stored) < 0)
        return 1000; /* not known: not now */
    if (stored.locked_ms > now_ms)
        return stored.locked_ms - now_ms;
    if (stored.locked_ms) /* it is over, and what led to it */
        stored.failures = 0;
    n = failures_now(&stored, login, now_ms);
    if (login && login->unrecorded >= LOGINS_FAILURES_MAX && n >= LOGINS_FAILURES_MAX)
        return MAX(login->first_ms + LOGINS_LOCK_MS - now_ms, (int64_t)1000);
    return n + (login ? login->under_way : 0) >= LOGINS_FAILURES_MAX ? 1000 : 0;
}

int logins_begin(const char *name)
{
    struct login *login = login_make(name);

    if (!login)
        return -ENOMEM;
    login->under_way++;
    return 0;
}

int64_t logins_last_step(struct console *console, const char *name)
{
    const struct login *login = login_find(name);
    struct stored stored;

    if (stored_read(console, name, &stored) < 0)
        return INT64_MAX;
    return MAX(stored.last_step, login ? login->last_step : -1);
}

void logins_show(struct console *console, const char *name, int64_t now_ms, unsigned *ret_failures,
                 int64_t *ret_locked_until_ms, int64_t *ret_last_login_ms)
{
    const struct login *login = login_find(name);
    struct stored stored;

    if (stored_read(console, name, &stored) < 0)
        stored = (struct stored){0};
    *ret_failures = failures_now(&stored, login, now_ms);
    *ret_locked_until_ms = stored.locked_ms > now_ms ? stored.locked_ms : 0;
    *ret_last_login_ms = login ? login->last_login_ms : 0;
}

/* ---- Recording ------------------------------------------------------------------------------ */

struct record {
    struct console *console;
    char name[LOGINS_NAME_MAX];
    bool passed;
    int64_t step, at_ms;
    unsigned tries;
    void (*done)(void *context, int result);
    void *context;
};

static void record_end(struct record *record, int result)
{
    if (!record->passed && result < 0)
        count_unrecorded(record->name, record->at_ms);
    settle(record->name);
    if (result < 0 && result != -EACCES && result != -EDQUOT)
        log_event(LOG_LEVEL_WARN, "logins.not_recorded",
                  LOG_F("problem", "%s", error_text(result)));
    if (record->done)
        record->done(record->context, result);
    free(record);
}

static void add_failure(struct stored *stored, int64_t now_ms)
{
    bool over = stored->locked_ms && stored->locked_ms <= now_ms;

    if (over || now_ms - stored->first_ms >= LOGINS_LOCK_MS) {
        stored->failures = stored->locked_ms = 0;
        stored->first_ms = now_ms;
    }
    if (++stored->failures >= LOGINS_FAILURES_MAX)
        stored->locked_ms = now_ms + LOGINS_LOCK_MS;
}

/* 1: it is as it should be already. */
static int record_change(const struct record *record, struct stored *stored)
{
    if (!record->passed) {
        add_failure(stored, record->at_ms);
        return 0;
    }
    if (record->step >= 0 && record->step <= stored->last_step)
        return -EACCES;
    if (record->step < 0 && stored->failures == 0)
        return 1;
    stored->failures = stored->first_ms = stored->locked_ms = 0;
    stored->last_step = MAX(stored->last_step, record->step);
    return 0;
}

/* Names of nobody must not fill the database; those of accounts are bounded by these. */
static bool has_room(const struct record *record, const struct stored *stored)
{
    const struct schema_kind *account = schema_kind_find("account");

    return stored->object ||
           objects_count(record->console->objects, schema_kind_find(KIND)) < LOGINS_RECORDED_MAX ||
           objects_find_unique(record->console->objects, account, record->name);
}

static void record_try(struct record *record);

/* Somebody else changed it meanwhile: then it is about what it has become. */
static void recorded(void *context, int result, size_t failed_op, uint64_t revision)
{
    struct record *record = context;
    bool again = result == -ESTALE || result == -EEXIST || result == -ENOENT;

    if (again && ++record->tries < TRIES_MAX && !record->console->stopping)
        record_try(record);
    else
        record_end(record, result);
}

static void record_try(struct record *record)
{
    _cleanup_change_set_ struct change_set *set = NULL;
    struct stored stored;
    int r = stored_read(record->console, record->name, &stored);

    if (r == 0)
        r = record_change(record, &stored);
    if (r == 0 && !has_room(record, &stored))
        r = -EDQUOT;
    if (r == 0)
        r = change_set_new(&set);
    if (r == 0)
        r = stored_put(set, &stored);
    if (r == 0)
        commit_submit(record->console->commit, &set, recorded, record);
    else
        record_end(record, MIN(r, 0));
}

static void record_start(struct console *console, const char *name, const struct record *what)
{
    struct record *record = calloc(1, sizeof(*record));

    if (!record) {
        if (!what->passed)
            count_unrecorded(name, what->at_ms);
        settle(name);
        if (what->done)
            what->done(what->context, -ENOMEM);
        return;
    }
    *record = *what;
    record->console = console;
    snprintf(record->name, sizeof(record->name), "%s", name);
    record_try(record);
}

void logins_failed(struct console *console, const char *name, int64_t now_ms)
{
    const struct record record = {.at_ms = now_ms, .step = -1};

    record_start(console, name, &record);
}

void logins_passed(struct console *console, const char *name, int64_t step, int64_t now_ms,
                   void (*done)(void *context, int result), void *context)
{
    const struct record record = {
        .passed = true, .step = step, .at_ms = now_ms, .done = done, .context = context};
    struct login *login = login_make(name);

    if (login) {
        login->unrecorded = 0;
        login->last_login_ms = now_ms;
        login->last_step = MAX(login->last_step, step);
    }
    record_start(console, name, &record);
}

int logins_forgive(struct console *console, const char *name, struct change_set *set)
{
    struct login *login = login_find(name);
    struct stored stored;
    int r = stored_read(console, name, &stored);

    if (login)
        login->unrecorded = 0;
    if (r < 0 || !stored.object || stored.failures == 0)
        return r;
    stored.failures = stored.first_ms = stored.locked_ms = 0;
    return stored_put(set, &stored);
}
