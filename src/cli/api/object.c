/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead api list, get, create, update, delete, delete-many, count. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "cli/api/api.h"

#define NUMBER_MAX 999999999

/* The kind, and a session. */
static int begin(struct cli_call *call, unsigned verb, const struct schema_kind **ret_kind,
                 struct session *session)
{
    int r = api_kind(call, call->arguments[0], verb, ret_kind);

    return r == CLI_DONE ? session_open(call, session) : r;
}

/* ---- list, count -------------------------------------------------------------------------- */

static int show_visit(void *context, json_t *object)
{
    return show_add(context, object);
}

static int list_page(struct session *session, struct client_request *request, struct show *show)
{
    _cleanup_client_answer_ struct client_answer answer = {0};
    const char *page = cli_value(session->call, "page"),
               *size = cli_value(session->call, "page-size");
    const struct cli_given *given;
    json_t *object;
    size_t i, at = 0;
    int r;

    client_query(request, "page", page ? page : "1");
    client_query(request, "pagesize", size ? size : "100");
    while ((given = cli_next(session->call, "order", &at)) &&
           request->n_query < CLIENT_PARAMETERS_MAX)
        client_query(request, "order", given->value);
    r = session_send(session, request, &answer);
    json_array_foreach(answer.body, i, object)
    {
        if (r == CLI_DONE)
            r = show_add(show, object);
    }
    return r;
}

int cli_api_list(struct cli_call *call)
{
    _cleanup_session_ struct session session = {0};
    _cleanup_show_ struct show show = {0};
    _cleanup_free_
    char *path = NULL;
    const struct schema_kind *kind;
    struct client_request request = {.method = "GET", .doing = "listing"};
    bool paged = cli_value(call, "page") || cli_value(call, "page-size");
    size_t limit, ignored;
    int r = api_number(call, "limit", NUMBER_MAX, &limit);

    if (r == CLI_DONE)
        r = api_number(call, "page", NUMBER_MAX, &ignored);
    if (r == CLI_DONE)
        r = api_number(call, "page-size", NUMBER_MAX, &ignored);
    if (r == CLI_DONE && paged && (limit || cli_flag(call, "all")))
        r = cli_usage_error(call, "--page and --page-size do not go with --limit and --all");
    if (r == CLI_DONE)
        r = begin(call, SCHEMA_LIST, &kind, &session);
    if (r == CLI_DONE)
        r = show_open(call, kind, &show);
    if (r == CLI_DONE)
        r = api_add_parameters(call, &request, kind, SCHEMA_LIST);
    if (r != CLI_DONE)
        return r;
    request.path = path = api_path(kind, NULL);
    request.fields = show_fields(&show);
    if (!path)
        return cli_no_memory(call);
    r = paged ? list_page(&session, &request, &show)
              : api_each(&session, &request, kind, limit, show_visit, &show);
    return r == CLI_DONE ? show_end(&show) : r;
}

static int print_count(struct cli_call *call, json_int_t n)
{
    json_t *number;
    int r;

    if (call->output.format == CLI_TABLE) {
        fprintf(call->output.out, "%lld\n", (long long)n);
        return CLI_DONE;
    }
    number = json_integer(n);
    r = number ? cli_answer(call, number) : cli_no_memory(call);
    json_decref(number);
    return r;
}

int cli_api_count(struct cli_call *call)
{
    _cleanup_session_ struct session session = {0};
    _cleanup_client_answer_ struct client_answer answer = {0};
    _cleanup_free_
    char *path = NULL;
    const struct schema_kind *kind;
    static const char *const fields[] = {"ID", NULL};
    struct client_request request = {.method = "GET"};
    int r = begin(call, SCHEMA_LIST, &kind, &session);

    if (r == CLI_DONE)
        r = api_add_parameters(call, &request, kind, SCHEMA_LIST);
    if (r != CLI_DONE)
        return r;
    request.path = path = api_path(kind, NULL);
    if (!path)
        return cli_no_memory(call);
    if (kind->stored) {
        request.fields = fields;
        client_query(&request, "page", "1");
        client_query(&request, "pagesize", "1");
    }
    r = session_send(&session, &request, &answer);
    if (r == CLI_DONE) {
        json_int_t n = answer.total >= 0 ? answer.total : (json_int_t)json_array_size(answer.body);

        r = print_count(call, n);
    }
    return r;
}

/* ---- get ---------------------------------------------------------------------------------- */

int cli_api_get(struct cli_call *call)
{
    _cleanup_session_ struct session session = {0};
    _cleanup_show_ struct show show = {0};
    const struct schema_kind *kind;
    json_t *object = NULL;
    int r = begin(call, 0, &kind, &session);

    if (r == CLI_DONE)
        r = show_open(call, kind, &show);
    if (r == CLI_DONE && !(kind->verbs & SCHEMA_GET) && !(kind->verbs & SCHEMA_LIST))
        r = cli_usage_error(call, "%s cannot be read", kind->plural);
    if (r == CLI_DONE)
        r = api_find(&session, kind, call->arguments[1], &object);
    if (r == CLI_DONE)
        r = show_one(&show, object);
    json_decref(object);
    return r;
}

/* ---- create ------------------------------------------------------------------------------- */

struct editing {
    struct cli_call *call;
    const struct schema_kind *kind;
    const json_t *stored;
};

static int check_edited(void *context, json_t *object)
{
    struct editing *editing = context;

    return input_check(editing->call, editing->kind, object, editing->stored, NULL);
}

/* Behind what is given already, all that could be. */
static int edit_new(struct editor *editor, const struct schema_kind *kind, json_t *list)
{
    struct cli_call *call = editor->call;
    struct editing editing = {call, kind, NULL};
    json_t *object = stub_object(kind), *edited = NULL;
    int r = object ? CLI_DONE : cli_no_memory(call);

    if (r == CLI_DONE && json_array_size(list) != 1)
        r = cli_usage_error(call, "-i: expected one object");
    if (r == CLI_DONE && json_object_update(object, json_array_get(list, 0)) < 0)
        r = cli_no_memory(call);
    if (r == CLI_DONE)
        r = editor_edit(editor, kind, object, check_edited, &editing, &edited);
    if (r == CLI_DONE)
        json_array_set_new(list, 0, edited);
    json_decref(object);
    return r;
}

static int create_one(struct session *session, const struct schema_kind *kind, const char *path,
                      json_t *object, struct show *show)
{
    _cleanup_client_answer_ struct client_answer answer = {0};
    struct client_request request = {
        .method = "POST", .path = path, .body = object, .idempotency_key = true};
    int r = api_add_parameters(session->call, &request, kind, SCHEMA_CREATE);

    if (r == CLI_DONE)
        r = session_send(session, &request, &answer);
    if (r == CLI_DONE && answer.body && show->single && show->call->output.format != CLI_TABLE)
        r = show_one(show, answer.body);
    else if (r == CLI_DONE && answer.body)
        r = show_add(show, answer.body);
    return r;
}

int cli_api_create(struct cli_call *call)
{
    _cleanup_session_ struct session session = {0};
    _cleanup_show_ struct show show = {0};
    _cleanup_editor_ struct editor editor = {.call = call};
    _cleanup_free_
    char *path = NULL;
    const struct schema_kind *kind = NULL;
    json_t *list = NULL, *object;
    size_t i;
    int r = api_kind(call, call->arguments[0], SCHEMA_CREATE, &kind);

    if (r == CLI_DONE)
        r = input_read(call, kind, true, &list);
    if (r == CLI_DONE && cli_flag(call, "interactive"))
        r = edit_new(&editor, kind, list);
    json_array_foreach(list, i, object)
    {
        if (r == CLI_DONE)
            r = input_check(call, kind, object, NULL, NULL);
    }
    if (r == CLI_DONE)
        r = session_open(call, &session);
    if (r == CLI_DONE)
        r = show_open(call, kind, &show);
    if (r == CLI_DONE && !(path = api_path(kind, NULL)))
        r = cli_no_memory(call);
    show.single = json_array_size(list) == 1;
    if (r == CLI_DONE)
        client_work(session.client, "creating", json_array_size(list));
    json_array_foreach(list, i, object)
    {
        if (r == CLI_DONE)
            r = create_one(&session, kind, path, object, &show);
        if (r == CLI_DONE)
            client_work_done(session.client, i + 1);
    }
    editor.sent = r == CLI_DONE;
    if (session.client)
        client_work(session.client, NULL, 0);
    if (r == CLI_DONE && !(show.single && call->output.format != CLI_TABLE))
        r = show_end(&show);
    json_decref(list);
    return r;
}

/* ---- update ------------------------------------------------------------------------------- */

static void add_override(struct cli_call *call, struct client_request *request)
{
    if (cli_flag(call, "override") || cli_flag(call, "force"))
        client_query(request, "override", "true");
}

/* The whole object goes back, with the time it was read at: a change in between is a conflict. */
static int edit_present(struct editor *editor, const struct schema_kind *kind, json_t *present,
                        json_t *changes, json_t **ret)
{
    struct cli_call *call = editor->call;
    struct editing editing = {call, kind, present};
    json_t *all = stub_object(kind), *edited = NULL, *time;
    const char *key;
    json_t *value;
    int r;

    if (!all)
        return cli_no_memory(call);
    json_object_foreach(all, key, value)
    {
        json_t *given = json_object_get(changes, key), *now = json_object_get(present, key);

        if (given || now)
            json_object_set(all, key, given ? given : now);
    }
    r = editor_edit(editor, kind, all, check_edited, &editing, &edited);
    json_decref(all);
    if (r != CLI_DONE)
        return r;
    time = json_object_get(present, "updateTime");
    if (time)
        json_object_set(edited, "updateTime", time);
    *ret = edited;
    return CLI_DONE;
}

static int send_update(struct session *session, const struct schema_kind *kind,
                       const json_t *present, const json_t *body, const char *method,
                       struct show *show)
{
    _cleanup_client_answer_ struct client_answer answer = {0};
    _cleanup_free_
    char *path = api_path(kind, api_object_id(present));
    struct client_request request = {.method = method,
                                     .path = path,
                                     .body = body,
                                     .namespace = api_object_namespace(session, present)};
    int r = path ? CLI_DONE : cli_no_memory(session->call);

    if (r == CLI_DONE)
        r = api_add_parameters(session->call, &request, kind, SCHEMA_UPDATE);
    if (r == CLI_DONE) {
        add_override(session->call, &request);
        r = session_send(session, &request, &answer);
    }
    if (r == CLI_DONE && answer.body)
        r = show_one(show, answer.body);
    return r;
}

int cli_api_update(struct cli_call *call)
{
    _cleanup_session_ struct session session = {0};
    _cleanup_show_ struct show show = {0};
    const struct schema_kind *kind = NULL;
    _cleanup_editor_ struct editor editor = {.call = call};
    bool interactive = cli_flag(call, "interactive");
    json_t *list = NULL, *present = NULL, *body = NULL;
    int r = begin(call, SCHEMA_UPDATE, &kind, &session);

    if (r == CLI_DONE)
        r = input_read(call, kind, false, &list);
    if (r == CLI_DONE && !interactive && json_object_size(json_array_get(list, 0)) == 0)
        r = cli_usage_error(call, "nothing to change: give -k, -d, -f or -i");
    if (r == CLI_DONE)
        r = show_open(call, kind, &show);
    if (r == CLI_DONE)
        r = api_find(&session, kind, call->arguments[1], &present);
    if (r == CLI_DONE && interactive)
        r = edit_present(&editor, kind, present, json_array_get(list, 0), &body);
    else if (r == CLI_DONE)
        body = json_incref(json_array_get(list, 0));
    if (r == CLI_DONE && !interactive)
        r = input_check(call, kind, body, present, NULL);
    if (r == CLI_DONE)
        r = send_update(&session, kind, present, body, interactive ? "PUT" : "PATCH", &show);
    editor.sent = r == CLI_DONE;
    json_decref(list);
    json_decref(present);
    json_decref(body);
    return r;
}

/* ---- delete ------------------------------------------------------------------------------- */

static int delete_one(struct session *session, const struct schema_kind *kind, json_t *object,
                      struct show *show)
{
    static const long gone[] = {404, 0};
    _cleanup_client_answer_ struct client_answer answer = {0};
    _cleanup_free_
    char *path = api_path(kind, api_object_id(object));
    struct client_request request = {
        .method = "DELETE", .path = path, .namespace = api_object_namespace(session, object)};
    int r = path ? CLI_DONE : cli_no_memory(session->call);

    add_override(session->call, &request);
    if (cli_flag(session->call, "recursive") && strcmp(kind->name, "namespace") == 0)
        client_query(&request, "recursive", "true");
    if (r == CLI_DONE)
        r = session_try(session, &request, gone, &answer);
    return r == CLI_DONE ? show_add(show, object) : r;
}

int cli_api_delete(struct cli_call *call)
{
    _cleanup_session_ struct session session = {0};
    _cleanup_show_ struct show show = {0};
    const struct schema_kind *kind = NULL;
    int r = begin(call, SCHEMA_DELETE, &kind, &session);

    if (r == CLI_DONE)
        r = show_open(call, kind, &show);
    if (r == CLI_DONE)
        client_work(session.client, "deleting", call->n_arguments - 1);
    for (size_t i = 1; r == CLI_DONE && i < call->n_arguments; i++) {
        json_t *object = NULL;

        r = api_find(&session, kind, call->arguments[i], &object);
        if (r == CLI_DONE)
            r = delete_one(&session, kind, object, &show);
        client_work_done(session.client, i);
        json_decref(object);
    }
    if (session.client)
        client_work(session.client, NULL, 0);
    return r == CLI_DONE ? show_end(&show) : r;
}

static int collect(void *context, json_t *object)
{
    return json_array_append(context, object) < 0 ? CLI_FAILED : CLI_DONE;
}

static int delete_all(struct session *session, const struct schema_kind *kind, json_t *list)
{
    _cleanup_show_ struct show show = {0};
    char question[128];
    json_t *object;
    size_t i;
    int r = show_open(session->call, kind, &show);

    snprintf(question, sizeof(question), "Delete %zu %s?", json_array_size(list), kind->plural);
    if (r == CLI_DONE && json_array_size(list) > 0 && !cli_flag(session->call, "confirm"))
        r = api_confirm(session->call, question, "confirm");
    client_work(session->client, "deleting", json_array_size(list));
    json_array_foreach(list, i, object)
    {
        if (r == CLI_DONE)
            r = delete_one(session, kind, object, &show);
        client_work_done(session->client, i + 1);
    }
    client_work(session->client, NULL, 0);
    return r == CLI_DONE ? show_end(&show) : r;
}

int cli_api_delete_many(struct cli_call *call)
{
    _cleanup_session_ struct session session = {0};
    _cleanup_free_
    char *path = NULL;
    const struct schema_kind *kind = NULL;
    struct client_request request = {.method = "GET"};
    json_t *list = json_array();
    size_t at = 0;
    int r = begin(call, SCHEMA_DELETE | SCHEMA_LIST, &kind, &session);

    if (r == CLI_DONE && !cli_next(call, "filter", &at) && !cli_flag(call, "all"))
        r = cli_usage_error(call, "--filter is missing; --all deletes every one");
    if (r == CLI_DONE)
        r = api_add_parameters(call, &request, kind, SCHEMA_LIST);
    if (r == CLI_DONE && (!list || !(path = api_path(kind, NULL))))
        r = cli_no_memory(call);
    request.path = path;
    if (r == CLI_DONE)
        r = api_each(&session, &request, kind, 0, collect, list);
    if (r == CLI_DONE)
        r = delete_all(&session, kind, list);
    json_decref(list);
    return r;
}
