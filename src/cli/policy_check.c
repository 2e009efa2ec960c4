/* SPDX-License-Identifier: Apache-2.0 */
/* `bulkhead policy check`: what the parser says, and what is likely a mistake. */
#include <errno.h>
#include <string.h>

#include "cli/lint.h"
#include "cli/load.h"

static json_t *diagnostic_json(const struct diagnostic *diagnostic)
{
    return json_pack("{s:s, s:s, s:i, s:i, s:s, s:s}", "severity",
                     diagnostic->severity == DIAGNOSTIC_ERROR ? "error" : "warning", "file",
                     diagnostic->file ? diagnostic->file : "", "line", (int)diagnostic->line,
                     "column", (int)diagnostic->column, "path",
                     diagnostic->path ? diagnostic->path : "", "message", diagnostic->message);
}

static json_t *diagnostics_json(const struct diagnostics *diagnostics)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < diagnostics->n; i++) {
        if (json_array_append_new(list, diagnostic_json(&diagnostics->items[i])) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static enum cli_colour colour_of_severity(const char *text)
{
    return *text == 'e' ? CLI_RED : CLI_YELLOW;
}

/* "file:line: path: message", which editors and grep understand */
static char *text_of_problem(const json_t *row)
{
    struct diagnostic diagnostic = {
        .file = (char *)json_string_value(json_object_get(row, "file")),
        .line = (unsigned)json_integer_value(json_object_get(row, "line")),
        .path = (char *)json_string_value(json_object_get(row, "path")),
        .message = (char *)json_string_value(json_object_get(row, "message")),
    };

    if (!*diagnostic.file)
        diagnostic.file = NULL;
    if (!*diagnostic.path)
        diagnostic.path = NULL;
    return diagnostic_format(&diagnostic);
}

static int print_problems(const struct cli_call *call, const struct diagnostics *diagnostics)
{
    static const struct cli_column columns[] = {
        {.title = "SEVERITY", .key = "severity", .colour = colour_of_severity},
        {.title = "PLACE: PROBLEM", .cell = text_of_problem},
    };
    _cleanup_json_ json_t *list = diagnostics_json(diagnostics);

    if (!list)
        return -ENOMEM;
    if (call->output.format != CLI_TABLE)
        return output_document(&call->output, list);
    if (diagnostics->n == 0)
        return 0;
    return output_table(&call->output, list, columns, ARRAY_SIZE(columns));
}

/* For people who wonder whether anything was looked at. */
static void print_summary(const struct cli_call *call, const struct diagnostics *diagnostics,
                          const struct estate *estate, size_t n_files)
{
    if (diagnostics->n_dropped)
        fprintf(call->err, "(%zu more problems)\n", diagnostics->n_dropped);
    if (estate && diagnostics->n == 0 && isatty(STDERR_FILENO) && call->output.format == CLI_TABLE)
        fprintf(call->err, "No problems: %zu files, %zu namespaces, %zu networks, %zu rulesets.\n",
                n_files, estate->n_namespaces, estate->n_networks, estate->n_rulesets);
}

/* By place, so that what belongs together stands together. */
static int compare_places(const void *a, const void *b)
{
    const struct diagnostic *x = a, *y = b;
    int r = strcmp(x->file ? x->file : "", y->file ? y->file : "");

    if (r != 0)
        return r;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    if (x->column != y->column)
        return x->column < y->column ? -1 : 1;
    return strcmp(x->message, y->message);
}

int cli_policy_check(struct cli_call *call)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    _cleanup_estate_ struct estate *estate = NULL;
    const char *namespace = NULL;
    size_t n_files = 0;
    int r = load_namespace(call, &namespace);

    if (r == CLI_DONE)
        r = load_estate(call, namespace, call->arguments, call->n_arguments, &diagnostics, &estate,
                        &n_files);
    if (r != CLI_DONE)
        return r;
    if (estate && lint_estate(estate, &diagnostics) < 0)
        return cli_no_memory(call);
    if (diagnostics.n > 1)
        qsort(diagnostics.items, diagnostics.n, sizeof(*diagnostics.items), compare_places);
    r = cli_answered(call, print_problems(call, &diagnostics));
    if (r != CLI_DONE)
        return r;
    print_summary(call, &diagnostics, estate, n_files);
    if (diagnostics.n_errors > 0)
        return CLI_FAILED;
    return diagnostics.n_warnings > 0 && cli_flag(call, "strict") ? CLI_FAILED : CLI_DONE;
}
