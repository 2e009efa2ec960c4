/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/api/envelope.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"

/* ---- Rendering ---------------------------------------------------------------------------- */

json_t *envelope_root(const json_t *values, const char *api, const char *namespace)
{
    json_t *console = json_pack("{s:s, s:s}", "API", api, "Namespace", namespace), *root;

    root = json_pack("{s:O, s:O, s:o}", "Values", values, "Aporeto", console, "Bulkhead", console);
    return root;
}

int envelope_render(struct cli_call *call, const struct source *source, const json_t *root,
                    struct template_output *ret)
{
    _cleanup_template_ struct template *template = NULL;
    _cleanup_buf_ struct buf problem = BUF_INIT(4096);
    int r = template_parse(source->name, source->text, source->len, &problem, &template);

    if (r == 0)
        r = template_run(template, root, &problem, ret);
    if (r == 0)
        return CLI_DONE;
    cli_complain(call, problem.data ? problem.data : "out of memory");
    return r == -BULKHEAD_EINVALID_INPUT ? CLI_USAGE : CLI_FAILED;
}

/* ---- Reading ------------------------------------------------------------------------------ */

struct reader {
    struct cli_call *call;
    const struct source *source;
    const struct template_output *rendered;
    json_t *envelope;
    int result;
};

static void wrong(struct reader *reader, unsigned line, const char *path, const char *message)
{
    _cleanup_free_
    char *name = text_safe(reader->source->name), *safe = text_safe(message),
         *where = text_safe(path);

    reader->result = CLI_USAGE;
    cli_error(reader->call, "%s:%u: %s%s%s", name ? name : "",
              template_output_line(reader->rendered, line), where ? where : "",
              where && *where ? ": " : "", safe ? safe : "");
}

/* Problems of one object, each with the line of the attribute. */
static void check_object(struct reader *reader, const struct schema_kind *kind,
                         const struct node *node, const char *path, json_t *object)
{
    _cleanup_schema_problems_ struct schema_problems problems = {0};
    json_t *accepted = NULL;
    int r = schema_accept(kind, SCHEMA_WRITER_USER, object, NULL, false, &problems, &accepted);

    json_decref(accepted);
    if (r == -ENOMEM)
        reader->result = cli_no_memory(reader->call);
    for (size_t i = 0; i < problems.n; i++) {
        const char *attribute = problems.items[i].attribute;
        const struct node *at = node_at(node, attribute);
        _cleanup_free_
        char *whole = NULL;

        if (asprintf(&whole, "%s%s%s", path, *attribute && *attribute != '[' ? "." : "",
                     attribute) >= 0)
            wrong(reader, at == node ? node->line : at->line, whole, problems.items[i].message);
    }
}

static void add_object(struct reader *reader, const struct schema_kind *kind,
                       const struct node *node, size_t i, json_t *list)
{
    _cleanup_free_
    char *path = NULL;
    json_t *object;

    if (asprintf(&path, "data.%s[%zu]", kind->plural, i) < 0) {
        reader->result = cli_no_memory(reader->call);
        return;
    }
    if (node->kind != NODE_MAP) {
        wrong(reader, node->line, path, "found something else, expected an object");
        return;
    }
    object = node_json(node);
    if (!object || json_array_append_new(list, object) < 0)
        reader->result = cli_no_memory(reader->call);
    else
        check_object(reader, kind, node, path, object);
}

static void unknown_kind(struct reader *reader, const struct node *node)
{
    const char *nearest = schema_kind_nearest(node->key);
    const struct schema_kind *meant = nearest ? schema_kind_find(nearest) : NULL;
    char message[256];

    if (meant)
        snprintf(message, sizeof(message), "unknown kind '%.60s'; did you mean '%s'?", node->key,
                 meant->plural);
    else
        snprintf(message, sizeof(message), "unknown kind '%.60s', expected the plural of a kind",
                 node->key);
    wrong(reader, node->key_line, "data", message);
}

static void add_list(struct reader *reader, const struct node *node)
{
    const struct schema_kind *kind = schema_kind_by_plural(node->key);
    json_t *data = json_object_get(reader->envelope, "data"), *list;

    if (!kind || kind->hidden) {
        unknown_kind(reader, node);
        return;
    }
    if (node->kind == NODE_NULL)
        return;
    if (node->kind != NODE_LIST) {
        wrong(reader, node->line, node->key, "found something else, expected a list of objects");
        return;
    }
    list = json_object_get(data, kind->plural);
    if (!list) {
        list = json_array();
        json_object_set_new(data, kind->plural, list);
    }
    for (size_t i = 0; i < node->n_children; i++)
        add_object(reader, kind, node->children[i], i, list);
}

/* One envelope has one label: two would replace each other. */
static void set_label(struct reader *reader, const struct node *node)
{
    const char *present = json_string_value(json_object_get(reader->envelope, "label"));

    if (node->kind == NODE_NULL || cli_value(reader->call, "label"))
        return;
    if (present && strcmp(present, node->text) != 0)
        wrong(reader, node->line, "label",
              "found another label than before: import these files one by one, or give --label");
    else
        json_object_set_new(reader->envelope, "label", json_string(node->text));
}

static void add_document(struct reader *reader, const struct document *document,
                         const struct node *root)
{
    static const struct node_field fields[] = {
        {"APIVersion", 1u << NODE_INTEGER, false},
        {"label", 1u << NODE_STRING | 1u << NODE_NULL | 1u << NODE_INTEGER, false},
        {"identities", 1u << NODE_LIST | 1u << NODE_NULL, false},
        {"data", 1u << NODE_MAP | 1u << NODE_NULL, true},
    };
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    const struct node *data, *label;

    if (root->kind != NODE_MAP) {
        wrong(reader, root->line, "",
              "found something else, expected an import envelope "
              "{APIVersion, label, data}");
        return;
    }
    if (!node_check_map(document, root, "", fields, ARRAY_SIZE(fields), &diagnostics)) {
        for (size_t i = 0; i < diagnostics.n; i++)
            wrong(reader, diagnostics.items[i].line,
                  diagnostics.items[i].path ? diagnostics.items[i].path : "",
                  diagnostics.items[i].message);
        return;
    }
    label = node_get(root, "label");
    if (label)
        set_label(reader, label);
    data = node_get(root, "data");
    for (size_t i = 0; data && data->kind == NODE_MAP && i < data->n_children; i++)
        add_list(reader, data->children[i]);
}

int envelope_add(struct cli_call *call, const struct source *source,
                 const struct template_output *rendered, json_t *envelope)
{
    struct reader reader = {call, source, rendered, envelope, CLI_DONE};
    _cleanup_document_ struct document *document = NULL;
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    const char *text = rendered->text.data ? rendered->text.data : "";
    int r = document_parse(source->name, text, rendered->text.len, document_format_of(source->name),
                           &diagnostics, &document);

    if (r < 0 && r != -BULKHEAD_EINVALID_INPUT)
        return cli_no_memory(call);
    for (size_t i = 0; i < diagnostics.n; i++)
        wrong(&reader, diagnostics.items[i].line,
              diagnostics.items[i].path ? diagnostics.items[i].path : "",
              diagnostics.items[i].message);
    for (size_t i = 0; document && i < document_count(document); i++)
        if (document_root(document, i))
            add_document(&reader, document, document_root(document, i));
    return reader.result;
}

size_t envelope_count(const json_t *envelope)
{
    const char *plural;
    json_t *list;
    size_t n = 0;

    json_object_foreach(json_object_get(envelope, "data"), plural, list) n += json_array_size(list);
    return n;
}
