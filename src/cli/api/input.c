/* SPDX-License-Identifier: Apache-2.0 */
/* Objects from -f, -d and -k, in this order: what comes later counts. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "cli/api/api.h"

void input_report(struct cli_call *call, const struct schema_problems *problems, const char *where)
{
    for (size_t i = 0; i < problems->n; i++) {
        _cleanup_free_
        char *attribute = text_safe(problems->items[i].attribute),
             *message = text_safe(problems->items[i].message);

        cli_error(call, "%s%s%s%s%s", where ? where : "", where ? ": " : "",
                  attribute ? attribute : "", attribute && *attribute ? ": " : "",
                  message ? message : "");
    }
    if (problems->n_dropped)
        cli_error(call, "(%zu more problems)", problems->n_dropped);
}

int input_check(struct cli_call *call, const struct schema_kind *kind, const json_t *object,
                const json_t *stored, const char *where)
{
    _cleanup_schema_problems_ struct schema_problems problems = {0};
    json_t *accepted = NULL;
    int r = schema_accept(kind, SCHEMA_WRITER_USER, object, stored, stored != NULL, &problems,
                          &accepted);

    json_decref(accepted);
    if (r == 0)
        return CLI_DONE;
    if (r != -BULKHEAD_EINVALID_INPUT)
        return cli_no_memory(call);
    input_report(call, &problems, where);
    return CLI_USAGE;
}

/* ---- -f ----------------------------------------------------------------------------------- */

static int add_root(struct cli_call *call, const struct source *source, const struct node *root,
                    json_t *list)
{
    if (root->kind == NODE_MAP)
        return json_array_append_new(list, node_json(root)) < 0 ? cli_no_memory(call) : CLI_DONE;
    if (root->kind == NODE_LIST) {
        for (size_t i = 0; i < root->n_children; i++) {
            int r = add_root(call, source, root->children[i], list);

            if (r != CLI_DONE)
                return r;
        }
        return CLI_DONE;
    }
    {
        _cleanup_free_
        char *name = text_safe(source->name);

        cli_error(call, "%s:%u: found %s, expected an object or a list of objects",
                  name ? name : "", root->line, node_kind_name(root));
    }
    return CLI_USAGE;
}

static int read_source(struct cli_call *call, const struct source *source, json_t *list)
{
    _cleanup_document_ struct document *document = NULL;
    int r = source_parse(call, source, &document);

    for (size_t i = 0; r == CLI_DONE && i < document_count(document); i++)
        if (document_root(document, i))
            r = add_root(call, source, document_root(document, i), list);
    return r;
}

static int read_files(struct cli_call *call, json_t *list)
{
    _cleanup_sources_ struct sources sources = {0};
    const struct cli_given *given;
    size_t at = 0;
    int r = CLI_DONE;

    while (r == CLI_DONE && (given = cli_next(call, "file", &at)))
        r = sources_add(call, given->value, &sources);
    for (size_t i = 0; r == CLI_DONE && i < sources.n; i++)
        r = read_source(call, &sources.items[i], list);
    return r;
}

/* ---- -d, -k ------------------------------------------------------------------------------- */

static int merge(struct cli_call *call, json_t *list, const json_t *more)
{
    json_t *object;
    size_t i;

    json_array_foreach(list, i, object)
    {
        /* A member of its own for each: -k appends to lists. */
        json_t *copy = json_deep_copy(more);
        int r = copy ? json_object_update(object, copy) : -1;

        json_decref(copy);
        if (r < 0)
            return cli_no_memory(call);
    }
    return CLI_DONE;
}

static int read_data(struct cli_call *call, const char *text, json_t *list)
{
    struct source source = {.name = (char *)"-d", .text = (char *)text, .len = strlen(text)};
    json_t *data = json_array();
    int r = data ? read_source(call, &source, data) : cli_no_memory(call);

    if (r == CLI_DONE && json_array_size(list) == 0)
        r = json_array_extend(list, data) < 0 ? cli_no_memory(call) : CLI_DONE;
    else if (r == CLI_DONE && json_array_size(data) == 1)
        r = merge(call, list, json_array_get(data, 0));
    json_decref(data);
    return r;
}

/* In a file it stands because the object was read; here somebody means it. */
static bool is_read_only(const struct schema_kind *kind, const char *key)
{
    const struct schema_attribute *attribute = schema_attribute_find(kind, key);

    return attribute && (attribute->flags & (SCHEMA_READ_ONLY | SCHEMA_COMPUTED));
}

static int read_keys(struct cli_call *call, const struct schema_kind *kind, json_t *object)
{
    const struct cli_given *given;
    size_t at = 0;

    while ((given = cli_next(call, "key", &at))) {
        _cleanup_free_
        char *key = strndup(given->value, given->key_len);
        _cleanup_buf_ struct buf problem = BUF_INIT(4096);
        int r = key ? value_set(kind, object, key, given->second, &problem) : -ENOMEM;

        if (r == 0 && is_read_only(kind, key))
            return cli_usage_error(call, "-k %s: cannot be set, only read", key);

        if (r == -BULKHEAD_EINVALID_INPUT) {
            cli_complain(call, problem.data ? problem.data : "-k");
            return CLI_USAGE;
        }
        if (r < 0)
            return cli_no_memory(call);
    }
    return CLI_DONE;
}

int input_read(struct cli_call *call, const struct schema_kind *kind, bool many, json_t **ret_list)
{
    json_t *list = json_array(), *keys = json_object();
    const char *data = cli_value(call, "data");
    int r = list && keys ? read_files(call, list) : cli_no_memory(call);

    if (r == CLI_DONE && data)
        r = read_data(call, data, list);
    if (r == CLI_DONE && json_array_size(list) == 0)
        json_array_append_new(list, json_object());
    if (r == CLI_DONE)
        r = read_keys(call, kind, keys);
    if (r == CLI_DONE)
        r = merge(call, list, keys);
    if (r == CLI_DONE && !many && json_array_size(list) != 1)
        r = cli_usage_error(call, "found %zu objects, expected one", json_array_size(list));
    json_decref(keys);
    if (r != CLI_DONE) {
        json_decref(list);
        return r;
    }
    *ret_list = list;
    return CLI_DONE;
}

/* ---- Numbers ------------------------------------------------------------------------------ */

int api_number(struct cli_call *call, const char *option, size_t max, size_t *ret)
{
    const char *text = cli_value(call, option);
    unsigned long long number;
    char *end;

    *ret = 0;
    if (!text)
        return CLI_DONE;
    errno = 0;
    number = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || number < 1 || number > max)
        return cli_usage_error(call, "--%s: expected a number from 1 to %zu", option, max);
    *ret = (size_t)number;
    return CLI_DONE;
}

/* ---- Asking ------------------------------------------------------------------------------- */

int api_confirm(struct cli_call *call, const char *question, const char *flag)
{
    char answer[8];

    if (!isatty(STDIN_FILENO))
        return cli_usage_error(call, "%s There is no terminal to ask on: give --%s", question,
                               flag);
    fprintf(call->err, "%s [y/N] ", question);
    fflush(call->err);
    if (fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
        return CLI_DONE;
    cli_error(call, "nothing was done");
    return CLI_FAILED;
}
