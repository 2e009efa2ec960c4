/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Realms: ways to show who one is at POST /issue. One file each, and a line in the table of
 * realm.c. A realm says who the caller is; what a token looks like, how long it lives at most and
 * what restricts it is decided in hooks_issue.c for all of them alike.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "console/api.h"

/* Who it is. */
struct realm_identity {
    const char *realm; /* claim @auth:realm, static */
    char *subject;
    /* Claims @auth:KEY=VALUE. "realm" and "subject" in here have no effect; other names that
     * policies trust must not come from outside unchecked. */
    json_t *data;
    /* {kind, id, mark}: the object the token dies with (auth_origin_problem). NULL: none. */
    json_t *origin;
    int64_t max_validity_ms; /* 0: only the general maximum */
    /* Of a token that is exchanged; NULL: none. The new one can do no more than this. */
    struct caller *parent;
};
void realm_identity_clear(struct realm_identity *identity);

struct realm_attempt; /* one POST /issue */
struct api_call *realm_call(const struct realm_attempt *attempt);
/* An entry of `metadata` that is text; NULL when there is none. */
const char *realm_metadata(const struct realm_attempt *attempt, const char *name);

/* Exactly one of these ends an attempt, at once or later from the loop. */
void realm_accept(struct realm_attempt *attempt, struct realm_identity *identity /* cleared */);
void realm_refuse(struct realm_attempt *attempt, int status, const char *format, ...)
    _printf_(3, 4);

void realm_fail(struct realm_attempt *attempt, const struct api_error *error);

/* Instead, when the Console is stopping (console->api is gone): nobody is answered any more. */
void realm_drop(struct realm_attempt *attempt);

struct realm {
    const char *name; /* as in `realm` of the request */
    void (*identify)(struct realm_attempt *attempt);
};
extern const struct realm realm_certificate, realm_vince, realm_token, realm_token_old;

/* NULL: not available here. */
const struct realm *realm_find(const char *name);
/* "Certificate, Vince, …" */
const char *realm_names(void);
