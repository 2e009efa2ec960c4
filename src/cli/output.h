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

#include "base/macros.h"

/* The last two are for objects of the Console only. */
enum cli_format { CLI_TABLE, CLI_JSON, CLI_YAML, CLI_NONE, CLI_TEMPLATE };

struct cli_output {
    FILE *out;
    enum cli_format format;
    bool headers, colours;
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
    unsigned width; /* at least so wide when rows are printed one by one */
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

/* One document in the format asked for; tables are not its business. 0 or -ENOMEM. */
int output_document(const struct cli_output *output, const json_t *value);
/* One value on one line (JSON), or one YAML document: for endless streams. */
int output_streamed(const struct cli_output *output, const json_t *value);
/* The i-th (from 0) element of a list that is printed while it comes (JSON, YAML), and the end of
 * one with n elements. What comes out is one document, as of output_document(). */
int output_list_item(const struct cli_output *output, size_t i, const json_t *value);
void output_list_end(const struct cli_output *output, size_t n);
/* Rows of `array` as a table. 0 or -ENOMEM. */
int output_table(const struct cli_output *output, const json_t *array,
                 const struct cli_column *columns, size_t n_columns);
/* One row of a table that goes on: fixed widths. With row NULL: the titles. 0 or -ENOMEM. */
int output_row(const struct cli_output *output, const json_t *row, const struct cli_column *columns,
               size_t n_columns);
/* "name: value" lines. */
int output_pair(const struct cli_output *output, const char *name, const char *value,
                enum cli_colour colour);

/* One document in YAML 1.2 block style; `marked`: with "---" before it. 0, -ENOMEM or -EIO. */
int output_yaml(FILE *out, const json_t *value, bool marked);

#define _cleanup_json_ _cleanup_(json_decrefp)
