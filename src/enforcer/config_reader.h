/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Reading a configuration: a table of keys per map, each with the kinds its value may have and a
 * function that takes it. Kinds, unknown keys and missing keys are checked by node_check_map.
 */

#include "enforcer/config.h"

#define READER_PATH_MAX 512

struct reader {
    const struct document *document;
    struct diagnostics *diagnostics;
    struct config *config;
    struct config_unit *unit; /* while one is read */
    int error;                /* sticky: -ENOMEM */
};

typedef void reader_fn(struct reader *reader, const struct node *node, const char *path);

struct reader_field {
    const char *key;
    unsigned kinds; /* bit mask of 1 << enum node_kind */
    bool required;
    reader_fn *read;
};

void config_read_map(struct reader *reader, const struct node *map, const char *path,
                     const struct reader_field *fields, size_t n);
/* Each child must be of `kinds`. */
void config_read_list(struct reader *reader, const struct node *list, const char *path,
                      unsigned kinds, reader_fn *read);
/* "found …, expected …" at the node. @param node  NULL: at the file's start */
void config_problem(struct reader *reader, const struct node *node, const char *path,
                    const char *expected, ...) _printf_(4, 5);
void config_warn(struct reader *reader, const struct node *node, const char *path,
                 const char *text);
void config_read_text(struct reader *reader, const char *text, char **ret);
/* A file name; a relative one hangs below the directory of the configuration. */
void config_read_path(struct reader *reader, const struct node *node, const char *path, char **ret);
/* Index of the word, or -1 with a problem. */
int config_read_word(struct reader *reader, const struct node *node, const char *path,
                     const char *const *words, size_t n);
void config_read_tags(struct reader *reader, const struct node *list, const char *path,
                      struct tag_set *set);
void config_read_cidrs(struct reader *reader, const struct node *list, const char *path,
                       struct cidr_list *cidrs);

/* ---- config_console.c: what counts with mode: console --------------------------------------- */

reader_fn config_read_console, config_read_credentials, config_read_token, config_read_ca,
    config_read_proxy, config_read_cloud;
/* What is missing in the mode, and what counts only in the other one. */
void config_check_mode(struct reader *reader, const struct node *root);
void config_console_free(struct config *config);
