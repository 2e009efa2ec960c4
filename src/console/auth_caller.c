/* SPDX-License-Identifier: Apache-2.0 */
#include "console/auth_internal.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"

#define CLAIM_KEY_MAX 128

void caller_free(struct caller **caller)
{
    if (!caller || !*caller)
        return;
    tag_set_clear(&(*caller)->claims);
    free((*caller)->subject);
    free((*caller)->restricted_namespace);
    strv_free(&(*caller)->restricted_permissions);
    cidr_list_clear(&(*caller)->restricted_networks);
    cidr_list_clear(&(*caller)->origin_networks);
    free((*caller)->enforcer_id);
    free((*caller)->token_id);
    json_decref((*caller)->token);
    free((*caller)->restricted_mask);
    free(*caller);
    *caller = NULL;
}

/* ---- Claims --------------------------------------------------------------------------------- */

/* What cannot be a tag is left out: an odd claim must not lock its owner out, nor let him in. */
static int add_tag(struct tag_set *claims, const char *key, const char *value)
{
    int r;

    if (claims->n >= AUTH_CLAIMS_MAX)
        return 0;
    r = tag_set_addf(claims, "@auth:%s=%s", key, value);
    return r == -ENOMEM ? r : 0;
}

int caller_claims_add(struct tag_set *claims, const char *key, const json_t *value)
{
    char lower[CLAIM_KEY_MAX];
    size_t n = strlen(key);
    int r = 0;

    if (n == 0 || n >= sizeof(lower) || strpbrk(key, "= "))
        return 0;
    for (size_t i = 0; i <= n; i++)
        lower[i] = (char)tolower((unsigned char)key[i]);
    if (json_is_string(value))
        return add_tag(claims, lower, json_string_value(value));
    if (json_is_boolean(value))
        return add_tag(claims, lower, json_is_true(value) ? "true" : "false");
    for (size_t i = 0; r == 0 && json_is_array(value) && i < json_array_size(value); i++) {
        const char *text = json_string_value(json_array_get(value, i));

        if (text)
            r = add_tag(claims, lower, text);
    }
    return r;
}

/* Realm and subject are ours to say: whatever an outside provider calls so is left out. */
static int read_claims(struct caller *caller, const json_t *token)
{
    const json_t *realm = json_object_get(token, "realm");
    json_t *data = json_object_get(token, "data");
    const char *key;
    json_t *value;
    int r;

    if (!json_is_string(realm) || !json_is_string(json_object_get(token, "sub")) ||
        !json_is_object(data))
        return -EINVAL;
    caller->subject = strdup(json_string_value(json_object_get(token, "sub")));
    if (!caller->subject)
        return -ENOMEM;
    r = caller_claims_add(&caller->claims, "realm", realm);
    if (r == 0)
        r = caller_claims_add(&caller->claims, "subject", json_object_get(token, "sub"));
    json_object_foreach(data, key, value)
    {
        if (r == 0 && strcasecmp(key, "realm") != 0 && strcasecmp(key, "subject") != 0)
            r = caller_claims_add(&caller->claims, key, value);
    }
    return r;
}

/* ---- Restrictions --------------------------------------------------------------------------- */

static int read_permissions(struct caller *caller, const json_t *permissions)
{
    size_t n = json_array_size(permissions);

    if (!permissions)
        return 0;
    caller->restricted_permissions = calloc(n + 1, sizeof(*caller->restricted_permissions));
    caller->restricted_mask = calloc(1, sizeof(*caller->restricted_mask));
    if (!caller->restricted_permissions || !caller->restricted_mask)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(permissions, i));

        if (!text)
            return -EINVAL;
        caller->restricted_permissions[i] = strdup(text);
        if (!caller->restricted_permissions[i])
            return -ENOMEM;
        auth_mask_add(caller->restricted_mask, text);
    }
    return 0;
}

static int read_restrictions(struct caller *caller, const json_t *restrictions)
{
    const json_t *namespace = json_object_get(restrictions, "namespace");
    int r;

    if (!restrictions)
        return 0;
    if (!json_is_object(restrictions) || (namespace && !json_is_string(namespace)))
        return -EINVAL;
    if (namespace) {
        caller->restricted_namespace = strdup(json_string_value(namespace));
        if (!caller->restricted_namespace)
            return -ENOMEM;
    }
    r = read_permissions(caller, json_object_get(restrictions, "perms"));
    caller->has_restricted_networks = json_object_get(restrictions, "networks") != NULL;
    return r < 0 ? r
                 : cidr_list_add_list(&caller->restricted_networks,
                                      json_object_get(restrictions, "networks"));
}

int caller_from_token(const json_t *token, struct caller **ret)
{
    _cleanup_caller_ struct caller *caller = NULL;
    const char *use = json_string_value(json_object_get(token, "use"));
    const char *id = json_string_value(json_object_get(token, "jti"));
    int r;

    assert(token);
    assert(ret);

    /* Documents for Enforcers have the same signers. */
    if (!use || strcmp(use, "api") != 0 || !id)
        return -EINVAL;
    caller = calloc(1, sizeof(*caller));
    if (!caller)
        return -ENOMEM;
    caller->token = json_incref((json_t *)token);
    caller->expires_ms = json_integer_value(json_object_get(token, "exp")) * 1000;
    caller->token_id = strdup(id);
    if (!caller->token_id)
        return -ENOMEM;
    r = read_claims(caller, token);
    if (r == 0)
        r = read_restrictions(caller, json_object_get(token, "restrictions"));
    if (r < 0)
        return r;
    *ret = TAKE_PTR(caller);
    return 0;
}

int auth_caller_new(const json_t *claims, const json_t *restrictions, const char *client,
                    struct caller **ret)
{
    _cleanup_caller_ struct caller *caller = calloc(1, sizeof(*caller));
    int r = caller ? 0 : -ENOMEM;

    assert(ret);

    for (size_t i = 0; r == 0 && i < MIN(json_array_size(claims), (size_t)AUTH_CLAIMS_MAX); i++) {
        const char *claim = json_string_value(json_array_get(claims, i));

        r = claim ? tag_set_add(&caller->claims, claim) : -EINVAL;
    }
    if (r == 0)
        r = read_restrictions(caller, restrictions);
    if (r < 0)
        return r;
    caller->has_address = client && ip_addr_parse(client, &caller->address) == 0;
    *ret = TAKE_PTR(caller);
    return 0;
}

/* ---- Copies --------------------------------------------------------------------------------- */

static int copy_text(const char *text, char **ret)
{
    *ret = text ? strdup(text) : NULL;
    return text && !*ret ? -ENOMEM : 0;
}

static int copy_list(char *const *list, char ***ret)
{
    size_t n = 0;

    if (!list)
        return 0;
    while (list[n])
        n++;
    *ret = calloc(n + 1, sizeof(**ret));
    for (size_t i = 0; *ret && i < n; i++) {
        (*ret)[i] = strdup(list[i]);
        if (!(*ret)[i])
            return -ENOMEM;
    }
    return *ret ? 0 : -ENOMEM;
}

static int copy_prefixes(const struct ip_prefix *prefixes, size_t n, struct ip_prefix **ret)
{
    if (n == 0)
        return 0;
    *ret = malloc(n * sizeof(**ret));
    if (!*ret)
        return -ENOMEM;
    memcpy(*ret, prefixes, n * sizeof(**ret));
    return 0;
}

static int copy_networks(const struct cidr_list *list, struct cidr_list *ret)
{
    if (copy_prefixes(list->included, list->n_included, &ret->included) < 0 ||
        copy_prefixes(list->excluded, list->n_excluded, &ret->excluded) < 0)
        return -ENOMEM;
    ret->n_included = list->n_included;
    ret->n_excluded = list->n_excluded;
    return 0;
}

int caller_copy(const struct caller *caller, struct caller **ret)
{
    _cleanup_caller_ struct caller *copy = calloc(1, sizeof(*copy));

    assert(caller);
    assert(ret);

    if (!copy || tag_set_copy(&caller->claims, &copy->claims) < 0 ||
        copy_text(caller->subject, &copy->subject) < 0 ||
        copy_text(caller->restricted_namespace, &copy->restricted_namespace) < 0 ||
        copy_text(caller->enforcer_id, &copy->enforcer_id) < 0 ||
        copy_text(caller->token_id, &copy->token_id) < 0 ||
        copy_list(caller->restricted_permissions, &copy->restricted_permissions) < 0 ||
        copy_networks(&caller->restricted_networks, &copy->restricted_networks) < 0)
        return -ENOMEM;
    if (caller->restricted_mask) {
        copy->restricted_mask = malloc(sizeof(*copy->restricted_mask));
        if (!copy->restricted_mask)
            return -ENOMEM;
        *copy->restricted_mask = *caller->restricted_mask;
    }
    copy->has_restricted_networks = caller->has_restricted_networks;
    copy->address = caller->address;
    copy->has_address = caller->has_address;
    copy->expires_ms = caller->expires_ms;
    memcpy(copy->certificate, caller->certificate, sizeof(copy->certificate));
    copy->token = json_incref(caller->token);
    *ret = TAKE_PTR(copy);
    return 0;
}
