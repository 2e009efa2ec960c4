/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the parts of the estate reader share. Private to model. */

#include "model/arena.h"
#include "model/check.h"

/* Where an object came from, for what is found out only when all files are read. */
struct origin {
    const char *file;
    unsigned line, column;
    size_t index;    /* in the list of its kind */
    size_t sequence; /* over all objects */
};

struct built_namespace {
    struct model_namespace object;
    struct origin origin;
    struct tag_set org; /* organizationalMetadata, in the arena */
};
struct built_network {
    struct model_network
        object; /* tags: heap, until estate_builder_finish moves them into the arena */
    struct origin origin;
};
struct built_ruleset {
    struct model_ruleset object;
    struct origin origin;
};

/* All strings and arrays of the objects live in the arena, which the estate takes over. */
struct estate_builder {
    char *namespace;
    struct arena *arena;
    struct built_namespace *namespaces;
    struct built_network *networks;
    struct built_ruleset *rulesets;
    size_t n_namespaces, n_networks, n_rulesets, n_objects;
    bool failed;
    int error; /* sticky: 0 or -ENOMEM */
};

/* One file that is being read. */
struct reader {
    struct check check;
    struct estate_builder *builder;
    const char *file; /* in the arena */
};

/* Bits of struct node_field. An attribute that may be left out may as well be written without a
 * value. */
#define KIND_STRING (1u << NODE_STRING)
#define KIND_LIST (1u << NODE_LIST)
#define KIND_MAP (1u << NODE_MAP)
#define KIND_BOOL (1u << NODE_BOOL)
#define KIND_INTEGER (1u << NODE_INTEGER)
#define KIND_NONE (1u << NODE_NULL)

/* Attributes of every object kind (product reference 4.5: @base, @named, @described, @namespaced,
 * …). */
#define FIELDS_OF_ALL_OBJECTS                                                                      \
    {"name", KIND_STRING, true}, {"namespace", KIND_STRING | KIND_NONE, false},                    \
        {"description", KIND_STRING | KIND_NONE, false},                                           \
        {"associatedTags", KIND_LIST | KIND_NONE, false},                                          \
        {"metadata", KIND_LIST | KIND_NONE, false}, {"annotations", KIND_MAP | KIND_NONE, false},  \
        {"protected", KIND_BOOL, false}, {"ID", KIND_STRING | KIND_NONE, false},                   \
        {"normalizedTags", KIND_LIST | KIND_NONE, false},                                          \
        {"createTime", KIND_STRING | KIND_NONE, false},                                            \
    {                                                                                              \
        "updateTime", KIND_STRING | KIND_NONE, false                                               \
    }

/* Never NULL: after ENOMEM (builder->error) an empty string that nobody may change. */
char *reader_keep(struct reader *reader, const char *text, size_t len);
/* NULL after ENOMEM (builder->error). */
void *reader_alloc(struct reader *reader, size_t n, size_t size);
/* The value of a key that is there and not null, else NULL. */
const struct node *reader_get(const struct node *map, const char *key);
bool reader_flag(const struct node *map, const char *key);
/* "found N things, expected at most MAX" */
bool reader_check_count(struct reader *reader, const struct node *list, const struct path *path,
                        size_t max, const char *things);
/* Say of each of these keys that is there that it does nothing here. */
void reader_warn_unused(struct reader *reader, const struct node *map, const struct path *path,
                        const char *const *keys, size_t n);
/* Checks description, annotations, associatedTags, metadata; adds the tags to `tags` when not NULL.
 */
void reader_common(struct reader *reader, const struct node *map, const struct path *path,
                   struct tag_set *tags);
/* The namespace an object is in; NULL after an error was added. */
char *reader_namespace(struct reader *reader, const struct node *map, const struct path *path);
char *reader_join_namespace(struct reader *reader, const char *base, const struct node *name,
                            const struct path *path);
/* A non-empty tag expression. */
bool reader_expr(struct reader *reader, const struct node *node, const struct path *path,
                 bool unique_clauses, struct tag_expr *ret);
/* The list of a tag class; sorted, in the arena. @param prefix  what each must start with */
bool reader_tags(struct reader *reader, const struct node *list, const struct path *path,
                 const char *prefix, struct tag_set *ret);
/* Ports of a rule; `node` NULL or an empty list: any. Sorted. */
bool reader_ports(struct reader *reader, const struct node *node, const struct path *path,
                  struct port_match **ret, size_t *ret_n);

void reader_read_network(struct reader *reader, const struct node *map, const struct path *path);
void reader_read_ruleset(struct reader *reader, const struct node *map, const struct path *path);
void reader_read_namespace(struct reader *reader, const struct node *map, const struct path *path);
struct origin reader_origin(struct reader *reader, const struct node *map, const struct path *path);

int tag_set_compare(const struct tag_set *a, const struct tag_set *b);
int tag_expr_compare(const struct tag_expr *a, const struct tag_expr *b);
int port_match_compare(const struct port_match *a, const struct port_match *b);
