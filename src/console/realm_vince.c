/* SPDX-License-Identifier: Apache-2.0 */
#include "console/realm.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "console/api_internal.h"
#include "console/auth.h"
#include "console/logins.h"
#include "console/password.h"
#include "console/totp.h"
#include "console/trust.h"
#include <openssl/crypto.h>

/*
 * Realm Vince: local accounts. Passwords are checked in libuv's threads, a few at a time. An
 * account that is not there is treated as one that is, in answers, in time and in lock-outs, so
 * that nobody learns which ones there are.
 */

#define CHECKS_MAX 64 /* under way at once */

#define WRONG                                                                                      \
    "the account, the password or the one-time password (vinceOTP, where the account has one) is " \
    "wrong"

struct check {
    uv_work_t work;
    struct realm_attempt *attempt;
    char *name, *password, *otp, *encoded; /* encoded NULL: no such account */
    char *new_password, *new_encoded;      /* NULL: stays */
    int64_t step;                          /* of the one-time password; -1: none is asked for */
    bool good;
};

static unsigned n_checks;

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

static struct console *console_of(const struct check *check)
{
    return realm_call(check->attempt)->console;
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
static bool otp_good(struct check *check, const struct object *object, const json_t *body,
                     int64_t now_ms)
{
    int64_t last = logins_last_step(console_of(check), check->name);
    char *secret;
    bool good;

    check->step = -1;
    if (!json_is_true(json_object_get(body, "OTPEnabled")))
        return true;
    secret = check->otp ? otp_secret(check, object, body) : NULL;
    good = secret && totp_check(secret, check->otp, now_ms, last, &check->step) == 0;
    if (secret)
        OPENSSL_cleanse(secret, strlen(secret));
    free(secret);
    return good;
}

/* It may have been changed while the thread was at work: then what was checked is not it. */
static bool still_the_same(const struct check *check, const json_t *body)
{
    const char *hash = json_string_value(json_object_get(body, "passwordHash"));

    return hash && check->encoded && strcmp(hash, check->encoded) == 0;
}

static void accept_account(struct check *check, const struct object *object, const json_t *body)
{
    const char *email = json_string_value(json_object_get(body, "email"));
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
        accept_account(check, object, body);
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

/* ---- What came out -------------------------------------------------------------------------- */

/* All was right, and may have changed since. */
static void let_in(struct check *check)
{
    const struct object *object = account_find(check->attempt, check->name);
    json_t *body = object ? object_parse(object) : NULL;

    if (!body || !is_active(body) || !still_the_same(check, body)) {
        realm_refuse(check->attempt, 401, WRONG);
        check_free(check);
    } else if (check->new_password) {
        change_password(check, object, body);
    } else {
        accept_account(check, object, body);
        check_free(check);
    }
    json_decref(body);
}

/* A one-time password counts when it is stored that it was used, not before. */
static void otp_recorded(void *context, int result)
{
    struct check *check = context;

    if (result == 0) {
        let_in(check);
        return;
    }
    if (result == -EACCES) /* used before, at another Console */
        realm_refuse(check->attempt, 401, WRONG);
    else
        realm_refuse(check->attempt, 503,
                     "it cannot be stored that the one-time password was used: try again later");
    check_free(check);
}

static void passed(struct check *check, int64_t now_ms)
{
    struct console *console = console_of(check);

    if (check->step >= 0) {
        logins_passed(console, check->name, check->step, now_ms, otp_recorded, check);
        return;
    }
    logins_passed(console, check->name, -1, now_ms, NULL, NULL);
    let_in(check);
}

static void checked(uv_work_t *work, int status)
{
    struct check *check = work->data;
    int64_t now_ms = console_now_ms();
    const struct object *object;
    json_t *body;

    n_checks--;
    if (!console_of(check)->api) {
        realm_drop(check->attempt);
        check_free(check);
        return;
    }
    object = account_find(check->attempt, check->name);
    body = object ? object_parse(object) : NULL;
    if (status == 0 && check->good && body && is_active(body) && still_the_same(check, body) &&
        otp_good(check, object, body, now_ms)) {
        passed(check, now_ms);
    } else {
        logins_failed(console_of(check), check->name, now_ms);
        realm_refuse(check->attempt, 401, WRONG);
        check_free(check);
    }
    json_decref(body);
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
        logins_begin(name) < 0) {
        check_free(check);
        return -ENOMEM;
    }
    if (uv_queue_work(&console_of(check)->loop, &check->work, work_on, checked) < 0) {
        logins_failed(console_of(check), name, console_now_ms());
        check_free(check);
        return -ENOMEM;
    }
    n_checks++;
    return 0;
}

static void identify(struct realm_attempt *attempt)
{
    const char *name = realm_metadata(attempt, "vinceAccount");
    const char *password = realm_metadata(attempt, "vincePassword");
    const char *wanted = realm_metadata(attempt, "vinceNewPassword");
    const char *problem = wanted ? password_problem(wanted, name ? name : "") : NULL;
    struct console *console = realm_call(attempt)->console;
    int64_t locked_ms;
    char address[LIMITS_ADDRESS_MAX];
    struct api_error error = {0};
    uint32_t wait_s;

    if (!name || !*name || !password || strlen(name) >= LOGINS_NAME_MAX) {
        realm_refuse(attempt, 422, "metadata: expected vinceAccount and vincePassword");
        return;
    }
    if (!problem && wanted && strcmp(wanted, password) == 0)
        problem = "expected another one than before";
    if (problem) {
        realm_refuse(attempt, 422, "vinceNewPassword: %s", problem);
        return;
    }
    locked_ms = logins_locked_ms(console, name, console_now_ms());
    if (locked_ms) {
        realm_refuse(attempt, 401, "too many wrong passwords: try again in %lld seconds",
                     (long long)((locked_ms + 999) / 1000));
        return;
    }
    limits_address(realm_call(attempt)->request->client, address);
    wait_s = limits_take(console->limits, LIMIT_PASSWORDS, address, 1, uv_hrtime());
    if (wait_s) {
        api_error_limit(&error, LIMIT_PASSWORDS, address, wait_s);
        realm_fail(attempt, &error);
    } else if (n_checks >= CHECKS_MAX) {
        realm_refuse(attempt, 503, "too many passwords are being checked: try again");
    } else if (check_start(attempt, name, password) < 0) {
        realm_refuse(attempt, 503, "out of memory");
    }
}

const struct realm realm_vince = {.name = "Vince", .identify = identify};
