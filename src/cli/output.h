/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Answers: a JSON tree, printed as it is (JSON, YAML) or as a table by a list of columns.
 *
 * Nothing that comes from outside reaches the terminal raw: names, tags and messages may hold
 * escape sequences. JSON and YAML are written in ASCII (everything else as \u), tables through
 * text_escape().
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/macros.h"

enum cli_format { CLI_TABLE, CLI_JSON, CLI_YAML, CLI_NONE, CLI_TEMPLATE, CLI_FORMATS_N };
/* Their names, in their order, NULL-terminated. */
extern const char *const cli_formats[];
/* CLI_FORMATS_N: there is none of this name. */
enum cli_format cli_format_find(const char *name);

#define OUTPUT_HELD_MAX 1000 /* rows that a table waits for, to know how wide its columns are */

struct template;

struct cli_output {
    FILE *out;
    enum cli_format format;
    bool headers, colours;
    const struct template *template; /* of CLI_TEMPLATE */
    struct buf *problem;             /* what was wrong with it */
};

enum cli_colour { CLI_PLAIN, CLI_GREEN, CLI_RED, CLI_YELLOW, CLI_BOLD };

/*
 * One column of a table. `cell` gives its text for a row, owned by the caller, not escaped; without
 * `cell`, the row's member `key` as text (lists joined by commas).
 */
struct cli_column {
    const char *title;
    const char *key;
    char *(*cell)(const json_t *row);
    enum cli_colour (*colour)(const char *text);
    bool right;
    unsigned width; /* of output_row(): at least so wide */
};

/*
 * A copy of `text` that is safe on a terminal and in one line: control characters (C0, DEL, C1),
 * line and direction controls of Unicode and broken UTF-8 become \n, \t, \xNN or \u{NNNN}, a
 * backslash becomes two. With `ascii`, so does everything beyond ASCII.
 *
 * @return owned by the caller, NULL on ENOMEM
 */
char *text_escape(const char *text, bool ascii);
/* text_escape() for what this process may print: ASCII unless the locale has UTF-8. */
char *text_safe(const char *text);

/* Text of a scalar or list of scalars; "" for NULL and null. Owned by the caller. */
char *json_text(const json_t *value);
/* The same for a member, by a path of keys such as "source.name". */
char *json_member_text(const json_t *object, const char *path);
const json_t *json_member(const json_t *object, const char *path);

/* Green for Accept and Allow, red for Reject. */
enum cli_colour colour_of_verdict(const char *text);

/*
 * What prints returns 0; -ENOMEM; -EPIPE when nothing more can be written; of a template
 * -BULKHEAD_EINVALID_INPUT with a problem.
 */

/* One document in the format asked for; tables are not its business. A template is run for each
 * element of a list. */
int output_document(const struct cli_output *output, const json_t *value);
/* One value on one line (JSON), or one YAML document: for endless streams. */
int output_streamed(const struct cli_output *output, const json_t *value);
/* Rows of `array` as a table. */
int output_table(const struct cli_output *output, const json_t *array,
                 const struct cli_column *columns, size_t n_columns);

/*
 * A list that is printed while it comes, in any format; what comes out is what output_document()
 * and output_table() print, but for one thing: columns of a table are as wide as its first
 * OUTPUT_HELD_MAX rows need. No more than these are in memory.
 */
struct output_list {
    const struct cli_output *output;
    const struct cli_column *columns;
    size_t n_columns;
    struct cli_column *fitted; /* the columns with widths; NULL: not known yet */
    json_t *held;              /* rows until then */
    size_t n;
};
int output_list_add(struct output_list *list, const json_t *value);
int output_list_end(struct output_list *list);
void output_list_clear(struct output_list *list);

/* One row of a table with the widths of its columns. With row NULL: the titles. */
int output_row(const struct cli_output *output, const json_t *row, const struct cli_column *columns,
               size_t n_columns);
/* Lines of foreign text, each escaped. */
int output_safe(const struct cli_output *output, const char *text);
/* "name: value" lines. */
int output_pair(const struct cli_output *output, const char *name, const char *value,
                enum cli_colour colour);

/* One document in YAML 1.2 block style; `marked`: with "---" before it. 0, -ENOMEM or -EIO. */
int output_yaml(FILE *out, const json_t *value, bool marked);

#define _cleanup_json_ _cleanup_(json_decrefp)
