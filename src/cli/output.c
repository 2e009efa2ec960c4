/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/output.h"

#include <errno.h>
#include <libsmartcols.h>
#include <string.h>
#include <wchar.h>

#include "base/buf.h"

#define OUTPUT_CELL_BYTES_MAX ((size_t)16 << 20)
#define OUTPUT_PATH_MAX 128

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

static int print_json(FILE *out, const json_t *value, size_t flags)
{
    _cleanup_free_
    char *text = json_dumps(value, flags | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);

    if (!text)
        return -ENOMEM;
    for (const char *at = text; *at; at++) { /* DEL can stand in strings only */
        if (*at == '\x7f')
            fputs("\\u007f", out);
        else
            fputc(*at, out);
    }
    fputc('\n', out);
    return 0;
}

int output_list_item(const struct cli_output *output, size_t i, const json_t *value)
{
    _cleanup_free_
    char *text = NULL;

    if (output->format == CLI_YAML) {
        json_t *list = json_pack("[O]", value);
        int r = list ? output_yaml(output->out, list, false) : -ENOMEM;

        json_decref(list);
        return r;
    }
    text = json_dumps(value, JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
    if (!text)
        return -ENOMEM;
    fputs(i ? ",\n  " : "[\n  ", output->out);
    for (const char *at = text; *at; at++) {
        if (*at == '\x7f')
            fputs("\\u007f", output->out);
        else
            fputc(*at, output->out);
        if (*at == '\n')
            fputs("  ", output->out);
    }
    return 0;
}

void output_list_end(const struct cli_output *output, size_t n)
{
    if (n == 0)
        fputs("[]\n", output->out);
    else if (output->format == CLI_JSON)
        fputs("\n]\n", output->out);
}

int output_document(const struct cli_output *output, const json_t *value)
{
    assert(output->format != CLI_TABLE);
    if (output->format == CLI_YAML)
        return output_yaml(output->out, value, false);
    return print_json(output->out, value, JSON_INDENT(2));
}

int output_streamed(const struct cli_output *output, const json_t *value)
{
    assert(output->format != CLI_TABLE);
    if (output->format == CLI_YAML)
        return output_yaml(output->out, value, true);
    return print_json(output->out, value, JSON_COMPACT);
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

static int add_line(struct libscols_table *table, const json_t *row,
                    const struct cli_column *columns, size_t n_columns)
{
    struct libscols_line *line = scols_table_new_line(table, NULL);

    if (!line)
        return -ENOMEM;
    for (size_t i = 0; i < n_columns; i++) {
        enum cli_colour colour = CLI_PLAIN;
        char *text = cell_text(&columns[i], row, &colour);

        if (!text || scols_line_refer_data(line, i, text) < 0) {
            free(text);
            return -ENOMEM;
        }
        if (colour != CLI_PLAIN)
            scols_cell_set_color(scols_line_get_cell(line, i), colour_sequence(colour));
    }
    return 0;
}

static struct libscols_table *new_table(const struct cli_output *output,
                                        const struct cli_column *columns, size_t n_columns)
{
    struct libscols_table *table = scols_new_table();

    if (!table)
        return NULL;
    scols_table_set_stream(table, output->out);
    scols_table_enable_noheadings(table, !output->headers);
    scols_table_enable_colors(table, output->colours);
    scols_table_enable_noencoding(table, 1); /* text_safe() did that, and more */
    scols_table_set_column_separator(table, "  ");
    scols_table_set_termforce(table, SCOLS_TERMFORCE_NEVER); /* never cut a cell */
    for (size_t i = 0; i < n_columns; i++) {
        if (!scols_table_new_column(table, columns[i].title, 0,
                                    columns[i].right ? SCOLS_FL_RIGHT : 0)) {
            scols_unref_table(table);
            return NULL;
        }
    }
    return table;
}

/* libsmartcols prints nothing at all for an empty table. */
static void print_titles(const struct cli_output *output, const struct cli_column *columns,
                         size_t n_columns)
{
    for (size_t i = 0; output->headers && i < n_columns; i++)
        fprintf(output->out, "%s%s", columns[i].title, i + 1 < n_columns ? "  " : "\n");
}

int output_table(const struct cli_output *output, const json_t *array,
                 const struct cli_column *columns, size_t n_columns)
{
    struct libscols_table *table;
    json_t *row;
    size_t i;
    int r = 0;

    if (json_array_size(array) == 0) {
        print_titles(output, columns, n_columns);
        return 0;
    }
    table = new_table(output, columns, n_columns);
    if (!table)
        return -ENOMEM;
    json_array_foreach(array, i, row)
    {
        r = add_line(table, row, columns, n_columns);
        if (r < 0)
            break;
    }
    if (r == 0 && scols_print_table(table) < 0)
        r = -ENOMEM;
    scols_unref_table(table);
    return r;
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
    return 0;
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
