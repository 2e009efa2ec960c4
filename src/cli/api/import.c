/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead api import, export. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "cli/api/envelope.h"

/* ---- Values ------------------------------------------------------------------------------- */

static int add_values_file(struct cli_call *call, const char *path, json_t *values)
{
    _cleanup_sources_ struct sources sources = {0};
    int r = sources_add(call, path, &sources);

    for (size_t i = 0; r == CLI_DONE && i < sources.n; i++) {
        _cleanup_document_ struct document *document = NULL;
        const struct node *root;
        json_t *more;

        r = source_parse(call, &sources.items[i], &document);
        root = r == CLI_DONE && document_count(document) ? document_root(document, 0) : NULL;
        if (!root)
            continue;
        if (root->kind != NODE_MAP || document_count(document) > 1)
            return cli_usage_error(call, "--values: expected files with one map each");
        more = node_json(root);
        if (!more || values_merge(values, more) < 0)
            r = cli_no_memory(call);
        json_decref(more);
    }
    return r;
}

static int read_values(struct cli_call *call, json_t *values)
{
    const struct cli_given *given;
    size_t at = 0;
    int r = CLI_DONE;

    while (r == CLI_DONE && (given = cli_next(call, "values", &at)))
        r = add_values_file(call, given->value, values);
    at = 0;
    while (r == CLI_DONE && (given = cli_next(call, "set", &at)))
        if (values_set(values, given->value, given->key_len, given->second) < 0)
            r = cli_usage_error(call, "--set: expected KEY=VALUE, KEY like a.b.c, in UTF-8");
    return r;
}

/* ---- Reading ------------------------------------------------------------------------------ */

struct importing {
    struct cli_call *call;
    json_t *root; /* of templates */
    json_t *envelope;
};

static int read_source(struct importing *importing, const struct source *source)
{
    _cleanup_template_output_ struct template_output rendered = TEMPLATE_OUTPUT_INIT;
    struct cli_call *call = importing->call;
    int r;

    if (cli_flag(call, "no-render")) {
        buf_append(&rendered.text, source->text, source->len);
        r = CLI_DONE;
    } else {
        r = envelope_render(call, source, importing->root, &rendered);
    }
    if (r != CLI_DONE)
        return r;
    if (cli_flag(call, "render")) {
        const char *text = rendered.text.data ? rendered.text.data : "";

        fputs(text, call->output.out);
        if (*text && text[strlen(text) - 1] != '\n')
            fputc('\n', call->output.out);
        return CLI_DONE;
    }
    return envelope_add(call, source, &rendered, importing->envelope);
}

/* All that a label made can go without the files that it was made from. */
static bool deletes_label(const struct cli_call *call)
{
    return cli_flag(call, "delete") && cli_value(call, "label");
}

static int read_sources(struct importing *importing)
{
    _cleanup_sources_ struct sources sources = {0};
    struct cli_call *call = importing->call;
    const struct cli_given *given;
    size_t at = 0;
    int r = CLI_DONE, worst = CLI_DONE;

    while (r == CLI_DONE && (given = cli_next(call, "file", &at)))
        r = sources_add(call, given->value, &sources);
    at = 0;
    while (r == CLI_DONE && (given = cli_next(call, "url", &at)))
        r = sources_add(call, given->value, &sources);
    for (size_t i = 0; r == CLI_DONE && i < call->n_arguments; i++)
        r = sources_add(call, call->arguments[i], &sources);
    if (r == CLI_DONE && sources.n == 0 && !deletes_label(call))
        r = cli_usage_error(call, "FILE is missing: files, directories, addresses, or -");
    for (size_t i = 0; r == CLI_DONE && i < sources.n; i++) {
        if (cli_flag(call, "render") && i > 0)
            fputs("---\n", call->output.out);
        if (read_source(importing, &sources.items[i]) != CLI_DONE)
            worst = CLI_USAGE; /* and go on: say all that is wrong */
    }
    return r == CLI_DONE ? worst : r;
}

/* ---- What came of it ---------------------------------------------------------------------- */

static enum cli_colour colour_of_operation(const char *text)
{
    return strcmp(text, "create") == 0   ? CLI_GREEN
           : strcmp(text, "delete") == 0 ? CLI_RED
           : strcmp(text, "update") == 0 ? CLI_YELLOW
                                         : CLI_PLAIN;
}

static const char *const colour_codes[] = {
    [CLI_PLAIN] = "", [CLI_GREEN] = "\033[32m", [CLI_RED] = "\033[31m", [CLI_YELLOW] = "\033[33m"};

static void print_line(const struct cli_output *output, enum cli_colour colour, const char *text)
{
    _cleanup_free_
    char *safe = text_safe(text);

    fprintf(output->out, "%s%s%s\n", output->colours ? colour_codes[colour] : "", safe ? safe : "",
            output->colours && colour != CLI_PLAIN ? "\033[0m" : "");
}

static void print_change(const struct cli_output *output, const json_t *change)
{
    const char *operation = json_string_value(json_object_get(change, "operation"));
    const char *diff = json_string_value(json_object_get(change, "diff"));
    _cleanup_free_
    char *identity = json_member_text(change, "identity"),
         *namespace = json_member_text(change, "namespace"),
         *name = json_member_text(change, "name"), *head = NULL;

    if (!operation || !identity || !namespace || !name ||
        asprintf(&head, "%s %s %s in %s", operation, identity, name, namespace) < 0)
        return;
    print_line(output, colour_of_operation(operation), head);
    while (diff && *diff) {
        size_t len = strcspn(diff, "\n");
        _cleanup_free_
        char *line = NULL;

        if (asprintf(&line, "    %.*s", (int)len, diff) < 0)
            return;
        print_line(output, *diff == '+' ? CLI_GREEN : *diff == '-' ? CLI_RED : CLI_PLAIN, line);
        diff += len + (diff[len] == '\n');
    }
}

static int print_result(struct cli_call *call, const json_t *result, bool dry_run)
{
    static const struct cli_column columns[] = {
        {.title = "OPERATION", .key = "operation", .colour = colour_of_operation},
        {.title = "IDENTITY", .key = "identity"},
        {.title = "NAMESPACE", .key = "namespace"},
        {.title = "NAME", .key = "name"},
    };
    const json_t *changes = json_object_get(result, "changes");
    json_t *change;
    size_t i;
    int r = CLI_DONE;

    if (call->output.format != CLI_TABLE)
        return cli_answer(call, result);
    if (!dry_run)
        r = cli_answer_list(call, changes, columns, ARRAY_SIZE(columns));
    else
        json_array_foreach(changes, i, change) print_change(&call->output, change);
    if (r == CLI_DONE)
        fprintf(call->err, "bulkhead: %s%zu change%s, %lld objects as they were\n",
                dry_run ? "would make " : "", json_array_size(changes),
                json_array_size(changes) == 1 ? "" : "s",
                (long long)json_integer_value(json_object_get(result, "unchanged")));
    return r;
}

static int send_import(struct session *session, const json_t *envelope)
{
    struct cli_call *call = session->call;
    bool dry_run = cli_flag(call, "dry-run");
    json_t *body = json_pack("{s:s, s:O}", "mode", cli_flag(call, "delete") ? "Remove" : "Import",
                             "data", envelope);
    _cleanup_client_answer_ struct client_answer answer = {0};
    struct client_request request = {.method = "POST",
                                     .path = "/import",
                                     .body = body,
                                     .idempotency_key = !dry_run,
                                     .doing = "importing"};
    int r = body ? CLI_DONE : cli_no_memory(call);

    if (dry_run)
        client_query(&request, "dryRun", "true");
    if (cli_flag(call, "override") || cli_flag(call, "force"))
        client_query(&request, "override", "true");
    if (r == CLI_DONE)
        r = session_send(session, &request, &answer);
    json_decref(body);
    return r == CLI_DONE ? print_result(call, answer.body, dry_run) : r;
}

static int prepare(struct importing *importing, const char *api, const char *namespace)
{
    const char *label = cli_value(importing->call, "label");
    json_t *values = json_object();
    int r = values ? read_values(importing->call, values) : cli_no_memory(importing->call);

    importing->root = envelope_root(values, api, namespace);
    importing->envelope = json_pack("{s:i, s:{}}", "APIVersion", 1, "data");
    json_decref(values);
    if (!importing->root || !importing->envelope)
        return cli_no_memory(importing->call);
    if (label)
        json_object_set_new(importing->envelope, "label", json_string(label));
    return r;
}

/* Rendering needs no Console, only what is known about it. */
static int render_only(struct cli_call *call)
{
    _cleanup_settings_ struct settings settings = {0};
    struct importing importing = {.call = call};
    int r = session_settings(call, NULL, &settings);

    if (r == CLI_DONE)
        r = prepare(&importing, settings.values[SETTING_API] ? settings.values[SETTING_API] : "",
                    settings.values[SETTING_NAMESPACE] ? settings.values[SETTING_NAMESPACE] : "/");
    if (r == CLI_DONE)
        r = read_sources(&importing);
    json_decref(importing.root);
    json_decref(importing.envelope);
    return r;
}

int cli_api_import(struct cli_call *call)
{
    _cleanup_session_ struct session session = {0};
    struct importing importing = {.call = call};
    int r;

    if (cli_flag(call, "render"))
        return render_only(call);
    r = session_open(call, &session);
    if (r == CLI_DONE)
        r = prepare(&importing, client_api(session.client), session.namespace);
    if (r == CLI_DONE)
        r = read_sources(&importing);
    if (r == CLI_DONE && envelope_count(importing.envelope) == 0 &&
        !json_object_get(importing.envelope, "label"))
        r = cli_usage_error(call, "there is no object in what was given");
    if (r == CLI_DONE)
        r = send_import(&session, importing.envelope);
    json_decref(importing.root);
    json_decref(importing.envelope);
    return r;
}

/* ---- export ------------------------------------------------------------------------------- */

static int add_identities(struct cli_call *call, json_t *body)
{
    const struct cli_given *given;
    json_t *list = json_array();
    size_t at = 0;
    int r = list ? CLI_DONE : cli_no_memory(call);

    while (r == CLI_DONE && (given = cli_next(call, "identity", &at))) {
        const struct schema_kind *kind;

        r = api_kind(call, given->value, 0, &kind);
        if (r == CLI_DONE)
            json_array_append_new(list, json_string(kind->name));
    }
    for (size_t i = 0; r == CLI_DONE && i < call->n_arguments; i++) {
        const struct schema_kind *kind;

        r = api_kind(call, call->arguments[i], 0, &kind);
        if (r == CLI_DONE)
            json_array_append_new(list, json_string(kind->name));
    }
    if (json_array_size(list) > 0)
        json_object_set(body, "identities", list);
    json_decref(list);
    return r;
}

/* Names in an export are relative to where it was made; with a base, they are below that. */
static void put_below(json_t *object, const char *attribute, const char *base)
{
    const char *name = json_string_value(json_object_get(object, attribute));
    size_t len = strlen(base);

    while (len > 0 && base[len - 1] == '/')
        len--;
    if (!name && strcmp(attribute, "name") == 0)
        return;
    json_object_set_new(object, attribute,
                        name && *name ? json_sprintf("%.*s/%s", (int)len, base, name)
                                      : json_sprintf("%.*s", (int)len, base));
}

static void rebase(json_t *envelope, const char *base)
{
    const char *plural;
    json_t *list, *object;
    size_t i;

    json_object_foreach(json_object_get(envelope, "data"), plural, list)
    {
        json_array_foreach(list, i, object)
            put_below(object, strcmp(plural, "namespaces") == 0 ? "name" : "namespace", base);
    }
}

int cli_api_export(struct cli_call *call)
{
    _cleanup_session_ struct session session = {0};
    _cleanup_client_answer_ struct client_answer answer = {0};
    const char *label = cli_value(call, "label"), *base = cli_value(call, "base");
    json_t *body = json_object();
    struct client_request request = {
        .method = "POST", .path = "/export", .body = body, .doing = "exporting"};
    const struct cli_given *given;
    size_t at = 0;
    int r = session_open(call, &session);

    if (r == CLI_DONE)
        r = add_identities(call, body);
    if (label)
        json_object_set_new(body, "label", json_string(label));
    while ((given = cli_next(call, "filter", &at)) && request.n_query < CLIENT_PARAMETERS_MAX / 2)
        client_query(&request, "q", given->value);
    if (cli_flag(call, "recursive"))
        client_query(&request, "recursive", "true");
    if (r == CLI_DONE)
        r = session_send(&session, &request, &answer);
    json_decref(body);
    if (r != CLI_DONE)
        return r;
    if (base)
        rebase(answer.body, base);
    if (call->output.format == CLI_TABLE)
        call->output.format = CLI_YAML;
    return cli_answer(call, answer.body);
}
