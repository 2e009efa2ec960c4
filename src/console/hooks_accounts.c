/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "console/api_internal.h"
#include "console/hooks_auth.h"
#include "console/logins.h"

#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>

#include "console/password.h"
#include "console/totp.h"
#include "console/trust.h"

/*
 * Local accounts. Their names are unique in the whole installation and policies trust them, so they
 * live in the root namespace only: otherwise whoever may make accounts somewhere could take a name
 * that means something elsewhere.
 */

#define ISSUER "Bulkhead"

static int refuse(struct api_error *error, int status, const char *title, const char *attribute,
                  const char *text)
{
    api_error_set(error, status, title, "%s", text);
    snprintf(error->attribute, sizeof(error->attribute), "%s", attribute);
    return -EINVAL;
}

/* Whoever sets a password could log in with it; whoever takes it away locks somebody out. */
static int check_owner(struct api_call *call, const char *id, const char *name, const char *email,
                       struct api_error *error)
{
    _cleanup_tag_set_ struct tag_set claims = {0};

    if (!call->caller)
        return 0;
    if (tag_set_addf(&claims, "@auth:realm=vince") < 0 ||
        tag_set_addf(&claims, "@auth:account=%s", name ? name : "") == -ENOMEM ||
        tag_set_addf(&claims, "@auth:subject=%s", name ? name : "") == -ENOMEM ||
        tag_set_addf(&claims, "@auth:email=%s", email ? email : "") == -ENOMEM ||
        tag_set_addf(&claims, "@auth:id=%s", id) == -ENOMEM ||
        tag_set_addf(&claims, "@auth:organization=/") < 0)
        return -ENOMEM;
    if (auth_covers(call->console->auth, call->caller, &claims, NULL))
        return 0;
    return refuse(error, 403, "Forbidden", "ID",
                  "the account may do things by API authorization policies that you may not: "
                  "whoever changes it could use it, or take it away from its owner");
}

static int check_before(struct api_call *call, const struct object *before, struct api_error *error)
{
    _cleanup_free_
    char *email = object_text(before, "email");

    return check_owner(call, before->id, before->name, email, error);
}

static int check_after(struct api_call *call, const json_t *object, struct api_error *error)
{
    return check_owner(call, call->id, json_string_value(json_object_get(object, "name")),
                       json_string_value(json_object_get(object, "email")), error);
}

/* ---- Passwords: hashed in a thread, before the write -----------------------------------------
 */

#define HASHES_MAX 32 /* under way at once */

struct hashing {
    uv_work_t work;
    struct api_call *call;
    char *password, *encoded;
    int result;
};

static unsigned n_hashes;

static void hashing_free(struct hashing *hashing)
{
    OPENSSL_cleanse(hashing->password, strlen(hashing->password));
    free(hashing->password);
    free(hashing->encoded);
    free(hashing);
}

/* In a thread: nothing but its own copies. */
static void hash(uv_work_t *work)
{
    struct hashing *hashing = work->data;

    hashing->result = password_hash(hashing->password, &hashing->encoded);
}

static void busy(struct api_call *call)
{
    struct api_error error = {0};

    api_error_set(&error, 503, "Too busy", "too many passwords are being set: try again");
    api_fail(call, &error, NULL);
}

static void hashed(uv_work_t *work, int status)
{
    struct hashing *hashing = work->data;
    struct api_call *call = hashing->call;

    n_hashes--;
    if (!call->console->api) { /* the Console is stopping: nobody is answered any more */
        api_call_free(api_private(call));
    } else if (status < 0 || hashing->result < 0) {
        busy(call);
    } else {
        call->password_hash = TAKE_PTR(hashing->encoded);
        api_prepared(call);
    }
    hashing_free(hashing);
}

static int hash_start(struct api_call *call, const char *password)
{
    struct hashing *hashing = n_hashes < HASHES_MAX ? calloc(1, sizeof(*hashing)) : NULL;

    if (!hashing)
        return -EBUSY;
    hashing->call = call;
    hashing->work.data = hashing;
    hashing->password = strdup(password);
    if (!hashing->password) {
        free(hashing);
        return -ENOMEM;
    }
    if (uv_queue_work(&call->console->loop, &hashing->work, hash, hashed) < 0) {
        hashing_free(hashing);
        return -ENOMEM;
    }
    n_hashes++;
    return 0;
}

/* What is no good is not hashed: the write will say why. */
static void account_prepare(struct api_call *call)
{
    const char *password = json_string_value(json_object_get(call->body, "password"));

    if (!password || password_problem(password, ""))
        api_prepared(call);
    else if (hash_start(call, password) < 0)
        busy(call);
}

static int set_password(struct api_call *call, json_t *object, struct change_set *set,
                        struct api_error *error)
{
    const char *password = json_string_value(json_object_get(call->transient, "password"));
    const char *name = json_string_value(json_object_get(object, "name"));
    const char *problem;
    int r = 0;

    if (!password || !*password)
        return 0;
    problem = password_problem(password, name ? name : "");
    if (!problem && !call->password_hash)
        problem = "expected none in an import: set it on the account itself";
    if (problem)
        return refuse(error, 422, "Validation error", "password", problem);
    OPENSSL_cleanse((char *)(uintptr_t)password, strlen(password));
    if (name)
        r = logins_forgive(call->console, name, set);
    if (r < 0)
        return r;
    return json_object_set_new(object, "passwordHash", json_string(call->password_hash)) < 0
               ? -ENOMEM
               : 0;
}

/* Switched on: a new secret, shown this once. Switched off: it is forgotten. */
static int put_otp_secret(struct console *console, const char *id, const char *secret,
                          json_t *object)
{
    _cleanup_free_
    char *sealed = NULL;
    int r = trust_seal(console->trust, id, secret, &sealed);

    return r < 0 ? r : json_object_set_new(object, "OTPSecret", json_string(sealed));
}

static int set_otp(struct api_call *call, bool was_enabled, json_t *object)
{
    const char *name = json_string_value(json_object_get(object, "name"));
    bool enabled = json_is_true(json_object_get(object, "OTPEnabled"));
    _cleanup_free_
    char *secret = NULL, *uri = NULL;
    int r;

    if (!enabled)
        json_object_del(object, "OTPSecret");
    if (!enabled || was_enabled)
        return 0;
    r = totp_secret_new(&secret);
    if (r < 0)
        return r;
    uri = totp_uri(secret, ISSUER, name ? name : "");
    json_decref(call->reply);
    call->reply = uri ? json_pack("{s:s}", "OTPURI", uri) : NULL;
    call->reply_secret = true;
    r = call->reply ? put_otp_secret(call->console, call->id, secret, object) : -ENOMEM;
    OPENSSL_cleanse(secret, strlen(secret));
    if (uri)
        OPENSSL_cleanse(uri, strlen(uri));
    return r;
}

static bool seal_one(void *context, const struct object *account)
{
    struct console *console = context;
    _cleanup_change_set_ struct change_set *set = NULL;
    json_t *body = object_parse(account);
    const char *secret = json_string_value(json_object_get(body, "OTPSecret"));
    int r = 0;

    if (secret && !trust_is_sealed(secret)) {
        r = put_otp_secret(console, account->id, secret, body);
        if (r == 0)
            r = change_set_new(&set);
        if (r == 0)
            r = change_set_update(set, account, body);
        if (r == 0)
            commit_submit(console->commit, &set, NULL, NULL);
        else
            log_event(LOG_LEVEL_ERROR, "account.otp_not_sealed", LOG_F("id", "%s", account->id));
    }
    json_decref(body);
    return true;
}

void accounts_seal(struct console *console)
{
    const struct objects_query query = {
        .kind = schema_kind_find("account"),
        .space = objects_space(console->objects, "/"),
        .recursive = true,
        .archived = true,
    };
    uint64_t total;

    objects_list(console->objects, &query, seal_one, console, &total);
}

static int account_create(struct api_call *call, json_t *object, struct change_set *set,
                          struct api_error *error)
{
    int r;

    if (strcmp(call->namespace, "/") != 0)
        return refuse(error, 422, "Validation error", "namespace",
                      "accounts live in the root namespace: send X-Namespace: /");
    r = check_after(call, object, error);
    if (r == 0)
        r = set_password(call, object, set, error);
    if (r == 0)
        r = set_otp(call, false, object);
    if (r == 0 && !json_object_get(object, "passwordHash"))
        api_warn(call, "nobody can log in before the account has a password");
    return r;
}

static int account_update(struct api_call *call, const struct object *before, json_t *object,
                          struct change_set *set, struct api_error *error)
{
    int r;

    memcpy(call->id, before->id, sizeof(call->id)); /* an import updates without a route */
    r = check_before(call, before, error);
    if (r == 0)
        r = check_after(call, object, error);
    if (r == 0)
        r = set_password(call, object, set, error);
    return r < 0 ? r : set_otp(call, object_flag(before, "OTPEnabled"), object);
}

static int account_remove(struct api_call *call, const struct object *before,
                          struct change_set *set, struct api_error *error)
{
    return check_before(call, before, error);
}

static json_t *time_json(int64_t ms)
{
    char text[SCHEMA_TIME_LEN + 1];

    return ms > 0 && schema_time_format(ms, text) ? json_string(text) : NULL;
}

static const char *const account_live[] = {"failedLogins", "lockedUntil", "lastLogin", NULL};

static json_t *account_value(struct console *console, const struct object *object,
                             const char *attribute)
{
    int64_t locked_ms, login_ms;
    unsigned failures;

    logins_show(console, object->name, console_now_ms(), &failures, &locked_ms, &login_ms);
    if (strcmp(attribute, "failedLogins") == 0)
        return failures ? json_integer(failures) : NULL;
    return time_json(strcmp(attribute, "lockedUntil") == 0 ? locked_ms : login_ms);
}

static const struct api_hooks account_hooks = {
    .kind = "account",
    .create = account_create,
    .update = account_update,
    .remove = account_remove,
    .prepare = account_prepare,
    .live = account_live,
    .value = account_value,
};

int hooks_accounts(struct console *console)
{
    return api_register(console, &account_hooks);
}
