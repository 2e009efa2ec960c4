/* SPDX-License-Identifier: Apache-2.0 */
#include "console/realm.h"

#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>
#include <uthash.h>

#include "base/log.h"
#include "console/api_internal.h"
#include "console/auth.h"
#include "console/password.h"
#include "console/totp.h"
#include "console/trust.h"

/*
 * Realm Vince: local accounts. Passwords are checked in libuv's threads, a few at a time. An
 * account that is not there is treated as one that is, in answers, in time and in lock-outs, so
 * that nobody learns which ones there are.
 */

#define FAILURES_MAX 5
#define LOCK_MS (5 * 60 * 1000)
#define CHECKS_MAX 64 /* under way at once */
#define STATES_MAX 65536
#define NAME_BYTES_MAX 256

#define WRONG                                                                                      \
    "the account, the password or the one-time password (vinceOTP, where the account has one) is " \
    "wrong"

/* What is remembered of a name, whether there is such an account or not. */
struct state {
    UT_hash_handle hh; /* by name; the one that was asked for longest ago first */
    char name[NAME_BYTES_MAX];
    unsigned failures;
    int64_t first_failure_ms, locked_until_ms, last_login_ms;
    int64_t last_step; /* of the one-time password that was accepted last */
};

struct check {
    uv_work_t work;
    struct realm_attempt *attempt;
    char *name, *password, *otp, *encoded; /* encoded NULL: no such account */
    char *new_password, *new_encoded;      /* NULL: stays */
    bool good;
};

static struct state *states;
static unsigned n_checks;

/* ---- What is remembered --------------------------------------------------------------------- */

static struct state *state_find(const char *name)
{
    struct state *state;

    HASH_FIND_STR(states, name, state);
    return state;
}

static struct state *state_make(const char *name)
{
    struct state *state = state_find(name);

    if (state) {
        HASH_DEL(states, state);
    } else {
        if (HASH_COUNT(states) >= STATES_MAX) {
            struct state *oldest = states;

            HASH_DEL(states, oldest);
            free(oldest);
        }
        state = calloc(1, sizeof(*state));
        if (!state)
            return NULL;
        snprintf(state->name, sizeof(state->name), "%s", name);
        state->last_step = -1;
    }
    HASH_ADD_STR(states, name, state);
    return state;
}

/* Counted when it begins, taken back when it was right: otherwise as many as can be under way at
 * once would be tried before the first one counts. */
static void count_attempt(const char *name, int64_t now_ms)
{
    struct state *state = state_make(name);

    if (!state)
        return;
    if (now_ms - state->first_failure_ms >= LOCK_MS) {
        state->failures = 0;
        state->first_failure_ms = now_ms;
    }
    if (++state->failures >= FAILURES_MAX)
        state->locked_until_ms = now_ms + LOCK_MS;
}

void realm_vince_state(const char *account, int64_t now_ms, unsigned *ret_failures,
                       int64_t *ret_locked_until_ms, int64_t *ret_last_login_ms)
{
    const struct state *state = state_find(account);
    bool locked = state && state->locked_until_ms > now_ms;

    *ret_failures = state ? state->failures : 0;
    *ret_locked_until_ms = locked ? state->locked_until_ms : 0;
    *ret_last_login_ms = state ? state->last_login_ms : 0;
}

void realm_vince_forgive(const char *account)
{
    struct state *state = state_find(account);

    if (state) {
        state->failures = 0;
        state->locked_until_ms = 0;
    }
}

/* ---- After the password --------------------------------------------------------------------- */

static void check_free(struct check *check)
{
    char **secrets[] = {&check->password, &check->otp, &check->encoded, &check->new_password,
                        &check->new_encoded};

    for (size_t i = 0; i < ARRAY_SIZE(secrets); i++) {
        if (*secrets[i])
            OPENSSL_cleanse(*secrets[i], strlen(*secrets[i]));
        free(*secrets[i]);
    }
    free(check->name);
    free(check);
}

static const struct object *account_find(const struct realm_attempt *attempt, const char *name)
{
    const struct schema_kind *kind = schema_kind_find("account");
    _cleanup_free_
    char *key = objects_unique_key(kind, "/", name);

    return key ? objects_find_unique(realm_call(attempt)->console->objects, kind, key) : NULL;
}

static bool is_active(const json_t *body)
{
    const char *status = json_string_value(json_object_get(body, "status"));

    return !status || strcmp(status, "Active") == 0;
}

/* Owned by the caller; NULL: none that can be used. */
static char *otp_secret(const struct check *check, const struct object *object, const json_t *body)
{
    const char *stored = json_string_value(json_object_get(body, "OTPSecret"));
    char *secret = NULL;

    if (!stored)
        return NULL;
    if (!trust_is_sealed(stored)) /* of a Console before this one; soon sealed */
        return strdup(stored);
    if (trust_unseal(realm_call(check->attempt)->console->trust, object->id, stored, &secret) < 0)
        log_event(LOG_LEVEL_ERROR, "account.otp_unreadable", LOG_F("account", "%s", object->id),
                  LOG_F("problem", "sealed with another CA: switch one-time passwords off and on"));
    return secret;
}

/* Right, or not asked for? A right one counts only once. */
static bool otp_good(const struct check *check, const struct object *object, const json_t *body,
                     int64_t now_ms)
{
    char *secret;
    struct state *state;
    int64_t step;
    bool good;

    if (!json_is_true(json_object_get(body, "OTPEnabled")))
        return true;
    state = state_make(check->name);
    secret = check->otp ? otp_secret(check, object, body) : NULL;
    good = state && secret && totp_check(secret, check->otp, now_ms, state->last_step, &step) == 0;
    if (secret)
        OPENSSL_cleanse(secret, strlen(secret));
    free(secret);
    if (good)
        state->last_step = step;
    return good;
}

/* It may have been changed while the thread was at work: then what was checked is not it. */
static bool still_the_same(const struct check *check, const json_t *body)
{
    const char *hash = json_string_value(json_object_get(body, "passwordHash"));

    return hash && check->encoded && strcmp(hash, check->encoded) == 0;
}

static void accept_account(struct check *check, const struct object *object, const json_t *body,
                           int64_t now_ms)
{
    const char *email = json_string_value(json_object_get(body, "email"));
    struct state *state = state_make(check->name);
    char mark[AUTH_MARK_LEN + 1];
    struct realm_identity identity = {
        .realm = "vince",
        .subject = strdup(object->name),
        .data =
            json_pack("{s:s, s:s, s:s, s:s}", "account", object->name, "email", email ? email : "",
                      "id", object->id, "organization", object->space->name),
    };

    if (auth_mark(check->encoded, mark) == 0)
        identity.origin =
            json_pack("{s:s, s:s, s:s}", "kind", "account", "id", object->id, "mark", mark);
    if (state) {
        state->failures = 0;
        state->locked_until_ms = 0;
        state->last_login_ms = now_ms;
    }
    if (!identity.origin) { /* would outlive the password */
        realm_identity_clear(&identity);
        realm_refuse(check->attempt, 500, "out of memory");
        return;
    }
    realm_accept(check->attempt, &identity);
}

/* ---- One's own new password ----------------------------------------------------------------- */

static void changed(void *context, int result, size_t failed_op, uint64_t revision)
{
    struct check *check = context;
    const struct object *object = account_find(check->attempt, check->name);
    json_t *body = result == 0 && object ? object_parse(object) : NULL;
    struct api_error error = {0};

    if (body) {
        free(check->encoded);
        check->encoded = TAKE_PTR(check->new_encoded);
        accept_account(check, object, body, console_now_ms());
    } else {
        api_error_result(&error, result < 0 ? result : -ENOENT, "the account");
        realm_refuse(check->attempt, error.status, "the password was not changed: %s",
                     error.description);
    }
    json_decref(body);
    check_free(check);
}

/* Whoever knows the password may give it up for another; no policy has to allow that. */
static void change_password(struct check *check, const struct object *object, const json_t *body)
{
    struct api_call *call = realm_call(check->attempt);
    _cleanup_change_set_ struct change_set *set = NULL;
    json_t *after = json_deep_copy(body);
    int r = check->new_encoded && after ? change_set_new(&set) : -ENOMEM;

    if (r == 0)
        r = json_object_set_new(after, "passwordHash", json_string(check->new_encoded));
    if (r == 0)
        r = change_set_update(set, object, after);
    if (r == 0)
        r = api_log_changes(call, set);
    json_decref(after);
    if (r < 0) {
        realm_refuse(check->attempt, 503, "the password was not changed: try again");
        check_free(check);
        return;
    }
    change_set_lockable(set);
    commit_submit(call->console->commit, &set, changed, check);
}

static void checked(uv_work_t *work, int status)
{
    struct check *check = work->data;
    int64_t now_ms = console_now_ms();
    const struct object *object;
    json_t *body;

    n_checks--;
    if (!realm_call(check->attempt)->console->api) {
        realm_drop(check->attempt);
        check_free(check);
        return;
    }
    object = account_find(check->attempt, check->name);
    body = object ? object_parse(object) : NULL;
    if (status == 0 && check->good && body && is_active(body) && still_the_same(check, body) &&
        otp_good(check, object, body, now_ms)) {
        if (check->new_password)
            change_password(TAKE_PTR(check), object, body);
        else
            accept_account(check, object, body, now_ms);
    } else {
        realm_refuse(check->attempt, 401, WRONG);
    }
    json_decref(body);
    if (check)
        check_free(check);
}

/* In a thread: nothing but its own copies. */
static void work_on(uv_work_t *work)
{
    struct check *check = work->data;

    check->good = password_verify(check->encoded, check->password);
    if (check->good && check->new_password &&
        password_hash(check->new_password, &check->new_encoded) < 0)
        check->new_encoded = NULL;
}

/* ---- Before it ------------------------------------------------------------------------------ */

static bool copy(const char *text, char **ret)
{
    *ret = text ? strdup(text) : NULL;
    return !text || *ret;
}

static int check_start(struct realm_attempt *attempt, const char *name, const char *password)
{
    const struct object *object = account_find(attempt, name);
    struct check *check = calloc(1, sizeof(*check));

    if (!check)
        return -ENOMEM;
    check->attempt = attempt;
    check->work.data = check;
    if (object)
        check->encoded = object_text(object, "passwordHash");
    if (!copy(name, &check->name) || !copy(password, &check->password) ||
        !copy(realm_metadata(attempt, "vinceOTP"), &check->otp) ||
        !copy(realm_metadata(attempt, "vinceNewPassword"), &check->new_password) ||
        uv_queue_work(&realm_call(attempt)->console->loop, &check->work, work_on, checked) < 0) {
        check_free(check);
        return -ENOMEM;
    }
    n_checks++;
    count_attempt(name, console_now_ms());
    return 0;
}

static void identify(struct realm_attempt *attempt)
{
    const char *name = realm_metadata(attempt, "vinceAccount");
    const char *password = realm_metadata(attempt, "vincePassword");
    const char *wanted = realm_metadata(attempt, "vinceNewPassword");
    const char *problem = wanted ? password_problem(wanted, name ? name : "") : NULL;
    const struct state *state;
    int64_t now_ms = console_now_ms();
    char address[LIMITS_ADDRESS_MAX];
    uint32_t wait_s;

    if (!name || !*name || !password || strlen(name) >= NAME_BYTES_MAX) {
        realm_refuse(attempt, 422, "metadata: expected vinceAccount and vincePassword");
        return;
    }
    if (!problem && wanted && strcmp(wanted, password) == 0)
        problem = "expected another one than before";
    if (problem) {
        realm_refuse(attempt, 422, "vinceNewPassword: %s", problem);
        return;
    }
    state = state_find(name);
    if (state && state->locked_until_ms > now_ms) {
        realm_refuse(attempt, 401, "too many wrong passwords: try again in %lld seconds",
                     (long long)((state->locked_until_ms - now_ms + 999) / 1000));
        return;
    }
    limits_address(realm_call(attempt)->request->client, address);
    wait_s =
        limits_take(realm_call(attempt)->console->limits, LIMIT_PASSWORDS, address, 1, uv_hrtime());
    if (wait_s)
        realm_limit(attempt, address, wait_s);
    else if (n_checks >= CHECKS_MAX)
        realm_refuse(attempt, 503, "too many passwords are being checked: try again");
    else if (check_start(attempt, name, password) < 0)
        realm_refuse(attempt, 503, "out of memory");
}

const struct realm realm_vince = {.name = "Vince", .identify = identify};
