/* SPDX-License-Identifier: Apache-2.0 */
/* Documents from files, directories, addresses and standard input. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "cli/api/api.h"
#include "cli/client/fetch.h"

static const char *const suffixes[] = {".yaml", ".yml", ".json", NULL};

void sources_clear(struct sources *sources)
{
    for (size_t i = 0; i < sources->n; i++) {
        free(sources->items[i].name);
        free(sources->items[i].text);
    }
    free(sources->items);
    *sources = (struct sources){0};
}

/* `text` is taken over, also when it fails. */
static int keep(struct cli_call *call, struct sources *sources, const char *name, char *text,
                size_t len)
{
    if (sources->n == sources->room) {
        size_t room = sources->room ? sources->room * 2 : 16;
        struct source *items = realloc(sources->items, room * sizeof(*items));

        if (!items) {
            free(text);
            return cli_no_memory(call);
        }
        sources->items = items;
        sources->room = room;
    }
    if (sources->n >= API_SOURCES_MAX) {
        free(text);
        return cli_usage_error(call, "more than %d files", API_SOURCES_MAX);
    }
    sources->items[sources->n] = (struct source){.name = strdup(name), .text = text, .len = len};
    return sources->items[sources->n++].name ? CLI_DONE : cli_no_memory(call);
}

static int unreadable(struct cli_call *call, const char *name, const char *why)
{
    _cleanup_free_
    char *safe = text_safe(name);

    cli_error(call, "cannot read %s: %s", safe ? safe : "", why);
    return CLI_USAGE;
}

static int add_stdin(struct cli_call *call, struct sources *sources)
{
    _cleanup_buf_ struct buf text = BUF_INIT(MODEL_DOCUMENT_BYTES_MAX);
    char part[16384];
    size_t n;

    while ((n = fread(part, 1, sizeof(part), stdin)) > 0 && !text.error)
        buf_append(&text, part, n);
    if (ferror(stdin) || text.error)
        return unreadable(call, "standard input", text.error ? "too long" : "input error");
    n = text.len;
    return keep(call, sources, "standard input", n ? buf_steal(&text) : strdup(""), n);
}

static int add_url(struct cli_call *call, const char *url, struct sources *sources)
{
    _cleanup_buf_ struct buf text = BUF_INIT(MODEL_DOCUMENT_BYTES_MAX), problem = BUF_INIT(2048);
    size_t len;

    if (client_fetch(url, &problem, &text) < 0) {
        cli_complain(call, problem.data ? problem.data : "out of memory");
        return CLI_FAILED;
    }
    len = text.len;
    return keep(call, sources, url, len ? buf_steal(&text) : strdup(""), len);
}

static int add_directory(struct cli_call *call, const char *path, struct sources *sources)
{
    _cleanup_(strv_free) char **names = NULL;
    size_t n = 0;
    int r = dir_list(path, suffixes, &names, &n);

    if (r < 0)
        return unreadable(call, path, error_text(r));
    if (n == 0)
        return unreadable(call, path, "found no *.yaml, *.yml or *.json in it");
    for (size_t i = 0; i < n; i++) {
        _cleanup_free_
        char *file = NULL;
        char *text;
        size_t len;

        if (asprintf(&file, "%s/%s", path, names[i]) < 0)
            return cli_no_memory(call);
        r = file_read(file, MODEL_DOCUMENT_BYTES_MAX, &text, &len);
        if (r < 0)
            return unreadable(call, file, error_text(r));
        r = keep(call, sources, file, text, len);
        if (r != CLI_DONE)
            return r;
    }
    return CLI_DONE;
}

int sources_add(struct cli_call *call, const char *what, struct sources *sources)
{
    char *text;
    size_t len;
    int r;

    if (strcmp(what, "-") == 0)
        return add_stdin(call, sources);
    if (strncmp(what, "https://", 8) == 0 || strncmp(what, "http://", 7) == 0)
        return add_url(call, what, sources);
    r = file_read(what, MODEL_DOCUMENT_BYTES_MAX, &text, &len);
    if (r == -EISDIR)
        return add_directory(call, what, sources);
    return r < 0 ? unreadable(call, what, error_text(r)) : keep(call, sources, what, text, len);
}

int source_parse(struct cli_call *call, const struct source *source, struct document **ret)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    int r = document_parse(source->name, source->text, source->len,
                           document_format_of(source->name), &diagnostics, ret);

    if (r == 0)
        return CLI_DONE;
    if (r != -BULKHEAD_EINVALID_INPUT)
        return cli_no_memory(call);
    for (size_t i = 0; i < diagnostics.n; i++) {
        _cleanup_free_
        char *text = diagnostic_format(&diagnostics.items[i]);

        cli_complain(call, text ? text : source->name);
    }
    return CLI_USAGE;
}

/* ---- Nodes -------------------------------------------------------------------------------- */

static json_t *list_json(const struct node *node)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < node->n_children; i++) {
        if (json_array_append_new(list, node_json(node->children[i])) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *map_json(const struct node *node)
{
    json_t *map = json_object();

    for (size_t i = 0; map && i < node->n_children; i++) {
        if (json_object_set_new(map, node->children[i]->key, node_json(node->children[i])) < 0) {
            json_decref(map);
            return NULL;
        }
    }
    return map;
}

/* Only what JSON can say: .inf and .nan stay text, and the table says what was expected. */
static json_t *float_json(const struct node *node)
{
    char *end;
    double value = strtod(node->text, &end);
    json_t *number = *end ? NULL : json_real(value);

    return number ? number : json_string(node->text);
}

json_t *node_json(const struct node *node)
{
    switch (node->kind) {
    case NODE_NULL:
        return json_null();
    case NODE_BOOL:
        return json_boolean(node->boolean);
    case NODE_INTEGER:
        return json_integer(node->integer);
    case NODE_FLOAT:
        return float_json(node);
    case NODE_STRING:
        return json_stringn(node->text, node->text_len);
    case NODE_LIST:
        return list_json(node);
    case NODE_MAP:
        return map_json(node);
    }
    return NULL;
}

/* One step of a path: ".name", "name" or "[3]"; moves *path behind it. NULL: not there. */
static const struct node *step_to(const struct node *node, const char **path)
{
    const char *at = *path;

    if (*at == '[') {
        size_t i = strtoul(at + 1, (char **)&at, 10);

        *path = at + (*at == ']');
        return node->kind == NODE_LIST && i < node->n_children ? node->children[i] : NULL;
    }
    at += *at == '.';
    {
        size_t len = strcspn(at, ".[");
        _cleanup_free_
        char *key = strndup(at, len);

        *path = at + len;
        return key && len > 0 && node->kind == NODE_MAP ? node_get(node, key) : NULL;
    }
}

const struct node *node_at(const struct node *root, const char *path)
{
    while (*path) {
        const struct node *next = step_to(root, &path);

        if (!next)
            return root;
        root = next;
    }
    return root;
}
