/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A Console of objects, keys and auth alone: no store, no network, a clock that stands still. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "console/auth_internal.h"

/* The Console's clock: stands still. */
static int64_t test_now_ms;

static inline int64_t test_clock(void)
{
    return test_now_ms;
}

struct fixture {
    char dir[64];
    struct console console;
    uint64_t revision;
    unsigned ids;
};

/* ---- Objects -------------------------------------------------------------------------------- */

static inline void apply(struct fixture *f, enum store_op_type type, const char *kind,
                         const char *id, const char *namespace, json_t *body)
{
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    const char *name = json_string_value(json_object_get(body, "name"));
    char *key = objects_unique_key(schema_kind_find(kind), namespace, name ? name : id);
    const struct store_op op = {
        .type = type,
        .object = {.id = id,
                   .kind = kind,
                   .namespace = namespace,
                   .unique_key = name ? key : NULL,
                   .body = text,
                   .body_len = text ? strlen(text) : 0,
                   .created_ms = test_now_ms,
                   .updated_ms = test_now_ms},
    };

    assert_int_equal(objects_apply(f->console.objects, ++f->revision, &op, 1), 0);
    free(text);
    free(key);
    json_decref(body);
}

static inline void new_id(struct fixture *f, char id[SCHEMA_ID_LEN + 1])
{
    snprintf(id, SCHEMA_ID_LEN + 1, "%024x", ++f->ids);
}

static inline void create(struct fixture *f, const char *kind, const char *namespace,
                          const char *format, char id[SCHEMA_ID_LEN + 1])
{
    json_t *body = json_loads(format, 0, NULL);

    assert_non_null(body);
    new_id(f, id);
    apply(f, STORE_CREATE, kind, id, namespace, body);
}

static inline void make_namespace(struct fixture *f, const char *name)
{
    char id[SCHEMA_ID_LEN + 1], parent[256];

    snprintf(parent, sizeof(parent), "%s", name);
    *strrchr(parent, '/') = '\0';
    new_id(f, id);
    apply(f, STORE_CREATE, "namespace", id, *parent ? parent : "/",
          json_pack("{s:s}", "name", name));
}

/* One for @auth:realm=certificate and @auth:id=WHO; `more` is JSON that comes on top. */
static inline void grant(struct fixture *f, const char *who, const char *namespace,
                         const char *permission, const char *more, char id[SCHEMA_ID_LEN + 1])
{
    char claim[128];
    json_t *body, *extra = more ? json_loads(more, 0, NULL) : NULL;

    snprintf(claim, sizeof(claim), "@auth:id=%s", who);
    body = json_pack("{s:s, s:[[s, s]], s:[s], s:s}", "name", who, "subject",
                     "@auth:realm=certificate", claim, "authorizedIdentities", permission,
                     "authorizedNamespace", namespace);
    if (extra)
        json_object_update(body, extra);
    json_decref(extra);
    new_id(f, id);
    apply(f, STORE_CREATE, "apiauthorizationpolicy", id, namespace, body);
}

static inline int make_fixture(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct buf problem = BUF_INIT(1024);

    test_now_ms = (int64_t)time(NULL) * 1000;
    snprintf(f->dir, sizeof(f->dir), "/tmp/bulkhead-auth-XXXXXX");
    *state = f;
    if (!mkdtemp(f->dir) || objects_new(&f->console.objects) < 0 ||
        trust_open(f->dir, NULL, &problem, &f->console.trust) < 0 ||
        auth_new(&f->console, &f->console.auth) < 0 || auth_start(f->console.auth) < 0)
        return -1;
    f->console.auth->now_ms = test_clock;
    make_namespace(f, "/a");
    make_namespace(f, "/a/b");
    make_namespace(f, "/c");
    return 0;
}

static inline int drop_fixture(void **state)
{
    struct fixture *f = *state;
    char command[128];

    auth_free(&f->console.auth);
    trust_free(&f->console.trust);
    objects_free(&f->console.objects);
    snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
    if (system(command) != 0)
        return -1;
    free(f);
    return 0;
}

/* ---- Tokens --------------------------------------------------------------------------------- */

/* For a caller with @auth:id=WHO; `more` is JSON of claims on top. Owned by the caller. */
static inline char *token_of(struct fixture *f, const char *who, const char *more)
{
    json_t *claims =
        json_pack("{s:s, s:s, s:s, s:{s:s}, s:I}", "use", "api", "realm", "certificate", "sub", who,
                  "data", "id", who, "exp", (json_int_t)test_now_ms / 1000 + 3600);
    json_t *extra = more ? json_loads(more, 0, NULL) : NULL;
    char *token;

    assert_true(!more || extra);
    if (extra)
        json_object_update(claims, extra);
    assert_int_equal(trust_token_sign(f->console.trust, claims, test_now_ms, &token), 0);
    json_decref(claims);
    json_decref(extra);
    return token;
}

static inline int authenticate(struct fixture *f, const char *token, const char *client,
                               struct api_error *error, struct caller **ret)
{
    char header[AUTH_TOKEN_BYTES_MAX * 2];
    struct http_request request = {.cookie = (char *)""};

    snprintf(header, sizeof(header), "Bearer %s", token);
    request.authorization = header;
    snprintf(request.client, sizeof(request.client), "%s", client);
    *error = (struct api_error){0};
    return auth_authenticate(f->console.auth, &request, error, ret);
}

static inline struct caller *caller_of(struct fixture *f, const char *who, const char *more)
{
    struct caller *caller = NULL;
    struct api_error error;
    char *token = token_of(f, who, more);

    if (authenticate(f, token, "192.0.2.1", &error, &caller) < 0)
        fail_msg("%s", error.description);
    free(token);
    return caller;
}

static inline void expect_refused(struct fixture *f, const char *token, int status,
                                  const char *word)
{
    struct caller *caller = NULL;
    struct api_error error;

    assert_int_equal(authenticate(f, token, "192.0.2.1", &error, &caller), -EACCES);
    assert_int_equal(error.status, status);
    if (!strstr(error.description, word))
        fail_msg("'%s', expected '%s' in it", error.description, word);
    assert_null(caller);
}

static inline bool may(struct fixture *f, const struct caller *caller, enum auth_verb verb,
                       const char *kind, const char *namespace)
{
    return auth_allowed(f->console.auth, caller, verb, schema_kind_find(kind), namespace, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_fixture, drop_fixture)
