/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "console/api_internal.h"
#include "console/api_reader.h"
#include "console/hooks.h"
#include "console/import.h"

/* /import, /importreferences, /export. */

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}

static struct import import_of(struct api_call *call, struct change_set *set,
                               struct schema_problems *problems, struct api_error *error,
                               const char *label)
{
    return (struct import){
        .call = call,
        .set = set,
        .problems = problems,
        .error = error,
        .label = label,
        .override = api_private(call)->query.override,
        .changes = json_array(),
        .kept = json_object(),
    };
}

/* Put in place and, with a label, take away what the label had before. */
static int put_all(struct import *import, const json_t *envelope)
{
    int r = import_put(import, json_object_get(envelope, "data"));

    return r < 0 ? r : import_remove_others(import);
}

/* ---- /import -----------------------------------------------------------------------------------
 */

static json_t *report(const struct import *import, const char *mode, bool dry_run)
{
    return json_pack("{s:s, s:b, s:I, s:O}", "mode", mode, "dryRun", dry_run, "unchanged",
                     (json_int_t)import->n_unchanged, "changes", import->changes);
}

static int run_import(struct api_call *call, const json_t *sparse, struct change_set *set,
                      struct schema_problems *problems, struct api_error *error, json_t **ret)
{
    const json_t *envelope = json_object_get(sparse, "data");
    const char *mode = text_of(sparse, "mode");
    struct import import = import_of(call, set, problems, error, text_of(envelope, "label"));
    int r;

    if (strcmp(mode, "Remove") == 0) {
        r = import_remove(&import, json_object_get(envelope, "data"));
        if (r == 0)
            r = import_remove_others(&import);
    } else {
        r = put_all(&import, envelope);
    }
    if (r == 0) {
        *ret = report(&import, *mode ? mode : "Import", api_private(call)->query.dry_run);
        r = *ret ? 0 : -ENOMEM;
    }
    import_clear(&import);
    return r;
}

static void import_handle(struct api_call *call)
{
    _cleanup_schema_problems_ struct schema_problems problems = {0};
    _cleanup_change_set_ struct change_set *set = NULL;
    struct api_error error = {0};
    json_t *answer = NULL;
    int r = change_set_new(&set);

    if (r == 0)
        r = run_import(call, call->body, set, &problems, &error, &answer);
    if (r < 0) {
        if (!error.status && !problems.n)
            api_error_result(&error, r, "the import");
        api_fail(call, &error, &problems);
    } else if (api_private(call)->query.dry_run || change_set_count(set) == 0) {
        api_answer(call, 200, answer);
    } else {
        api_commit(call, &set, 200, answer);
    }
}

/* ---- /importreferences -------------------------------------------------------------------------
 */

struct rivals {
    const char *label, *namespace, *name;
    const struct object *same; /* same label, same namespace */
    bool elsewhere, here;
};

static bool look_at_reference(void *context, const struct object *object)
{
    struct rivals *rivals = context;
    _cleanup_free_
    char *label = object_text(object, "label");

    if (!label || strcmp(label, rivals->label) != 0)
        return true;
    if (strcmp(object->space->name, rivals->namespace) == 0) {
        rivals->here = true;
        if (strcmp(object->name, rivals->name) == 0)
            rivals->same = object;
    } else {
        rivals->elsewhere = true;
    }
    return true;
}

static int check_constraint(struct api_call *call, const json_t *object, struct rivals *rivals,
                            struct api_error *error)
{
    const char *constraint = text_of(object, "constraint");
    const struct objects_query query = {
        .kind = call->kind,
        .space = objects_space(call->console->objects, "/"),
        .recursive = true,
    };
    uint64_t total;
    int r = objects_list(call->console->objects, &query, look_at_reference, rivals, &total);

    if (r < 0)
        return r;
    if (strcmp(constraint, "Unique") == 0 && rivals->elsewhere)
        api_error_set(error, 422, "Constraint",
                      "the label '%.100s' is imported in another namespace already", rivals->label);
    else if (strcmp(constraint, "NamespaceUnique") == 0 && rivals->here && !rivals->same)
        api_error_set(error, 422, "Constraint",
                      "the label '%.100s' is imported in this namespace already", rivals->label);
    return error->status ? -EINVAL : 0;
}

static int add_claims(const struct api_call *call, json_t *object)
{
    json_t *claims = json_array();

    for (size_t i = 0; call->caller && i < call->caller->claims.n; i++)
        json_array_append_new(claims, json_string(call->caller->claims.tags[i]));
    return json_object_set_new(object, "claims", claims) < 0 ? -ENOMEM : 0;
}

static void first_problem(const struct schema_problems *problems, struct api_error *error)
{
    if (error->status || !problems->n)
        return;
    api_error_set(error, 422, "Validation error", "%s", problems->items[0].message);
    text_format(error->attribute, sizeof(error->attribute), "data.%s",
                problems->items[0].attribute);
}

static int reference_create(struct api_call *call, json_t *object, struct change_set *set,
                            struct api_error *error)
{
    _cleanup_schema_problems_ struct schema_problems problems = {0};
    const json_t *envelope = json_object_get(object, "data");
    const char *label = text_of(envelope, "label");
    struct rivals rivals = {.namespace = call->namespace, .name = text_of(object, "name")};
    struct import import;
    int r;

    if (!*label)
        label = rivals.name;
    rivals.label = label;
    r = check_constraint(call, object, &rivals, error);
    if (r < 0)
        return r;
    import = import_of(call, set, &problems, error, label);
    r = put_all(&import, envelope);
    import_clear(&import);
    first_problem(&problems, error);
    if (r == 0 && rivals.same)
        r = change_set_delete(set, rivals.same);
    if (r == 0 && json_object_set_new(object, "label", json_string(label)) < 0)
        r = -ENOMEM;
    return r < 0 ? r : add_claims(call, object);
}

static int reference_remove(struct api_call *call, const struct object *before,
                            struct change_set *set, struct api_error *error)
{
    _cleanup_schema_problems_ struct schema_problems problems = {0};
    _cleanup_free_
    char *label = object_text(before, "label");
    struct import import;
    int r;

    if (!label || !*label)
        return 0;
    import = import_of(call, set, &problems, error, label);
    r = import_remove_others(&import);
    import_clear(&import);
    first_problem(&problems, error);
    return r;
}

/* ---- /export -----------------------------------------------------------------------------------
 */

struct exporting {
    struct api_call *call;
    enum encoding encoding;
    json_t *sparse;
    struct filter *filter;
    struct http_response response;
    struct encoding_open envelope, data, list;
    const struct schema_kind *kind; /* whose list is open; NULL: none is */
};

/* Below the namespace that is exported: "" or "a/b", so that it can be put elsewhere. */
static const char *relative(const char *base, const char *name)
{
    size_t len = strcmp(base, "/") == 0 ? 0 : strlen(base);

    if (strlen(name) <= len)
        return "";
    return name[len] == '/' ? name + len + 1 : name + len;
}

static void strip_label(json_t *object)
{
    json_t *metadata = json_copy(json_object_get(object, "metadata"));

    for (size_t i = json_array_size(metadata); i-- > 0;) {
        const char *text = json_string_value(json_array_get(metadata, i));

        if (text && strncmp(text, IMPORT_LABEL_TAG, strlen(IMPORT_LABEL_TAG)) == 0)
            json_array_remove(metadata, i);
    }
    if (json_array_size(metadata))
        json_object_set(object, "metadata", metadata);
    else
        json_object_del(object, "metadata");
    json_decref(metadata);
}

static bool is_hidden_from_export(const struct schema_attribute *attribute)
{
    return !attribute || (attribute->flags & (SCHEMA_SECRET | SCHEMA_TRANSIENT | SCHEMA_COMPUTED |
                                              SCHEMA_READ_ONLY | SCHEMA_ENFORCER_WRITES));
}

static json_t *export_body(const struct exporting *exporting, const struct object *object)
{
    const char *base = exporting->call->namespace, *name;
    bool is_namespace = strcmp(object->kind->name, "namespace") == 0;
    json_t *body = object_parse(object), *value;
    void *next;

    if (is_namespace)
        json_object_set_new(body, "name", json_string(relative(base, object->name)));
    else if (*relative(base, object->space->name))
        json_object_set_new(body, "namespace", json_string(relative(base, object->space->name)));
    json_object_foreach_safe(
        body, next, name,
        value) if (strcmp(name, "namespace") != 0 &&
                   is_hidden_from_export(schema_attribute_find(object->kind, name)))
        json_object_del(body, name);
    strip_label(body);
    return body;
}

static bool is_exported(void *context, const struct object *object)
{
    const struct exporting *exporting = context;

    /* What is exported from is not part of it. */
    return !namespace_came_with(object) && (strcmp(object->kind->name, "namespace") != 0 ||
                                            *relative(exporting->call->namespace, object->name));
}

static void end_list(struct exporting *exporting)
{
    if (exporting->kind)
        encoding_end(exporting->encoding, &exporting->list, &exporting->response.body);
    exporting->kind = NULL;
}

static void export_page(void *context, const struct objects_query *query, uint64_t total, size_t n)
{
    struct exporting *exporting = context;
    struct buf *body = &exporting->response.body;

    end_list(exporting);
    if (n == 0)
        return;
    encoding_next(exporting->encoding, &exporting->data, query->kind->plural, body);
    encoding_begin(exporting->encoding, false, body, &exporting->list);
    exporting->kind = query->kind;
}

static bool export_one(void *context, const struct object *object)
{
    struct exporting *exporting = context;
    struct buf *body = &exporting->response.body;
    json_t *shown = export_body(exporting, object);

    encoding_next(exporting->encoding, &exporting->list, NULL, body);
    if (shown)
        encoding_append(exporting->encoding, shown, body);
    else
        body->error = -ENOMEM;
    json_decref(shown);
    return !body->error;
}

static bool wanted(const json_t *identities, const struct schema_kind *kind)
{
    if (!schema_kind_can_be_exported(kind))
        return false;
    if (json_array_size(identities) == 0)
        return kind->exported == SCHEMA_EXPORT_ALWAYS;
    for (size_t i = 0; i < json_array_size(identities); i++)
        if (schema_kind_find(json_string_value(json_array_get(identities, i))) == kind)
            return true;
    return false;
}

static int export_kind(struct exporting *exporting, const struct schema_kind *kind,
                       struct objects_read *read)
{
    const struct api_call *call = exporting->call;
    const struct objects_query query = {
        .kind = kind,
        .space = objects_space(call->console->objects, call->namespace),
        .recursive = api_private(call)->query.recursive,
        .filter = exporting->filter,
        .accept = is_exported,
        .accept_context = exporting,
    };

    return query.space ? objects_read_add(read, &query) : -ENOENT;
}

static void export_value(struct exporting *exporting, const char *name, json_t *value)
{
    struct buf *body = &exporting->response.body;

    encoding_next(exporting->encoding, &exporting->envelope, name, body);
    if (value)
        encoding_append(exporting->encoding, value, body);
    else
        body->error = -ENOMEM;
    json_decref(value);
}

static int export_begin(void *context, struct objects_read *read)
{
    struct exporting *exporting = context;
    struct api_call *call = exporting->call;
    const json_t *identities = json_object_get(exporting->sparse, "identities");
    struct buf *body = &exporting->response.body;
    const struct schema_kind *const *kinds;
    size_t n;
    int r = 0;

    encoding_begin(exporting->encoding, true, body, &exporting->envelope);
    export_value(exporting, "APIVersion", json_integer(1));
    export_value(exporting, "label", json_string(text_of(exporting->sparse, "label")));
    encoding_next(exporting->encoding, &exporting->envelope, "data", body);
    encoding_begin(exporting->encoding, true, body, &exporting->data);
    kinds = schema_kinds(&n);
    for (size_t i = 0; r == 0 && i < n; i++)
        if (wanted(identities, kinds[i]) &&
            auth_allowed(call->console->auth, call->caller, AUTH_LIST, kinds[i], call->namespace,
                         NULL))
            r = export_kind(exporting, kinds[i], read);
    return r;
}

static void export_fail(struct api_call *call, int r)
{
    struct api_error error = {0};

    api_error_result(&error, r, "the export");
    api_fail(call, &error, NULL);
}

static void export_answer(void *context, int r)
{
    struct exporting *exporting = context;
    struct http_response *response = &exporting->response;

    end_list(exporting);
    encoding_end(exporting->encoding, &exporting->data, &response->body);
    encoding_end(exporting->encoding, &exporting->envelope, &response->body);
    if (r == 0)
        r = response->body.error;
    response->content_type = encoding_content_type(exporting->encoding);
    if (r < 0)
        export_fail(exporting->call, r);
    else
        api_send(api_private(exporting->call), response);
}

static size_t export_held(const void *context)
{
    const struct exporting *exporting = context;

    return exporting->response.body.len;
}

static void export_free(void *context)
{
    struct exporting *exporting = context;

    http_response_clear(&exporting->response);
    filter_free(&exporting->filter);
    json_decref(exporting->sparse);
    free(exporting);
}

static int export_accept(struct api_call *call, struct schema_problems *problems,
                         struct api_error *error, struct exporting *ret)
{
    const char *text = api_parameter(call, "q");
    _cleanup_buf_ struct buf problem = BUF_INIT(512);
    int r = schema_accept(call->kind, SCHEMA_WRITER_USER, call->body, NULL, false, problems,
                          &ret->sparse);

    if (r == 0 && text) {
        r = filter_parse(text, console_now_ms(), &problem, &ret->filter);
        if (r < 0)
            api_error_set(error, 400, "Bad request", "q: %s",
                          problem.data ? problem.data : "wrong");
    }
    return r;
}

static void export_handle(struct api_call *call)
{
    static const struct api_reader reader = {
        .begin = export_begin,
        .visitor = {export_page, export_one},
        .answer = export_answer,
        .held = export_held,
        .free = export_free,
    };
    _cleanup_schema_problems_ struct schema_problems problems = {0};
    struct exporting *exporting = calloc(1, sizeof(*exporting));
    struct api_error error = {0};
    int r;

    if (!exporting) {
        export_fail(call, -ENOMEM);
        return;
    }
    exporting->call = call;
    exporting->encoding = api_private(call)->encoding;
    exporting->response =
        (struct http_response){.status = 200, .body = BUF_INIT(API_ANSWER_BYTES_MAX)};
    r = export_accept(call, &problems, &error, exporting);
    if (r == 0) {
        api_read(call, &reader, exporting);
        return;
    }
    export_free(exporting);
    if (!error.status && !problems.n)
        api_error_result(&error, r, "the export");
    api_fail(call, &error, &problems);
}

int hooks_import(struct console *console)
{
    const struct api_hooks all[] = {
        {.kind = "import", .handle = import_handle},
        {.kind = "export", .handle = export_handle},
        {.kind = "importreference", .create = reference_create, .remove = reference_remove},
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(all); i++)
        r = api_register(console, &all[i]);
    return r;
}
