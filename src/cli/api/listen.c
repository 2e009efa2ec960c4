/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead api listen: events as JSON lines. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "cli/api/api.h"
#include "cli/client/session_internal.h"
#include "cli/client/socket.h"

#define BACKOFF_MAX_S 30

/* What to hear: PushConfig of product reference 4.3. */
static int make_config(struct cli_call *call, json_t **ret)
{
    json_t *identities = json_object(), *filters = json_object();
    const char *filter = cli_value(call, "filter");
    const struct cli_given *given;
    size_t at = 0;
    int r = identities && filters ? CLI_DONE : cli_no_memory(call);

    while (r == CLI_DONE && (given = cli_next(call, "identity", &at))) {
        const struct schema_kind *kind;

        r = api_kind(call, given->value, 0, &kind);
        if (r != CLI_DONE)
            break;
        json_object_set_new(identities, kind->name, json_array());
        if (filter)
            json_object_set_new(filters, kind->name, json_string(filter));
    }
    if (r == CLI_DONE && filter && json_object_size(identities) == 0)
        r = cli_usage_error(call, "--filter needs --identity");
    if (r == CLI_DONE)
        *ret = json_pack("{s:O, s:O}", "identities", identities, "filters", filters);
    json_decref(identities);
    json_decref(filters);
    return r;
}

static char *events_path(const struct session *session)
{
    _cleanup_buf_ struct buf path = BUF_INIT(8192);

    buf_puts(&path, "/events?namespace=");
    for (const char *at = session->namespace; *at; at++) {
        bool plain = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
                     (*at >= '0' && *at <= '9') || strchr("/-_.", *at);

        buf_printf(&path, plain ? "%c" : "%%%02X", (unsigned char)*at);
    }
    if (cli_flag(session->call, "recursive"))
        buf_puts(&path, "&mode=all");
    return buf_steal(&path);
}

static int print_event(struct cli_call *call, const char *text, size_t len)
{
    json_t *event = json_loadb(text, len, 0, NULL);
    int r;

    if (!event) {
        cli_error(call, "an event that is no JSON");
        return CLI_FAILED;
    }
    if (call->output.format == CLI_TABLE)
        call->output.format = CLI_JSON;
    r = cli_answered(call, output_streamed(&call->output, event));
    json_decref(event);
    return r == CLI_DONE && fflush(call->output.out) != 0 ? CLI_FAILED : r;
}

/* Until something ends. -errno as of socket_receive(). */
static int listen_once(struct session *session, const char *path, const char *config, bool *ret_was)
{
    _cleanup_socket_ struct socket *socket = NULL;
    int r = socket_open(session->client, path, session->token, &socket);

    if (r == 0)
        r = socket_send(socket, config);
    *ret_was = r == 0;
    if (r == 0 && isatty(fileno(session->call->err)))
        fprintf(session->call->err, "bulkhead: listening in %s\n", session->namespace);
    while (r == 0) {
        const char *text;
        size_t len;

        r = socket_receive(socket, fileno(session->call->output.out), &text, &len);
        if (r == 0 && print_event(session->call, text, len) != CLI_DONE)
            return -EPIPE;
    }
    if (r != -EPIPE)
        cli_complain(session->call, socket ? socket_message(socket) : "out of memory");
    return r;
}

int cli_api_listen(struct cli_call *call)
{
    _cleanup_session_ struct session session = {0};
    _cleanup_free_
    char *path = NULL, *text = NULL;
    json_t *config = NULL;
    unsigned wait = 1;
    int r = make_config(call, &config);

    if (r == CLI_DONE)
        r = session_open(call, &session);
    text = r == CLI_DONE ? json_dumps(config, JSON_COMPACT) : NULL;
    path = r == CLI_DONE ? events_path(&session) : NULL;
    json_decref(config);
    if (r == CLI_DONE && (!text || !path))
        r = cli_no_memory(call);
    while (r == CLI_DONE) {
        struct timespec pause = {.tv_sec = wait};
        bool was = false;
        int ended;

        r = session_authenticate(&session, wait > 1);
        if (r != CLI_DONE)
            break;
        ended = listen_once(&session, path, text, &was);
        if (ended == -EPIPE)
            return CLI_DONE;
        if (!cli_flag(call, "follow") || (!was && ended == -EACCES))
            return CLI_FAILED;
        wait = was ? 1 : MIN(wait * 2, BACKOFF_MAX_S);
        cli_error(call, "events in between are lost; trying again in %u s", wait);
        nanosleep(&pause, NULL);
    }
    return r;
}
