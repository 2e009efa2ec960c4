/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "model/estate_internal.h"

#define NAME_JOINED_MAX (2 * MODEL_NAMESPACE_MAX)

char *reader_keep(struct reader *reader, const char *text, size_t len)
{
    static char nothing[1];
    char *copy = arena_copy(reader->builder->arena, text, len);

    if (copy)
        return copy;
    reader->builder->error = -ENOMEM;
    return nothing;
}

void *reader_alloc(struct reader *reader, size_t n, size_t size)
{
    void *data = arena_alloc(reader->builder->arena, n, size);

    if (!data)
        reader->builder->error = -ENOMEM;
    return data;
}

const struct node *reader_get(const struct node *map, const char *key)
{
    const struct node *node = node_get(map, key);

    return node && node->kind != NODE_NULL ? node : NULL;
}

bool reader_flag(const struct node *map, const char *key)
{
    const struct node *node = node_get(map, key);

    return node && node->kind == NODE_BOOL && node->boolean;
}

bool reader_check_count(struct reader *reader, const struct node *list, const struct path *path,
                        size_t max, const char *things)
{
    if (list->n_children <= max)
        return true;
    check_error(&reader->check, list, path, "found %zu %s, expected at most %zu", list->n_children,
                things, max);
    return false;
}

void reader_warn_unused(struct reader *reader, const struct node *map, const struct path *path,
                        const char *const *keys, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct node *node = reader_get(map, keys[i]);
        struct path here = PATH_KEY(path, keys[i]);

        if (node)
            check_report(&reader->check, DIAGNOSTIC_WARNING, node->key_line, node->key_column,
                         &here, "found '%s', which has no effect here", keys[i]);
    }
}

static bool check_strings(struct reader *reader, const struct node *list, const struct path *path)
{
    bool ok = true;

    for (size_t i = 0; i < list->n_children; i++) {
        struct path here = PATH_INDEX(path, i);

        if (list->children[i]->kind == NODE_STRING)
            continue;
        check_error(&reader->check, list->children[i], &here, "found %s, expected a string",
                    described(list->children[i]).text);
        ok = false;
    }
    return ok;
}

/* A map of lists of strings. */
static void check_annotations(struct reader *reader, const struct node *map,
                              const struct path *path)
{
    for (size_t i = 0; map && i < map->n_children; i++) {
        const struct node *list = map->children[i];
        struct path here = PATH_KEY(path, list->key);

        if (list->kind == NODE_LIST)
            check_strings(reader, list, &here);
        else
            check_error(&reader->check, list, &here, "found %s, expected a list of strings",
                        described(list).text);
    }
}

/* What the prefix of a tag says about who may set it (product reference 1.5). */
static const char *class_problem(const char *tag, bool metadata)
{
    if (metadata && *tag != '@')
        return "a tag that starts with '@'";
    if (metadata && strncmp(tag, "@auth:", 6) == 0)
        return "a tag that does not start with '@auth:'";
    if (!metadata && strchr("@$+", *tag))
        return "a tag that does not start with '@', '$' or '+'";
    return NULL;
}

static void read_tag_list(struct reader *reader, const struct node *list, const struct path *path,
                          bool metadata, struct tag_set *tags)
{
    for (size_t i = 0; list && i < list->n_children; i++) {
        const struct node *node = list->children[i];
        struct path here = PATH_INDEX(path, i);
        const char *problem = "a string";
        int r;

        if (node->kind == NODE_STRING)
            problem = tag_problem(node->text);
        if (!problem)
            problem = class_problem(node->text, metadata);
        if (problem) {
            check_error(&reader->check, node, &here, "found %s, expected %s", described(node).text,
                        problem);
            continue;
        }
        r = tags ? tag_set_add(tags, node->text) : 0;
        if (r == -BULKHEAD_ETOOMANY) {
            check_error(&reader->check, node, &here,
                        "found more than %d tags, expected at most that many",
                        MODEL_TAGS_PER_SET_MAX);
            return;
        }
        if (r < 0)
            reader->builder->error = r;
    }
}

void reader_common(struct reader *reader, const struct node *map, const struct path *path,
                   struct tag_set *tags)
{
    const struct node *description = reader_get(map, "description");
    struct path here = PATH_KEY(path, "description");

    if (description) {
        size_t n = text_utf8_count(description->text, description->text_len);

        if (n > MODEL_DESCRIPTION_MAX)
            check_error(&reader->check, description, &here,
                        "found %zu characters, expected at most %d", n, MODEL_DESCRIPTION_MAX);
    }
    here = PATH_KEY(path, "annotations");
    check_annotations(reader, reader_get(map, "annotations"), &here);
    here = PATH_KEY(path, "associatedTags");
    read_tag_list(reader, reader_get(map, "associatedTags"), &here, false, tags);
    here = PATH_KEY(path, "metadata");
    read_tag_list(reader, reader_get(map, "metadata"), &here, true, tags);
}

char *reader_join_namespace(struct reader *reader, const char *base, const struct node *name,
                            const struct path *path)
{
    char joined[NAME_JOINED_MAX];
    const char *problem;
    int n;

    if (!*name->text) {
        check_error(&reader->check, name, path, "found '', expected the name of a namespace");
        return NULL;
    }
    if (*name->text == '/')
        n = snprintf(joined, sizeof(joined), "%s", name->text);
    else
        n = snprintf(joined, sizeof(joined), "%s/%s", strcmp(base, "/") == 0 ? "" : base,
                     name->text);
    problem = n < 0 || (size_t)n >= sizeof(joined) ? "a namespace of at most 1024 characters"
                                                   : namespace_problem(joined);
    if (problem) {
        check_error(&reader->check, name, path, "found %s, expected %s",
                    quoted_len(name->text, name->text_len).text, problem);
        return NULL;
    }
    return reader_keep(reader, joined, (size_t)n);
}

char *reader_namespace(struct reader *reader, const struct node *map, const struct path *path)
{
    const struct node *node = reader_get(map, "namespace");
    struct path here = PATH_KEY(path, "namespace");

    if (node)
        return reader_join_namespace(reader, reader->builder->namespace, node, &here);
    return reader_keep(reader, reader->builder->namespace, strlen(reader->builder->namespace));
}

struct origin reader_origin(struct reader *reader, const struct node *map, const struct path *path)
{
    return (struct origin){.file = reader->file,
                           .line = map->line,
                           .column = map->column,
                           .index = path->index,
                           .sequence = reader->builder->n_objects++};
}

/* ---- Namespaces ---- */

static const struct node_field namespace_fields[] = {
    FIELDS_OF_ALL_OBJECTS,
    {"type", KIND_STRING | KIND_NONE, false},
    {"defaultPUIncomingTrafficAction", KIND_STRING | KIND_NONE, false},
    {"defaultPUOutgoingTrafficAction", KIND_STRING | KIND_NONE, false},
    {"rejectMode", KIND_STRING | KIND_NONE, false},
    {"organizationalMetadata", KIND_LIST | KIND_NONE, false},
    {"tagPrefixes", KIND_LIST | KIND_NONE, false},
    {"JWTCertificateType", KIND_STRING | KIND_NONE, false},
    {"JWTCertificates", KIND_MAP | KIND_NONE, false},
    {"SSHCAEnabled", KIND_BOOL, false},
    {"associatedSSHCAID", KIND_STRING | KIND_NONE, false},
    {"customZoning", KIND_BOOL, false},
    {"defaultEnforcerVersion", KIND_STRING | KIND_NONE, false},
    {"localCAEnabled", KIND_BOOL, false},
    {"networkAccessPolicyTags", KIND_LIST | KIND_NONE, false},
    {"serviceCertificateValidity", KIND_STRING | KIND_NONE, false},
    {"zoning", KIND_INTEGER, false},
};

static const char *const namespace_unused[] = {
    "tagPrefixes",
    "JWTCertificateType",
    "JWTCertificates",
    "SSHCAEnabled",
    "associatedSSHCAID",
    "customZoning",
    "localCAEnabled",
    "networkAccessPolicyTags",
    "zoning",
    "defaultEnforcerVersion",
    "serviceCertificateValidity",
};

/* The index of a word in a list, 0 when the key is absent or wrong. */
static int read_word(struct reader *reader, const struct node *map, const char *key,
                     const struct path *path, const char *const *words, size_t n)
{
    const struct node *node = reader_get(map, key);
    struct path here = PATH_KEY(path, key);
    int i;

    if (!node)
        return 0;
    i = check_word(&reader->check, node, &here, words, n);
    return MAX(i, 0);
}

static enum model_action read_default(struct reader *reader, const struct node *map,
                                      const char *key, const struct path *path)
{
    static const char *const words[] = {"Inherit", "Allow", "Reject"};

    static_assert(MODEL_ACTION_ALLOW == 1 && MODEL_ACTION_REJECT == 2, "order of words");
    return (enum model_action)read_word(reader, map, key, path, words, ARRAY_SIZE(words));
}

static void read_namespace_attributes(struct reader *reader, const struct node *map,
                                      const struct path *path, struct built_namespace *built)
{
    static const char *const types[] = {"Default", "Tenant", "CloudAccount", "Group", "Kubernetes"};
    static const char *const jwt_types[] = {"RSA", "EC", "None"};
    static const char *const modes[] = {"drop", "reset"};
    struct model_namespace *object = &built->object;
    struct path here = PATH_KEY(path, "organizationalMetadata");
    const struct node *list;

    read_word(reader, map, "type", path, types, ARRAY_SIZE(types));
    read_word(reader, map, "JWTCertificateType", path, jwt_types, ARRAY_SIZE(jwt_types));
    object->defaults[MODEL_DIRECTION_IN] =
        read_default(reader, map, "defaultPUIncomingTrafficAction", path);
    object->defaults[MODEL_DIRECTION_OUT] =
        read_default(reader, map, "defaultPUOutgoingTrafficAction", path);
    object->reject_mode_set = reader_get(map, "rejectMode") != NULL;
    object->reject_reset =
        read_word(reader, map, "rejectMode", path, modes, ARRAY_SIZE(modes)) == 1;
    list = reader_get(map, "organizationalMetadata");
    if (list)
        reader_tags(reader, list, &here, "@org:", &built->org);
    list = reader_get(map, "tagPrefixes");
    here = PATH_KEY(path, "tagPrefixes");
    if (list)
        check_strings(reader, list, &here);
    reader_warn_unused(reader, map, path, namespace_unused, ARRAY_SIZE(namespace_unused));
}

void reader_read_namespace(struct reader *reader, const struct node *map, const struct path *path)
{
    struct estate_builder *builder = reader->builder;
    size_t errors = reader->check.diagnostics->n_errors;
    struct built_namespace built = {.origin = reader_origin(reader, map, path)};
    struct path here = PATH_KEY(path, "name");
    const char *base;

    if (!check_map(&reader->check, map, path, namespace_fields, ARRAY_SIZE(namespace_fields)))
        return;
    base = reader_namespace(reader, map, path);
    if (!base)
        return;
    built.object.name = reader_join_namespace(reader, base, node_get(map, "name"), &here);
    built.object.position = (struct model_position){reader->file, map->line};
    reader_common(reader, map, path, NULL);
    read_namespace_attributes(reader, map, path, &built);
    if (reader->check.diagnostics->n_errors > errors || builder->error)
        return;
    builder->error = array_grow(&builder->namespaces, builder->n_namespaces, sizeof(built));
    if (builder->error == 0)
        builder->namespaces[builder->n_namespaces++] = built;
}

/* ---- The envelope ---- */

static void read_kind(struct reader *reader, const struct node *data, const struct path *path,
                      const char *kind,
                      void (*read)(struct reader *, const struct node *, const struct path *))
{
    const struct node *list = reader_get(data, kind);
    struct path here = PATH_KEY(path, kind);

    for (size_t i = 0; list && i < list->n_children && !reader->builder->error; i++) {
        struct path item = PATH_INDEX(&here, i);

        read(reader, list->children[i], &item);
    }
}

static void read_envelope(struct reader *reader, const struct node *root)
{
    static const struct node_field fields[] = {
        {"APIVersion", KIND_INTEGER, false},
        {"label", KIND_STRING | KIND_NONE, false},
        {"identities", KIND_LIST | KIND_NONE, false},
        {"data", KIND_MAP | KIND_NONE, true},
    };
    static const struct node_field data_fields[] = {
        {"namespaces", KIND_LIST | KIND_NONE, false},
        {"externalnetworks", KIND_LIST | KIND_NONE, false},
        {"networkrulesetpolicies", KIND_LIST | KIND_NONE, false},
    };
    const struct path top = PATH_ROOT;
    struct path here = PATH_KEY(&top, "data");
    const struct node *node;

    if (!check_map(&reader->check, root, &top, fields, ARRAY_SIZE(fields)))
        return;
    node = node_get(root, "APIVersion");
    if (node && node->integer != 0 && node->integer != 1) {
        here = PATH_KEY(&top, "APIVersion");
        check_error(&reader->check, node, &here, "found %s, expected 0 or 1", described(node).text);
    }
    node = reader_get(root, "identities");
    here = PATH_KEY(&top, "identities");
    if (node)
        check_strings(reader, node, &here);
    node = reader_get(root, "data");
    here = PATH_KEY(&top, "data");
    if (!node || !check_map(&reader->check, node, &here, data_fields, ARRAY_SIZE(data_fields)))
        return;
    read_kind(reader, node, &here, "namespaces", reader_read_namespace);
    read_kind(reader, node, &here, "externalnetworks", reader_read_network);
    read_kind(reader, node, &here, "networkrulesetpolicies", reader_read_ruleset);
}

static int read_documents(struct reader *reader, const struct document *document)
{
    size_t n = 0;

    for (size_t i = 0; i < document_count(document) && !reader->builder->error; i++) {
        const struct node *root = document_root(document, i);

        if (!root)
            continue;
        read_envelope(reader, root);
        n++;
    }
    if (n == 0)
        check_report(&reader->check, DIAGNOSTIC_WARNING, 0, 0, NULL,
                     "found an empty file, expected an import envelope with 'data'");
    return reader->builder->error;
}

int estate_builder_add(struct estate_builder *builder, const char *file, const char *text,
                       size_t len, enum document_format format, struct diagnostics *diagnostics)
{
    _cleanup_document_ struct document *document = NULL;
    struct reader reader = {.check = {.file = file, .diagnostics = diagnostics},
                            .builder = builder};
    size_t errors;
    int r;

    assert(builder);
    assert(file);
    assert(diagnostics);

    errors = diagnostics->n_errors;
    r = document_parse(file, text, len, format, diagnostics, &document);
    if (r == 0) {
        reader.file = reader_keep(&reader, file, strlen(file));
        r = read_documents(&reader, document);
    }
    if (r == 0 && diagnostics->n_errors > errors)
        r = -BULKHEAD_EINVALID_INPUT;
    if (r == -ENOMEM)
        builder->error = r;
    if (r < 0)
        builder->failed = true;
    return r;
}
