/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead appcred: app credentials. The private key is made here and leaves only in the file. */
#include <string.h>

#include "cli/api/api.h"
#include "cli/client/keyfile.h"

static const struct schema_kind *kind_of_credentials(void)
{
    const struct schema_kind *kind = schema_kind_find("appcredential");

    assert(kind);
    return kind;
}

/* "namespace.viewer" is short for "@auth:role=namespace.viewer". */
static json_t *role_json(struct cli_call *call, const char *word)
{
    const char *names[CLI_WORDS_MAX], *nearest;
    const struct schema_role *roles;
    size_t n, n_names = 0;

    if (strchr(word, ',') || strchr(word, '='))
        return json_string(word);
    roles = schema_roles(&n);
    for (size_t i = 0; i < n && n_names < CLI_WORDS_MAX; i++) {
        const char *name = strchr(roles[i].key, '=') + 1;

        if (strcmp(name, word) == 0)
            return json_string(roles[i].key);
        names[n_names++] = name;
    }
    nearest = nearest_word(word, names, n_names);
    cli_usage_error(call, "--role: found an unknown role%s%s%s", nearest ? "; did you mean '" : "",
                    nearest ? nearest : ", expected one of 'bulkhead appcred roles'",
                    nearest ? "'?" : "");
    return NULL;
}

int roles_given(struct cli_call *call, const char *option, json_t *list)
{
    const struct cli_given *given;
    size_t at = 0;

    while ((given = cli_next(call, option, &at))) {
        json_t *role = role_json(call, given->value);

        if (!role)
            return CLI_USAGE;
        json_array_append_new(list, role);
    }
    return CLI_DONE;
}

static int add_subnets(struct cli_call *call, json_t *list)
{
    const struct cli_given *given;
    size_t at = 0;

    while ((given = cli_next(call, "authorized-subnet", &at)))
        json_array_append_new(list, json_string(given->value));
    return CLI_DONE;
}

/* ---- create, renew ------------------------------------------------------------------------ */

static int make_object(struct cli_call *call, json_t **ret)
{
    const char *validity = cli_value(call, "max-issued-token-validity"),
               *description = cli_value(call, "description");
    json_t *roles = json_array(), *subnets = json_array();
    json_t *object = json_pack("{s:s, s:O, s:O}", "name", call->arguments[0], "roles", roles,
                               "authorizedSubnets", subnets);
    int r = object ? roles_given(call, "role", roles) : cli_no_memory(call);

    if (r == CLI_DONE && json_array_size(roles) == 0)
        r = cli_usage_error(call, "--role is missing; 'bulkhead appcred roles' lists them");
    if (r == CLI_DONE)
        r = add_subnets(call, subnets);
    if (validity && object)
        json_object_set_new(object, "maxIssuedTokenValidity", json_string(validity));
    if (description && object)
        json_object_set_new(object, "description", json_string(description));
    json_decref(roles);
    json_decref(subnets);
    if (r == CLI_DONE)
        r = input_check(call, kind_of_credentials(), object, NULL, NULL);
    if (r == CLI_DONE)
        *ret = object;
    else
        json_decref(object);
    return r;
}

static int write_file(struct cli_call *call, const json_t *file)
{
    const char *type = cli_value(call, "type");

    return keyfile_write(call, type ? type : "json", cli_value(call, "output-file"), file);
}

int cli_appcred_create(struct cli_call *call)
{
    _cleanup_session_ struct session session = {0};
    json_t *object = NULL, *file = NULL;
    int r = make_object(call, &object);

    if (r == CLI_DONE)
        r = session_open(call, &session);
    if (r == CLI_DONE)
        r = keyfile_create(&session, object, &file);
    if (r == CLI_DONE)
        r = write_file(call, file);
    json_decref(object);
    json_decref(file);
    return r;
}

int cli_appcred_renew(struct cli_call *call)
{
    _cleanup_session_ struct session session = {0};
    json_t *present = NULL, *file = NULL;
    int r = session_open(call, &session);

    if (r == CLI_DONE)
        r = api_find(&session, kind_of_credentials(), call->arguments[0], &present);
    if (r == CLI_DONE)
        r = keyfile_renew(&session, present, &file);
    if (r == CLI_DONE)
        r = write_file(call, file);
    json_decref(present);
    json_decref(file);
    return r;
}

/* ---- list --------------------------------------------------------------------------------- */

static int add_row(void *context, json_t *object)
{
    return show_add(context, object);
}

int cli_appcred_list(struct cli_call *call)
{
    _cleanup_session_ struct session session = {0};
    _cleanup_show_ struct show show = {0};
    struct client_request request = {.method = "GET", .path = "/appcredentials"};
    int r = session_open(call, &session);

    if (r == CLI_DONE)
        r = show_open(call, kind_of_credentials(), &show);
    if (r != CLI_DONE)
        return r;
    if (cli_flag(call, "recursive"))
        client_query(&request, "recursive", "true");
    request.fields = show_fields(&show);
    r = api_each(&session, &request, kind_of_credentials(), 0, add_row, &show);
    return r == CLI_DONE ? show_end(&show) : r;
}

/* ---- Changes ------------------------------------------------------------------------------ */

/* `changes` is taken over. */
static int change(struct cli_call *call, json_t *changes)
{
    _cleanup_session_ struct session session = {0};
    _cleanup_client_answer_ struct client_answer answer = {0};
    _cleanup_show_ struct show show = {0};
    _cleanup_free_
    char *path = NULL;
    const struct schema_kind *kind = kind_of_credentials();
    json_t *present = NULL;
    struct client_request request = {.method = "PATCH", .body = changes};
    int r = changes ? session_open(call, &session) : cli_no_memory(call);

    if (r == CLI_DONE)
        r = show_open(call, kind, &show);
    if (r == CLI_DONE)
        r = api_find(&session, kind, call->arguments[0], &present);
    if (r == CLI_DONE)
        r = input_check(call, kind, changes, present, NULL);
    if (r == CLI_DONE && !(path = api_path(kind, api_object_id(present))))
        r = cli_no_memory(call);
    if (r == CLI_DONE) {
        request.path = path;
        request.namespace = api_object_namespace(&session, present);
        r = session_send(&session, &request, &answer);
    }
    if (r == CLI_DONE && call->output.format != CLI_TABLE)
        r = show_one(&show, answer.body);
    else if (r == CLI_DONE && (r = show_add(&show, answer.body)) == CLI_DONE)
        r = show_end(&show);
    json_decref(present);
    json_decref(changes);
    return r;
}

int cli_appcred_enable(struct cli_call *call)
{
    return change(call, json_pack("{s:b}", "disabled", 0));
}

int cli_appcred_disable(struct cli_call *call)
{
    return change(call, json_pack("{s:b}", "disabled", 1));
}

static int print_known_roles(struct cli_call *call)
{
    static const struct cli_column columns[] = {{.title = "ROLE", .key = "key"},
                                                {.title = "NAME", .key = "name"},
                                                {.title = "FOR", .key = "description"}};
    const struct schema_role *roles;
    json_t *list = json_array();
    size_t n;
    int r;

    roles = schema_roles(&n);
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:b}", "key", roles[i].key, "name",
                                              roles[i].name, "description", roles[i].help,
                                              "private", roles[i].is_private));
    r = cli_answer_list(call, list, columns, ARRAY_SIZE(columns));
    json_decref(list);
    return r;
}

/* Set a list, or show it. */
static int list_attribute(struct cli_call *call, const char *attribute, json_t *list)
{
    _cleanup_session_ struct session session = {0};
    json_t *present = NULL, *item;
    size_t i;
    int r;

    if (json_array_size(list) > 0 || cli_flag(call, "clear"))
        return change(call, json_pack("{s:O}", attribute, list));
    r = session_open(call, &session);
    if (r == CLI_DONE)
        r = api_find(&session, kind_of_credentials(), call->arguments[0], &present);
    if (r == CLI_DONE && call->output.format != CLI_TABLE)
        r = cli_answer(call, json_object_get(present, attribute));
    else
        json_array_foreach(json_object_get(present, attribute), i, item)
        {
            if (r == CLI_DONE && json_is_string(item))
                r = cli_print_safe(call, json_string_value(item));
        }
    json_decref(present);
    return r;
}

int cli_appcred_roles(struct cli_call *call)
{
    json_t *roles;
    int r;

    if (call->n_arguments == 0)
        return print_known_roles(call);
    roles = json_array();
    r = roles ? roles_given(call, "role", roles) : cli_no_memory(call);
    if (r == CLI_DONE)
        r = list_attribute(call, "roles", roles);
    json_decref(roles);
    return r;
}

int cli_appcred_subnets(struct cli_call *call)
{
    json_t *subnets = json_array();
    int r = subnets ? add_subnets(call, subnets) : cli_no_memory(call);

    if (r == CLI_DONE)
        r = list_attribute(call, "authorizedSubnets", subnets);
    json_decref(subnets);
    return r;
}

int cli_appcred_delete(struct cli_call *call)
{
    _cleanup_session_ struct session session = {0};
    int r = session_open(call, &session);

    for (size_t i = 0; r == CLI_DONE && i < call->n_arguments; i++) {
        _cleanup_client_answer_ struct client_answer answer = {0};
        _cleanup_free_
        char *path = NULL;
        struct client_request request = {.method = "DELETE"};
        json_t *present = NULL;

        r = api_find(&session, kind_of_credentials(), call->arguments[i], &present);
        if (r == CLI_DONE && !(path = api_path(kind_of_credentials(), api_object_id(present))))
            r = cli_no_memory(call);
        request.path = path;
        request.namespace = api_object_namespace(&session, present);
        if (r == CLI_DONE)
            r = session_send(&session, &request, &answer);
        json_decref(present);
    }
    return r;
}
