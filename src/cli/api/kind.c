/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "cli/api/api.h"

#define ATTRIBUTES_MAX 256

static const struct {
    unsigned verb;
    const char *name;
} verbs[] = {
    {SCHEMA_LIST, "listed"},    {SCHEMA_CREATE, "created"}, {SCHEMA_GET, "read one by one"},
    {SCHEMA_UPDATE, "changed"}, {SCHEMA_DELETE, "deleted"},
};

int api_kind(struct cli_call *call, const char *word, unsigned verb, const struct schema_kind **ret)
{
    const struct schema_kind *kind = schema_kind_find(word);
    _cleanup_free_
    char *safe = text_safe(word);
    const char *nearest;

    if (!safe)
        return cli_no_memory(call);
    if (!kind || !kind->plural || kind->hidden) {
        nearest = schema_kind_nearest(word);
        if (nearest)
            return cli_usage_error(call, "unknown resource '%s'; did you mean '%s'?", safe,
                                   nearest);
        return cli_usage_error(call, "unknown resource '%s'; 'bulkhead api info' lists them", safe);
    }
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
        if ((verb & verbs[i].verb) && !(kind->verbs & verbs[i].verb))
            return cli_usage_error(call, "%s cannot be %s", kind->plural, verbs[i].name);
    *ret = kind;
    return CLI_DONE;
}

bool api_is_id(const char *word)
{
    return strlen(word) == SCHEMA_ID_LEN && strspn(word, "0123456789abcdef") == SCHEMA_ID_LEN;
}

char *api_path(const struct schema_kind *kind, const char *id)
{
    char *path;

    return asprintf(&path, "/%s%s%s", kind->plural, id ? "/" : "", id ? id : "") < 0 ? NULL : path;
}

char *api_name_filter(const char *name)
{
    _cleanup_buf_ struct buf text = BUF_INIT(CLIENT_HEADER_MAX);

    buf_puts(&text, "name == \"");
    for (; *name; name++)
        buf_printf(&text, *name == '"' || *name == '\\' ? "\\%c" : "%c", *name);
    buf_puts(&text, "\"");
    return buf_steal(&text);
}

const char *api_attribute_nearest(const struct schema_kind *kind, const char *word)
{
    const struct schema_attribute *attribute;
    const char *names[ATTRIBUTES_MAX];
    size_t n = 0;

    while (n < ATTRIBUTES_MAX && (attribute = schema_attribute_at(kind, n)))
        names[n++] = attribute->name;
    return nearest_word(word, names, n);
}

/* ---- One object --------------------------------------------------------------------------- */

const char *api_object_id(const json_t *object)
{
    const char *id = json_string_value(json_object_get(object, "ID"));

    return id ? id : "";
}

const char *api_object_namespace(const struct session *session, const json_t *object)
{
    const char *namespace = json_string_value(json_object_get(object, "namespace"));

    return namespace && *namespace ? namespace : session->namespace;
}

static bool is_namespace(const struct schema_kind *kind)
{
    return strcmp(kind->name, "namespace") == 0;
}

/* A namespace is an object of the one above it, and called by its whole path. */
static int namespace_path(const struct session *session, const char *word, char **ret_name,
                          char **ret_parent)
{
    const char *base = strcmp(session->namespace, "/") == 0 ? "" : session->namespace, *slash;
    int r = *word == '/' ? asprintf(ret_name, "%s", word) : asprintf(ret_name, "%s/%s", base, word);

    if (r < 0)
        return -ENOMEM;
    slash = strrchr(*ret_name, '/');
    *ret_parent =
        slash == *ret_name ? strdup("/") : strndup(*ret_name, (size_t)(slash - *ret_name));
    return *ret_parent ? 0 : -ENOMEM;
}

static int ambiguous(struct session *session, const struct schema_kind *kind, const char *word,
                     const json_t *list)
{
    _cleanup_free_
    char *safe = text_safe(word);
    json_t *object;
    size_t i;

    cli_error(session->call,
              "%s '%s': more than one has this name; say which by its ID:", kind->name,
              safe ? safe : "");
    json_array_foreach(list, i, object)
    {
        _cleanup_free_
        char *namespace = text_safe(api_object_namespace(session, object));

        fprintf(session->call->err, "  %.24s in %s\n", api_object_id(object),
                namespace ? namespace : "");
    }
    return CLI_USAGE;
}

static int find_by_name(struct session *session, const struct schema_kind *kind, const char *word,
                        json_t **ret)
{
    _cleanup_free_
    char *name = NULL, *parent = NULL, *filter = NULL, *path = api_path(kind, NULL);
    _cleanup_client_answer_ struct client_answer answer = {0};
    struct client_request request = {.method = "GET", .path = path};
    int r = 0;

    if (is_namespace(kind)) {
        r = namespace_path(session, word, &name, &parent);
        request.namespace = parent;
    }
    filter = r == 0 ? api_name_filter(name ? name : word) : NULL;
    if (!path || !filter)
        return cli_no_memory(session->call);
    client_query(&request, "q", filter);
    if (cli_flag(session->call, "recursive"))
        client_query(&request, "recursive", "true");
    if (cli_flag(session->call, "propagated"))
        client_query(&request, "propagated", "true");
    r = session_send(session, &request, &answer);
    if (r != CLI_DONE)
        return r;
    if (json_array_size(answer.body) > 1)
        return ambiguous(session, kind, word, answer.body);
    if (json_array_size(answer.body) == 0) {
        _cleanup_free_
        char *safe = text_safe(word);

        cli_error(session->call, "%s '%s': there is none in namespace %s", kind->name,
                  safe ? safe : "", request.namespace);
        return CLI_FAILED;
    }
    *ret = json_incref(json_array_get(answer.body, 0));
    return CLI_DONE;
}

int api_find(struct session *session, const struct schema_kind *kind, const char *word,
             json_t **ret)
{
    _cleanup_client_answer_ struct client_answer answer = {0};
    _cleanup_free_
    char *path = NULL;
    struct client_request request = {.method = "GET"};
    int r;

    if (!api_is_id(word))
        return find_by_name(session, kind, word, ret);
    request.path = path = api_path(kind, word);
    if (!path)
        return cli_no_memory(session->call);
    r = session_send(session, &request, &answer);
    if (r == CLI_DONE)
        *ret = json_incref(answer.body);
    return r;
}

/* ---- Lists -------------------------------------------------------------------------------- */

static int check_parameter(struct cli_call *call, const struct schema_kind *kind, unsigned verb,
                           const char *name)
{
    const char *names[ATTRIBUTES_MAX], *nearest;
    size_t n = 0, n_all = 0;
    const struct schema_query_key *all = schema_verb_keys((enum schema_verb)verb, &n_all);
    _cleanup_free_
    char *safe = text_safe(name);

    for (size_t i = 0; i < n_all && n < ATTRIBUTES_MAX; i++)
        names[n++] = all[i].name;
    for (size_t i = 0; i < kind->n_keys && n < ATTRIBUTES_MAX; i++)
        if (!kind->keys[i].verbs || (kind->keys[i].verbs & verb))
            names[n++] = kind->keys[i].name;
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return CLI_DONE;
    nearest = nearest_word(name, names, n);
    return cli_usage_error(call, "-p: unknown parameter '%s' of %s%s%s%s", safe ? safe : "",
                           kind->plural, nearest ? "; did you mean '" : "", nearest ? nearest : "",
                           nearest ? "'?" : "");
}

static int add_own(struct cli_call *call, struct client_request *request,
                   const struct schema_kind *kind, unsigned verb)
{
    const struct cli_given *given;
    size_t at = 0;

    while ((given = cli_next(call, "param", &at))) {
        /* "key=value" in one word: the key is cut off in place, argv is ours. */
        char *key = (char *)given->value;
        int r;

        if (key[given->key_len] == '=')
            key[given->key_len] = '\0';
        r = check_parameter(call, kind, verb, key);
        if (r != CLI_DONE)
            return r;
        if (request->n_query + 8 >= CLIENT_PARAMETERS_MAX)
            return cli_usage_error(call, "-p: more than %d parameters", CLIENT_PARAMETERS_MAX - 8);
        client_query(request, key, given->second);
    }
    return CLI_DONE;
}

static int check_order(struct cli_call *call, const struct schema_kind *kind, const char *order)
{
    const char *name = order + (*order == '-'), *nearest;
    _cleanup_free_
    char *safe = text_safe(name);

    if (schema_attribute_find(kind, name))
        return CLI_DONE;
    nearest = api_attribute_nearest(kind, name);
    return cli_usage_error(call, "--order: %s has no attribute '%s'%s%s%s", kind->name,
                           safe ? safe : "", nearest ? "; did you mean '" : "",
                           nearest ? nearest : "", nearest ? "'?" : "");
}

int api_add_parameters(struct cli_call *call, struct client_request *request,
                       const struct schema_kind *kind, unsigned verb)
{
    const struct cli_given *given;
    size_t at = 0;
    int r = CLI_DONE;

    if (cli_flag(call, "recursive"))
        client_query(request, "recursive", "true");
    if (cli_flag(call, "propagated"))
        client_query(request, "propagated", "true");
    while (verb == SCHEMA_LIST && r == CLI_DONE && (given = cli_next(call, "filter", &at))) {
        if (request->n_query + 8 >= CLIENT_PARAMETERS_MAX)
            return cli_usage_error(call, "--filter: too many of them");
        client_query(request, "q", given->value);
    }
    return r == CLI_DONE ? add_own(call, request, kind, verb) : r;
}

static int add_orders(struct session *session, struct client_request *request,
                      const struct schema_kind *kind, size_t *ret_n)
{
    const struct cli_given *given;
    size_t at = 0;

    if (strcmp(cli_call_command(session->call)->name, "list") != 0)
        return CLI_DONE;
    while ((given = cli_next(session->call, "order", &at))) {
        int r = check_order(session->call, kind, given->value);

        if (r != CLI_DONE)
            return r;
        if (request->n_query + 8 >= CLIENT_PARAMETERS_MAX)
            return cli_usage_error(session->call, "--order: too many of them");
        client_query(request, "order", given->value);
        ++*ret_n;
    }
    return CLI_DONE;
}

static int visit_page(const json_t *page, size_t limit, size_t *n, api_visit_fn *visit,
                      void *context)
{
    json_t *object;
    size_t i;

    json_array_foreach(page, i, object)
    {
        int r = limit && *n >= limit ? CLI_DONE : visit(context, object);

        if (r != CLI_DONE)
            return r;
        ++*n;
    }
    return CLI_DONE;
}

static int each_page(struct session *session, struct client_request *base,
                     const struct schema_kind *kind, size_t limit, api_visit_fn *visit,
                     void *context)
{
    _cleanup_free_
    char *after = NULL;
    size_t n = 0, n_orders = 0;
    char text[32];
    int r = add_orders(session, base, kind, &n_orders);

    while (r == CLI_DONE) {
        _cleanup_client_answer_ struct client_answer answer = {0};
        struct client_request page = *base;

        /* Only what is stored has pages, and only one order has a cursor. */
        snprintf(text, sizeof(text), "%zu", limit && limit - n < API_PAGE ? limit - n : API_PAGE);
        if (kind->stored && n_orders <= 1)
            client_query(&page, "limit", text);
        if (after)
            client_query(&page, "after", after);
        r = session_send(session, &page, &answer);
        if (r == CLI_DONE && !json_is_array(answer.body) && answer.body) {
            cli_error(session->call, "%s: the answer is no list", base->path);
            return CLI_FAILED;
        }
        if (r == CLI_DONE)
            r = visit_page(answer.body, limit, &n, visit, context);
        client_work_done(session->client, n);
        if (fflush(session->call->output.out) != 0) /* a page is there to be read */
            return CLI_FAILED;
        if (r != CLI_DONE || !answer.next || json_array_size(answer.body) == 0 ||
            (limit && n >= limit))
            return r;
        free(after);
        after = TAKE_PTR(answer.next);
    }
    return r;
}

int api_each(struct session *session, const struct client_request *request,
             const struct schema_kind *kind, size_t limit, api_visit_fn *visit, void *context)
{
    struct client_request base = *request;
    int r;

    client_work(session->client, request->doing ? request->doing : "listing", limit);
    r = each_page(session, &base, kind, limit, visit, context);
    client_work(session->client, NULL, 0);
    return r;
}
