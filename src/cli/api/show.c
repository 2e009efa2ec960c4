/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "cli/api/api.h"

static const char *const usual_columns[] = {"ID", "name", "namespace", NULL};

int show_format(struct cli_call *call, const struct settings *settings)
{
    static const char *const names[] = {"table", "json", "yaml", "none", "template"};
    const char *wanted = settings->values[SETTING_OUTPUT];

    if (cli_value(call, "output") || !wanted)
        return CLI_DONE;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(names[i], wanted) == 0) {
            call->output.format = (enum cli_format)i;
            return CLI_DONE;
        }
    }
    return cli_usage_error(call, "output, in the profile or BULKHEAD_OUTPUT: found something else, "
                                 "expected table, json, yaml, none or template");
}

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

static int parse_template(struct show *show)
{
    const char *text = cli_value(show->call, "template");
    _cleanup_buf_ struct buf problem = BUF_INIT(2048);
    int r;

    if (text && !cli_value(show->call, "output"))
        show->call->output.format = CLI_TEMPLATE;
    if (show->call->output.format != CLI_TEMPLATE)
        return CLI_DONE;
    if (!text)
        return cli_usage_error(show->call, "-o template: expected --template TEXT as well");
    r = template_parse("--template", text, strlen(text), &problem, &show->template);
    if (r == 0)
        return CLI_DONE;
    cli_complain(show->call, problem.data ? problem.data : "out of memory");
    return CLI_USAGE;
}

int show_open(struct cli_call *call, const struct session *session, const struct schema_kind *kind,
              struct show *ret)
{
    int r = session ? show_format(call, &session->settings) : CLI_DONE;

    *ret = (struct show){.call = call, .kind = kind};
    if (r == CLI_DONE)
        r = add_columns(ret);
    if (r == CLI_DONE)
        r = parse_template(ret);
    if (r == CLI_DONE && !(ret->rows = json_array()))
        r = cli_no_memory(call);
    return r;
}

void show_clear(struct show *show)
{
    json_decref(show->rows);
    template_free(&show->template);
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

static int print_template(struct show *show, const json_t *object)
{
    _cleanup_template_output_ struct template_output out = TEMPLATE_OUTPUT_INIT;
    _cleanup_buf_ struct buf problem = BUF_INIT(2048);
    int r = template_run(show->template, object, &problem, &out);

    if (r < 0) {
        cli_complain(show->call, problem.data ? problem.data : "out of memory");
        return CLI_USAGE;
    }
    /* What a template gives is for programs: as it is. On a terminal, escaped. */
    if (isatty(fileno(show->call->output.out)))
        return cli_print_safe(show->call, out.text.data ? out.text.data : "");
    fprintf(show->call->output.out, "%s\n", out.text.data ? out.text.data : "");
    return CLI_DONE;
}

int show_add(struct show *show, json_t *object)
{
    json_t *part = cut(show, object);
    int r = part ? 0 : -ENOMEM, status = CLI_DONE;

    if (r == 0) {
        switch (show->call->output.format) {
        case CLI_TABLE:
            r = json_array_append(show->rows, part);
            break;
        case CLI_TEMPLATE:
            status = print_template(show, part);
            break;
        case CLI_NONE:
            break;
        default:
            r = output_list_item(&show->call->output, show->n, part);
        }
    }
    show->n++;
    json_decref(part);
    return r < 0 ? cli_no_memory(show->call) : status;
}

int show_end(struct show *show)
{
    struct cli_column columns[API_COLUMNS_MAX] = {0};

    if (!show->single &&
        (show->call->output.format == CLI_JSON || show->call->output.format == CLI_YAML))
        output_list_end(&show->call->output, show->n);
    if (show->call->output.format != CLI_TABLE)
        return CLI_DONE;
    for (size_t i = 0; i < show->n_columns; i++)
        columns[i] = (struct cli_column){.title = show->names[i], .key = show->names[i]};
    if (output_table(&show->call->output, show->rows, columns, show->n_columns) < 0)
        return cli_no_memory(show->call);
    return CLI_DONE;
}

static int print_pairs(const struct show *show, const json_t *object)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)object, key, value)
    {
        _cleanup_free_
        char *name = text_safe(key), *text = json_text(value);

        if (!name || !text)
            return cli_no_memory(show->call);
        if ((*text || show->chosen) &&
            output_pair(&show->call->output, name, text, colour_of_verdict(text)) < 0)
            return cli_no_memory(show->call);
    }
    return CLI_DONE;
}

int show_one(struct show *show, json_t *object)
{
    json_t *part = cut(show, object);
    int r = CLI_DONE;

    if (!part)
        return cli_no_memory(show->call);
    switch (show->call->output.format) {
    case CLI_TABLE:
        r = print_pairs(show, part);
        break;
    case CLI_TEMPLATE:
        r = print_template(show, part);
        break;
    case CLI_NONE:
        break;
    default:
        if (output_document(&show->call->output, part) < 0)
            r = cli_no_memory(show->call);
    }
    json_decref(part);
    return r;
}
