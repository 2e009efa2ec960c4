/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* How the readers of model say what is wrong. Private to model. */

#include "model/model.h"

/*
 * Where in a document: a list on the stack that becomes text only when there is something to
 * report. The outermost part has no parent; its key is the text that the path starts with, or NULL.
 */
struct path {
    const struct path *parent;
    const char *key; /* NULL: an index of a list */
    size_t index;
};
#define PATH_ROOT ((struct path){0})
#define PATH_KEY(up, name) ((struct path){.parent = (up), .key = (name)})
#define PATH_INDEX(up, i) ((struct path){.parent = (up), .index = (i)})

struct check {
    const char *file;
    struct diagnostics *diagnostics;
};

/* Foreign text for a message: quoted, shortened, escaped. Use: quoted(text).text */
#define QUOTED_MAX 512
struct quoted {
    char text[QUOTED_MAX];
};
struct quoted quoted(const char *text);
struct quoted quoted_len(const char *text, size_t len);
/* "a string 'abc'", "an integer '5'", "a list" */
struct quoted described(const struct node *node);

void check_report(const struct check *check, enum diagnostic_severity severity, unsigned line,
                  unsigned column, const struct path *path, const char *format, ...) _printf_(6, 7);
#define check_error(check, node, path, ...)                                                        \
    check_report((check), DIAGNOSTIC_ERROR, (node)->line, (node)->column, (path), __VA_ARGS__)
#define check_warning(check, node, path, ...)                                                      \
    check_report((check), DIAGNOSTIC_WARNING, (node)->line, (node)->column, (path), __VA_ARGS__)

bool check_map(const struct check *check, const struct node *map, const struct path *path,
               const struct node_field *fields, size_t n);
/* A string that is one of `words`; its index, or -1 after an error was added. */
int check_word(const struct check *check, const struct node *node, const struct path *path,
               const char *const *words, size_t n);
/* A string of min..max characters without control characters. */
bool check_text(const struct check *check, const struct node *node, const struct path *path,
                size_t min, size_t max);

/* Room for one more item behind `n`, for arrays that grow by doubling. */
int array_grow(void *array, size_t n, size_t item_bytes);
