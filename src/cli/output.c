/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/output.h"

#include <errno.h>
#include <string.h>
#include <wchar.h>

#include "cli/template/template.h"

#define OUTPUT_CELL_BYTES_MAX ((size_t)16 << 20)
#define OUTPUT_PATH_MAX 128
#define OUTPUT_WIDTH_MAX 4096 /* what is wider moves the rest of its row */

const char *const cli_formats[] = {
    [CLI_TABLE] = "table", [CLI_JSON] = "json",         [CLI_YAML] = "yaml",
    [CLI_NONE] = "none",   [CLI_TEMPLATE] = "template", [CLI_FORMATS_N] = NULL};

enum cli_format cli_format_find(const char *name)
{
    size_t i = 0;

    while (cli_formats[i] && strcmp(cli_formats[i], name) != 0)
        i++;
    return (enum cli_format)i;
}

static const char *colour_sequence(enum cli_colour colour)
{
    static const char *const sequences[] = {NULL, "\033[32m", "\033[31m", "\033[33m", "\033[1m"};

    return sequences[colour];
}

enum cli_colour colour_of_verdict(const char *text)
{
    if (strcmp(text, "Accept") == 0 || strcmp(text, "Allow") == 0)
        return CLI_GREEN;
    if (strcmp(text, "Reject") == 0)
        return CLI_RED;
    return CLI_PLAIN;
}

/* ---- Values as text ---------------------------------------------------------------------------
 */

static void append_value(struct buf *buf, const json_t *value)
{
    _cleanup_free_
    char *inner = NULL;
    json_t *item;
    size_t i;

    switch (value ? json_typeof(value) : JSON_NULL) {
    case JSON_STRING:
        buf_puts(buf, json_string_value(value));
        break;
    case JSON_INTEGER:
        buf_printf(buf, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        buf_printf(buf, "%.15g", json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        buf_puts(buf, json_is_true(value) ? "yes" : "no");
        break;
    case JSON_NULL:
        break;
    case JSON_ARRAY:
        json_array_foreach(value, i, item)
        {
            _cleanup_free_
            char *text = json_text(item);

            buf_printf(buf, "%s%s", i ? "," : "", text ? text : "");
        }
        break;
    case JSON_OBJECT:
        inner = json_dumps(value, JSON_COMPACT | JSON_ENSURE_ASCII);
        buf_puts(buf, inner ? inner : "");
        break;
    }
}

char *json_text(const json_t *value)
{
    _cleanup_buf_ struct buf buf = BUF_INIT(OUTPUT_CELL_BYTES_MAX);

    append_value(&buf, value);
    if (!buf.error && !buf.data)
        return strdup("");
    return buf_steal(&buf);
}

const json_t *json_member(const json_t *object, const char *path)
{
    while (object) {
        const char *dot = strchr(path, '.');
        char key[OUTPUT_PATH_MAX];

        if (!dot)
            return json_object_get(object, path);
        assert((size_t)(dot - path) < sizeof(key));
        snprintf(key, sizeof(key), "%.*s", (int)(dot - path), path);
        object = json_object_get(object, key);
        path = dot + 1;
    }
    return NULL;
}

char *json_member_text(const json_t *object, const char *path)
{
    return json_text(json_member(object, path));
}

/* ---- JSON -------------------------------------------------------------------------------------
 */

/* `indent` stands behind each line end. */
static int put_json(FILE *out, const json_t *value, size_t flags, const char *indent)
{
    _cleanup_free_
    char *text = json_dumps(value, flags | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);

    if (!text)
        return -ENOMEM;
    for (const char *at = text; *at; at++) {
        if (*at == '\x7f') /* DEL can stand in strings only */
            fputs("\\u007f", out);
        else
            fputc(*at, out);
        if (*at == '\n')
            fputs(indent, out);
    }
    return 0;
}

static int print_json(FILE *out, const json_t *value, size_t flags)
{
    int r = put_json(out, value, flags, "");

    fputc('\n', out);
    return r;
}

static int written(const struct cli_output *output)
{
    return ferror(output->out) ? -EPIPE : 0;
}

int output_safe(const struct cli_output *output, const char *text)
{
    do {
        size_t len = strcspn(text, "\n");
        _cleanup_free_
        char *line = strndup(text, len);
        _cleanup_free_
        char *safe = line ? text_safe(line) : NULL;

        if (!safe)
            return -ENOMEM;
        fprintf(output->out, "%s\n", safe);
        text += len + (text[len] == '\n');
    } while (*text);
    return written(output);
}

/* What a template gives is for programs: as it is. On a terminal, escaped. */
static int print_template(const struct cli_output *output, const json_t *value)
{
    _cleanup_template_output_ struct template_output result = TEMPLATE_OUTPUT_INIT;
    const char *text;
    int r = template_run(output->template, value, output->problem, &result);

    if (r < 0)
        return r;
    text = result.text.data ? result.text.data : "";
    if (isatty(fileno(output->out)))
        return output_safe(output, text);
    fprintf(output->out, "%s\n", text);
    return written(output);
}

static int print_templates(const struct cli_output *output, const json_t *value)
{
    json_t *item;
    size_t i;
    int r = 0;

    if (!json_is_array(value))
        return print_template(output, value);
    json_array_foreach(value, i, item)
    {
        if (r == 0)
            r = print_template(output, item);
    }
    return r;
}

int output_document(const struct cli_output *output, const json_t *value)
{
    int r = 0;

    assert(output->format != CLI_TABLE);
    if (output->format == CLI_YAML)
        r = output_yaml(output->out, value, false);
    else if (output->format == CLI_JSON)
        r = print_json(output->out, value, JSON_INDENT(2));
    else if (output->format == CLI_TEMPLATE)
        r = print_templates(output, value);
    return r < 0 ? r : written(output);
}

int output_streamed(const struct cli_output *output, const json_t *value)
{
    int r;

    if (output->format == CLI_YAML)
        r = output_yaml(output->out, value, true);
    else if (output->format == CLI_JSON)
        r = print_json(output->out, value, JSON_COMPACT);
    else
        return output_document(output, value);
    return r < 0 ? r : written(output);
}

/* ---- Tables -----------------------------------------------------------------------------------
 */

/* The escaped text of a cell, and its colour (judged by the text as it was). */
static char *cell_text(const struct cli_column *column, const json_t *row,
                       enum cli_colour *ret_colour)
{
    _cleanup_free_
    char *raw = column->cell ? column->cell(row) : json_member_text(row, column->key);

    if (!raw)
        return NULL;
    *ret_colour = column->colour ? column->colour(raw) : CLI_PLAIN;
    return text_safe(raw);
}

/* Columns that `text` takes on the terminal. */
static size_t text_width(const char *text)
{
    mbstate_t state = {0};
    size_t width = 0, len = strlen(text);

    while (len > 0) {
        wchar_t c;
        size_t n = mbrtowc(&c, text, len, &state);
        int w;

        if (n == 0 || n > len) /* not text in this locale: a byte is a column */
            return width + len;
        w = wcwidth(c);
        width += w > 0 ? (size_t)w : 0;
        text += n;
        len -= n;
    }
    return width;
}

static void print_cell(const struct cli_output *output, const struct cli_column *column,
                       const char *text, enum cli_colour colour, bool last)
{
    const char *sequence = output->colours ? colour_sequence(colour) : NULL;
    size_t width = text_width(text), pad = column->width > width ? column->width - width : 0;

    if (column->right)
        fprintf(output->out, "%*s", (int)pad, "");
    fprintf(output->out, "%s%s%s", sequence ? sequence : "", text, sequence ? "\033[0m" : "");
    if (!last)
        fprintf(output->out, "%*s  ", column->right ? 0 : (int)pad, "");
}

int output_row(const struct cli_output *output, const json_t *row, const struct cli_column *columns,
               size_t n_columns)
{
    for (size_t i = 0; i < n_columns; i++) {
        enum cli_colour colour = CLI_PLAIN;
        _cleanup_free_
        char *text = row ? cell_text(&columns[i], row, &colour) : strdup(columns[i].title);

        if (!text)
            return -ENOMEM;
        print_cell(output, &columns[i], text, colour, i + 1 == n_columns);
    }
    fputc('\n', output->out);
    return written(output);
}

/* A copy of the columns, each as wide as its title and what is in it; NULL on ENOMEM. */
static struct cli_column *fit(const json_t *rows, const struct cli_column *columns,
                              size_t n_columns)
{
    struct cli_column *fitted = calloc(n_columns + 1, sizeof(*fitted));
    json_t *row;
    size_t i;

    for (size_t c = 0; fitted && c < n_columns; c++) {
        fitted[c] = columns[c];
        fitted[c].width = (unsigned)text_width(columns[c].title);
        json_array_foreach(rows, i, row)
        {
            enum cli_colour colour;
            _cleanup_free_
            char *text = cell_text(&columns[c], row, &colour);
            size_t width = text ? text_width(text) : 0;

            fitted[c].width = MAX(fitted[c].width, (unsigned)MIN(width, (size_t)OUTPUT_WIDTH_MAX));
        }
    }
    return fitted;
}

static int print_rows(const struct cli_output *output, const json_t *rows,
                      const struct cli_column *columns, size_t n_columns)
{
    json_t *row;
    size_t i;
    int r = output->headers ? output_row(output, NULL, columns, n_columns) : 0;

    json_array_foreach(rows, i, row)
    {
        if (r == 0)
            r = output_row(output, row, columns, n_columns);
    }
    return r;
}

int output_table(const struct cli_output *output, const json_t *array,
                 const struct cli_column *columns, size_t n_columns)
{
    _cleanup_free_
    struct cli_column *fitted = fit(array, columns, n_columns);

    return fitted ? print_rows(output, array, fitted, n_columns) : -ENOMEM;
}

/* ---- Lists ------------------------------------------------------------------------------------
 */

static int begin_table(struct output_list *list)
{
    int r;

    list->fitted = fit(list->held, list->columns, list->n_columns);
    if (!list->fitted)
        return -ENOMEM;
    r = print_rows(list->output, list->held, list->fitted, list->n_columns);
    json_decref(list->held);
    list->held = NULL;
    return r;
}

static int add_row(struct output_list *list, const json_t *row)
{
    if (list->fitted)
        return output_row(list->output, row, list->fitted, list->n_columns);
    if (!list->held)
        list->held = json_array();
    if (!list->held || json_array_append(list->held, (json_t *)row) < 0)
        return -ENOMEM;
    return json_array_size(list->held) < OUTPUT_HELD_MAX ? 0 : begin_table(list);
}

static int add_yaml(FILE *out, const json_t *value)
{
    json_t *list = json_pack("[O]", value);
    int r = list ? output_yaml(out, list, false) : -ENOMEM;

    json_decref(list);
    return r;
}

static int add_json(FILE *out, const json_t *value, bool first)
{
    fputs(first ? "[\n  " : ",\n  ", out);
    return put_json(out, value, JSON_INDENT(2), "  ");
}

int output_list_add(struct output_list *list, const json_t *value)
{
    const struct cli_output *output = list->output;
    int r = 0;

    switch (output->format) {
    case CLI_TABLE:
        r = add_row(list, value);
        break;
    case CLI_YAML:
        r = add_yaml(output->out, value);
        break;
    case CLI_JSON:
        r = add_json(output->out, value, list->n == 0);
        break;
    case CLI_TEMPLATE:
        r = print_template(output, value);
        break;
    case CLI_NONE:
    case CLI_FORMATS_N:
        break;
    }
    list->n++;
    return r < 0 ? r : written(output);
}

int output_list_end(struct output_list *list)
{
    const struct cli_output *output = list->output;
    int r = 0;

    if (output->format == CLI_TABLE && !list->fitted)
        r = begin_table(list);
    else if (output->format == CLI_JSON)
        fputs(list->n ? "\n]\n" : "[]\n", output->out);
    else if (output->format == CLI_YAML && list->n == 0)
        fputs("[]\n", output->out);
    return r < 0 ? r : written(output);
}

void output_list_clear(struct output_list *list)
{
    free(list->fitted);
    json_decref(list->held);
    *list = (struct output_list){0};
}

int output_pair(const struct cli_output *output, const char *name, const char *value,
                enum cli_colour colour)
{
    static const struct cli_column column = {.width = 18};
    _cleanup_free_
    char *safe = text_safe(value);

    if (!safe)
        return -ENOMEM;
    print_cell(output, &column, name, CLI_PLAIN, false);
    print_cell(output, &column, safe, colour, true);
    fputc('\n', output->out);
    return 0;
}
