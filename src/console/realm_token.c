/* SPDX-License-Identifier: Apache-2.0 */
#include "console/realm.h"

#include <string.h>

/*
 * Realm BulkheadIdentityToken: a token for a token, with more restrictions. Who it is stays the
 * same, and so does what it dies with. The product's name of the realm is taken, too.
 */

static const char *token_of(const struct realm_attempt *attempt)
{
    const char *token = realm_metadata(attempt, "token");

    return token && *token ? token : api_parameter(realm_call(attempt), "token");
}

static void accept_parent(struct realm_attempt *attempt, struct caller *parent)
{
    struct realm_identity identity = {
        .subject = strdup(parent->subject),
        .data = json_incref(json_object_get(parent->token, "data")),
        .origin = json_incref(json_object_get(parent->token, "origin")),
        .parent = parent,
    };

    identity.realm = json_string_value(json_object_get(parent->token, "realm"));
    realm_accept(attempt, &identity);
}

static void identify(struct realm_attempt *attempt)
{
    struct api_call *call = realm_call(attempt);
    struct caller *parent = NULL;
    struct api_error error = {0};
    const char *token = token_of(attempt);
    int r;

    if (token && *token)
        r = auth_check_token(call->console->auth, token, call->request->client, &error, &parent);
    else
        r = auth_authenticate(call->console->auth, call->request, &error, &parent);
    if (r < 0) {
        realm_fail(attempt, &error);
        return;
    }
    if (!parent->token) {
        caller_free(&parent);
        realm_refuse(attempt, 401, "no token to be exchanged: put it into metadata.token");
        return;
    }
    accept_parent(attempt, parent);
}

const struct realm realm_token = {.name = "BulkheadIdentityToken", .identify = identify};
const struct realm realm_token_old = {.name = "AporetoIdentityToken", .identify = identify};
