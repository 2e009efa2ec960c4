/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/config_reader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"

#define READER_FIELDS_MAX 32
#define FOUND_BYTES_MAX 1024

/* What the user wrote, for people: scalars in quotes, cut and escaped, else the kind. */
static void describe_found(const struct node *node, struct buf *buf)
{
    if (!node)
        buf_puts(buf, "nothing");
    else if (node->kind == NODE_LIST || node->kind == NODE_MAP || node->kind == NODE_NULL)
        buf_puts(buf, node_kind_name(node));
    else
        text_quote(buf, node->text, node->text_len);
}

void config_problem(struct reader *reader, const struct node *node, const char *path,
                    const char *expected, ...)
{
    _cleanup_buf_ struct buf found = BUF_INIT(FOUND_BYTES_MAX);
    char text[512];
    va_list args;

    va_start(args, expected);
    text_vformat(text, sizeof(text), expected, args);
    va_end(args);
    describe_found(node, &found);
    diagnostics_add(reader->diagnostics, DIAGNOSTIC_ERROR, reader->config->file,
                    node ? node->line : 1, node ? node->column : 1, path, "found %s, expected %s",
                    found.data ? found.data : "it", text);
}

void config_warn(struct reader *reader, const struct node *node, const char *path, const char *text)
{
    diagnostics_add(reader->diagnostics, DIAGNOSTIC_WARNING, reader->config->file, node->line,
                    node->column, path, "%s", text);
}

void config_read_map(struct reader *reader, const struct node *map, const char *path,
                     const struct reader_field *fields, size_t n)
{
    struct node_field known[READER_FIELDS_MAX] = {0};

    assert(n <= READER_FIELDS_MAX);

    for (size_t i = 0; i < n; i++)
        known[i] = (struct node_field){fields[i].key, fields[i].kinds, fields[i].required};
    node_check_map(reader->document, map, path, known, n, reader->diagnostics);
    for (size_t i = 0; i < n; i++) {
        const struct node *value = node_get(map, fields[i].key);
        char child[READER_PATH_MAX];

        if (!value || !(fields[i].kinds & 1u << value->kind))
            continue;
        snprintf(child, sizeof(child), "%s%s%s", path, *path ? "." : "", fields[i].key);
        fields[i].read(reader, value, child);
    }
}

static const char *kinds_text(unsigned kinds)
{
    if (kinds == 1u << NODE_MAP)
        return "a map";
    return kinds == 1u << NODE_LIST ? "a list" : "a string";
}

void config_read_list(struct reader *reader, const struct node *list, const char *path,
                      unsigned kinds, reader_fn *read)
{
    for (size_t i = 0; i < list->n_children; i++) {
        char child[READER_PATH_MAX];

        snprintf(child, sizeof(child), "%s[%zu]", path, i);
        if (kinds & 1u << list->children[i]->kind)
            read(reader, list->children[i], child);
        else
            config_problem(reader, list->children[i], child, "%s", kinds_text(kinds));
    }
}

void config_read_text(struct reader *reader, const char *text, char **ret)
{
    char *copy = strdup(text);

    if (!copy) {
        reader->error = -ENOMEM;
        return;
    }
    free(*ret);
    *ret = copy;
}

void config_read_path(struct reader *reader, const struct node *node, const char *path, char **ret)
{
    _cleanup_free_
    char *joined = NULL;
    const char *file = reader->config->file;
    const char *slash = strrchr(file, '/');

    if (node->kind == NODE_NULL)
        return;
    if (node->text_len == 0 || node->text_len > CONFIG_PATH_MAX) {
        config_problem(reader, node, path, "a file name of 1..%d bytes", CONFIG_PATH_MAX);
        return;
    }
    if (node->text[0] == '/' || !slash) {
        config_read_text(reader, node->text, ret);
        return;
    }
    if (asprintf(&joined, "%.*s/%s", (int)(slash - file), file, node->text) < 0) {
        joined = NULL;
        reader->error = -ENOMEM;
        return;
    }
    config_read_text(reader, joined, ret);
}

int config_read_word(struct reader *reader, const struct node *node, const char *path,
                     const char *const *words, size_t n)
{
    _cleanup_buf_ struct buf list = BUF_INIT(512);

    for (size_t i = 0; i < n; i++)
        if (strcmp(node->text, words[i]) == 0)
            return (int)i;
    for (size_t i = 0; i < n; i++)
        buf_printf(&list, "%s%s", i == 0 ? "" : i + 1 == n ? " or " : ", ", words[i]);
    config_problem(reader, node, path, "%s", list.data ? list.data : "another word");
    return -1;
}

static void read_tag(struct reader *reader, const struct node *node, const char *path,
                     struct tag_set *set)
{
    const char *problem = tag_problem(node->text);
    int r;

    if (!problem && strlen(node->text) != node->text_len)
        problem = "a tag without NUL";
    if (!problem && node->text[0] == '$')
        problem = "a tag that does not start with '$': those are made from the unit itself";
    if (!problem && tag_set_has(set, node->text))
        problem = "a tag that is not given twice";
    if (problem) {
        config_problem(reader, node, path, "%s", problem);
        return;
    }
    r = tag_set_add(set, node->text);
    if (r == -ENOMEM)
        reader->error = r;
    else if (r < 0)
        config_problem(reader, node, path, "at most %d tags", MODEL_TAGS_PER_SET_MAX);
}

void config_read_tags(struct reader *reader, const struct node *list, const char *path,
                      struct tag_set *set)
{
    for (size_t i = 0; i < list->n_children; i++) {
        char child[READER_PATH_MAX];

        snprintf(child, sizeof(child), "%s[%zu]", path, i);
        if (list->children[i]->kind == NODE_STRING)
            read_tag(reader, list->children[i], child, set);
        else
            config_problem(reader, list->children[i], child, "a tag such as app=web");
    }
}

void config_read_cidrs(struct reader *reader, const struct node *list, const char *path,
                       struct cidr_list *cidrs)
{
    char child[READER_PATH_MAX];
    const char *problem;
    size_t at;

    for (size_t i = 0; i < list->n_children; i++) {
        const struct node *node = list->children[i];
        int r;

        snprintf(child, sizeof(child), "%s[%zu]", path, i);
        if (node->kind != NODE_STRING) {
            config_problem(reader, node, child, "a network such as 10.0.0.0/8 or !10.1.0.0/16");
            continue;
        }
        r = cidr_list_add(cidrs, node->text, &problem);
        if (r == -EINVAL)
            config_problem(reader, node, child, "%s", problem);
        else if (r < 0)
            reader->error = r;
    }
    problem = cidr_list_problem(cidrs, &at);
    if (problem)
        config_problem(reader, list, path, "%s", problem);
}
