/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "cli/api/api.h"

static const char *const usual_columns[] = {"ID", "name", "namespace", NULL};

/* ---- Opening ------------------------------------------------------------------------------ */

static int add_column(struct show *show, const char *name)
{
    const char *nearest;
    _cleanup_free_
    char *safe = text_safe(name);

    if (show->n_columns == API_COLUMNS_MAX)
        return cli_usage_error(show->call, "-c: more than %d columns", API_COLUMNS_MAX);
    if (!show->kind || schema_attribute_find(show->kind, name)) {
        show->names[show->n_columns++] = name;
        return CLI_DONE;
    }
    nearest = api_attribute_nearest(show->kind, name);
    return cli_usage_error(show->call, "-c: %s has no attribute '%s'%s%s%s", show->kind->name,
                           safe ? safe : "", nearest ? "; did you mean '" : "",
                           nearest ? nearest : "", nearest ? "'?" : "");
}

static int add_columns(struct show *show)
{
    const char *const *columns =
        show->kind && show->kind->columns ? show->kind->columns : usual_columns;
    const struct cli_given *given;
    size_t at = 0;
    int r = CLI_DONE;

    while (r == CLI_DONE && (given = cli_next(show->call, "column", &at))) {
        show->chosen = true;
        r = add_column(show, given->value);
    }
    for (size_t i = 0; r == CLI_DONE && !show->chosen && columns[i]; i++)
        if (!show->kind || schema_attribute_find(show->kind, columns[i]))
            r = add_column(show, columns[i]);
    return r;
}

int show_open(struct cli_call *call, const struct schema_kind *kind, struct show *ret)
{
    *ret = (struct show){.call = call, .kind = kind};
    return add_columns(ret);
}

void show_clear(struct show *show)
{
    output_list_clear(&show->list);
    *show = (struct show){0};
}

const char *const *show_fields(const struct show *show)
{
    return show->chosen || show->call->output.format == CLI_TABLE ? show->names : NULL;
}

/* ---- Printing ----------------------------------------------------------------------------- */

/* The columns of an object, when some were chosen: the Console may answer more. */
static json_t *cut(const struct show *show, json_t *object)
{
    json_t *part;

    if (!show->chosen)
        return json_incref(object);
    part = json_object();
    for (size_t i = 0; part && i < show->n_columns; i++) {
        json_t *value = json_object_get(object, show->names[i]);

        if (value)
            json_object_set(part, show->names[i], value);
    }
    return part;
}

static struct output_list *list_of(struct show *show)
{
    if (show->list.output)
        return &show->list;
    for (size_t i = 0; i < show->n_columns; i++)
        show->columns[i] = (struct cli_column){.title = show->names[i], .key = show->names[i]};
    show->list = (struct output_list){
        .output = &show->call->output, .columns = show->columns, .n_columns = show->n_columns};
    return &show->list;
}

int show_add(struct show *show, json_t *object)
{
    json_t *part = cut(show, object);
    int r = part ? output_list_add(list_of(show), part) : -ENOMEM;

    json_decref(part);
    return cli_answered(show->call, r);
}

int show_end(struct show *show)
{
    return cli_answered(show->call, output_list_end(list_of(show)));
}

static int print_pairs(const struct show *show, const json_t *object)
{
    static const struct cli_column columns[] = {
        {.title = "", .key = "name"},
        {.title = "", .key = "value", .colour = colour_of_verdict},
    };
    struct cli_output output = show->call->output;
    json_t *pairs = json_array();
    const char *key;
    json_t *value;
    int r = pairs ? 0 : -ENOMEM;

    output.headers = false;
    json_object_foreach((json_t *)object, key, value)
    {
        _cleanup_free_
        char *text = json_text(value);

        if (r == 0 && (!text || ((*text || show->chosen) &&
                                 json_array_append_new(pairs, json_pack("{s:s, s:s}", "name", key,
                                                                        "value", text)) < 0)))
            r = -ENOMEM;
    }
    if (r == 0)
        r = output_table(&output, pairs, columns, ARRAY_SIZE(columns));
    json_decref(pairs);
    return cli_answered(show->call, r);
}

int show_one(struct show *show, json_t *object)
{
    json_t *part = cut(show, object);
    int r;

    if (!part)
        return cli_no_memory(show->call);
    r = show->call->output.format == CLI_TABLE ? print_pairs(show, part)
                                               : cli_answer(show->call, part);
    json_decref(part);
    return r;
}
