/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead api info, describe, stub (from the tables, without a Console), search, all. */
#include <string.h>

#include "cli/api/api.h"

#define INDENT_MAX 1000

/* ---- info --------------------------------------------------------------------------------- */

static json_t *words_of(const char *const *words)
{
    json_t *list = json_array();

    for (; words && *words; words++)
        json_array_append_new(list, json_string(*words));
    return list;
}

static json_t *verbs_of(unsigned verbs)
{
    static const char *const names[] = {"list", "create", "get", "update", "delete"};
    json_t *list = json_array();

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (verbs & (1u << i))
            json_array_append_new(list, json_string(names[i]));
    return list;
}

static json_t *kind_json(const struct schema_kind *kind)
{
    json_t *routes = json_array();

    for (size_t i = 0; i < kind->n_sub_routes; i++)
        json_array_append_new(routes,
                              json_sprintf("%s/ID/%s", kind->plural, kind->sub_routes[i].child));
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:s}", "name", kind->name, "plural", kind->plural,
                     "aliases", words_of(kind->aliases), "verbs", verbs_of(kind->verbs),
                     "subRoutes", routes, "help", kind->help);
}

int cli_api_info(struct cli_call *call)
{
    static const struct cli_column columns[] = {
        {.title = "RESOURCE", .key = "plural"},
        {.title = "ALIASES", .key = "aliases"},
        {.title = "VERBS", .key = "verbs"},
        {.title = "HELP", .key = "help"},
    };
    const struct schema_kind *const *kinds;
    const struct schema_kind *only = NULL;
    json_t *list = json_array();
    size_t n;
    int r = CLI_DONE;

    if (call->n_arguments > 0)
        r = api_kind(call, call->arguments[0], 0, &only);
    kinds = schema_kinds(&n);
    for (size_t i = 0; r == CLI_DONE && i < n; i++)
        if (kinds[i]->plural && !kinds[i]->hidden && (!only || only == kinds[i]))
            json_array_append_new(list, kind_json(kinds[i]));
    if (r == CLI_DONE)
        r = cli_answer_list(call, list, columns, ARRAY_SIZE(columns));
    json_decref(list);
    return r;
}

/* ---- describe ----------------------------------------------------------------------------- */

static char *type_text(const struct schema_attribute *attribute)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        return NULL;
    stub_type(attribute, out);
    fclose(out);
    return text;
}

static json_t *flags_of(unsigned flags)
{
    static const struct {
        unsigned flag;
        const char *name;
    } names[] = {
        {SCHEMA_REQUIRED, "required"},           {SCHEMA_READ_ONLY, "read-only"},
        {SCHEMA_CREATION_ONLY, "creation-only"}, {SCHEMA_ENFORCER_WRITES, "enforcer-writes"},
        {SCHEMA_TRANSIENT, "not-stored"},        {SCHEMA_SECRET, "secret"},
        {SCHEMA_DEPRECATED, "deprecated"},       {SCHEMA_NO_EFFECT, "no-effect"},
    };
    json_t *list = json_array();

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (flags & names[i].flag)
            json_array_append_new(list, json_string(names[i].name));
    return list;
}

static void add_attributes(const struct schema_kind *kind, const char *prefix, bool full,
                           unsigned depth, json_t *list)
{
    const struct schema_attribute *attribute;

    for (size_t i = 0; (attribute = schema_attribute_at(kind, i)); i++) {
        _cleanup_free_
        char *type = type_text(attribute), *name = NULL;

        if (!type || asprintf(&name, "%s%s", prefix, attribute->name) < 0)
            return;
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:o, s:s}", "attribute", name, "type", type, "default",
                            attribute->fallback ? attribute->fallback : "", "flags",
                            flags_of(attribute->flags), "help", attribute->help));
        if (full && attribute->embedded && depth > 0) {
            _cleanup_free_
            char *inner = NULL;

            if (asprintf(&inner, "%s%s.", name, attribute->type == SCHEMA_OBJECTS ? "[]" : "") >= 0)
                add_attributes(attribute->embedded, inner, full, depth - 1, list);
        }
    }
}

int cli_api_describe(struct cli_call *call)
{
    static const struct cli_column columns[] = {
        {.title = "ATTRIBUTE", .key = "attribute"}, {.title = "TYPE", .key = "type"},
        {.title = "DEFAULT", .key = "default"},     {.title = "FLAGS", .key = "flags"},
        {.title = "HELP", .key = "help"},
    };
    const struct schema_kind *kind;
    json_t *list = NULL;
    int r = api_kind(call, call->arguments[0], 0, &kind);

    if (r != CLI_DONE)
        return r;
    list = json_array();
    add_attributes(kind, "", cli_flag(call, "full"), 4, list);
    r = cli_answer_list(call, list, columns, ARRAY_SIZE(columns));
    json_decref(list);
    return r;
}

/* ---- stub --------------------------------------------------------------------------------- */

static int print_stub(struct cli_call *call, const struct schema_kind *kind, const json_t *object,
                      size_t indent)
{
    _cleanup_free_
    char *text = NULL;
    size_t len;
    struct cli_output output = call->output;
    int r = CLI_DONE;

    output.out = open_memstream(&text, &len);
    if (!output.out)
        return cli_no_memory(call);
    if (output.format == CLI_TABLE || output.format == CLI_YAML)
        stub_print(kind, object, output.out);
    else
        r = cli_answered(call, output_document(&output, object));
    if (fclose(output.out) != 0)
        return cli_no_memory(call);
    for (const char *at = text; r == CLI_DONE && *at; at++) {
        if (at == text || at[-1] == '\n')
            fprintf(call->output.out, "%*s", (int)indent, "");
        fputc(*at, call->output.out);
    }
    return r;
}

int cli_api_stub(struct cli_call *call)
{
    const struct schema_kind *kind;
    json_t *object;
    size_t indent = 0;
    int r = api_kind(call, call->arguments[0], SCHEMA_CREATE, &kind);

    if (r == CLI_DONE && cli_value(call, "indent"))
        r = api_number(call, "indent", INDENT_MAX, &indent);
    if (r != CLI_DONE)
        return r;
    object = stub_object(kind);
    r = object ? print_stub(call, kind, object, indent) : cli_no_memory(call);
    json_decref(object);
    return r;
}

/* ---- search, all -------------------------------------------------------------------------- */

int cli_api_search(struct cli_call *call)
{
    _cleanup_session_ struct session session = {0};
    _cleanup_show_ struct show show = {0};
    _cleanup_client_answer_ struct client_answer answer = {0};
    _cleanup_buf_ struct buf words = BUF_INIT(4096);
    struct client_request request = {.method = "GET", .path = "/search", .doing = "searching"};
    json_t *hit;
    size_t i;
    int r = session_open(call, &session);

    if (r == CLI_DONE)
        r = show_open(call, schema_kind_find("search"), &show);
    for (i = 0; i < call->n_arguments; i++)
        buf_printf(&words, "%s%s", i ? " " : "", call->arguments[i]);
    if (r == CLI_DONE && words.error)
        r = cli_usage_error(call, "too many words");
    if (r != CLI_DONE)
        return r;
    client_query(&request, "q", words.data);
    if (cli_flag(call, "recursive"))
        client_query(&request, "recursive", "true");
    r = session_send(&session, &request, &answer);
    json_array_foreach(answer.body, i, hit)
    {
        if (r == CLI_DONE)
            r = show_add(&show, hit);
    }
    return r == CLI_DONE ? show_end(&show) : r;
}

struct all {
    struct show *show;
    const struct schema_kind *kind;
};

static int add_named(void *context, json_t *object)
{
    struct all *all = context;

    json_object_set_new(object, "resource", json_string(all->kind->plural));
    return show_add(all->show, object);
}

/* Every object of a namespace: kinds that are stored, that people can make, and that the caller may
 * read. */
int cli_api_all(struct cli_call *call)
{
    static const long not_for_us[] = {403, 404, 0};
    static const char *const fields[] = {"ID", "name", "namespace", NULL};
    _cleanup_session_ struct session session = {0};
    _cleanup_show_ struct show show = {0};
    const struct schema_kind *const *kinds;
    size_t n;
    int r = session_open(call, &session);

    if (r == CLI_DONE)
        r = show_open(call, NULL, &show);
    if (r != CLI_DONE)
        return r;
    memmove(show.names + 1, show.names, sizeof(show.names[0]) * show.n_columns);
    show.names[0] = "resource";
    show.n_columns++;
    kinds = schema_kinds(&n);
    for (size_t i = 0; r == CLI_DONE && i < n; i++) {
        _cleanup_free_
        char *path = kinds[i]->plural ? api_path(kinds[i], NULL) : NULL;
        _cleanup_client_answer_ struct client_answer first = {0};
        struct client_request request = {.method = "GET", .path = path};
        struct all all = {&show, kinds[i]};

        if (!path || kinds[i]->hidden || !kinds[i]->stored || !(kinds[i]->verbs & SCHEMA_LIST))
            continue;
        if (call->output.format == CLI_TABLE)
            request.fields = fields;
        r = api_add_parameters(call, &request, kinds[i], 0);
        client_query(&request, "limit", "1");
        if (r == CLI_DONE) /* may we? */
            r = session_try(&session, &request, not_for_us, &first);
        request.n_query--;
        if (r == CLI_DONE && first.status == 200 && json_array_size(first.body) > 0)
            r = api_each(&session, &request, kinds[i], 0, add_named, &all);
    }
    return r == CLI_DONE ? show_end(&show) : r;
}
