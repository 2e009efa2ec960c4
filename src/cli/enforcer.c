/* SPDX-License-Identifier: Apache-2.0 */
/* `bulkhead enforcer …`: ask over the control socket, print what comes. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "cli/command.h"
#include "cli/control.h"

#define SECONDS_MAX 1e12

static const char *socket_path(const struct cli_call *call)
{
    const char *given = cli_value(call, "socket"), *env = getenv("BULKHEAD_SOCKET");

    if (given)
        return given;
    return env && *env ? env : CONTROL_SOCKET_DEFAULT;
}

static int control_failed(const struct cli_call *call, const struct control *control)
{
    _cleanup_free_
    char *safe = text_safe(control->message);

    if (!safe)
        return cli_no_memory(call);
    cli_error(call, "%s", safe);
    return CLI_FAILED;
}

/* One request, one answer of the kind wanted. */
static int ask(const struct cli_call *call, const char *command, json_t *arguments, json_type type,
               json_t **ret)
{
    _cleanup_control_ struct control control = CONTROL_INIT;
    _cleanup_json_ json_t *result = NULL;
    int r = control_request(&control, socket_path(call), command, arguments);

    if (r == 0)
        r = control_answer(&control, CONTROL_TIMEOUT_MS, -1, &result);
    if (r < 0)
        return control_failed(call, &control);
    if (!result || json_typeof(result) != type) {
        cli_error(call, "the answer is not one of an enforcer: expected %s",
                  type == JSON_ARRAY ? "an array" : "an object");
        return CLI_FAILED;
    }
    *ret = TAKE_PTR(result);
    return CLI_DONE;
}

static int ask_list(const struct cli_call *call, const char *command, json_t *arguments,
                    const struct cli_column *columns, size_t n_columns)
{
    _cleanup_json_ json_t *array = NULL;
    int r = ask(call, command, arguments, JSON_ARRAY, &array);

    return r == CLI_DONE ? cli_answer_list(call, array, columns, n_columns) : r;
}

/* ---- status -----------------------------------------------------------------------------------
 */

/* "1d 02:03:04"; nothing for what is no time */
static char *text_of_seconds(const json_t *value)
{
    double seconds = json_number_value(value);
    json_int_t s;
    char *text = NULL;

    if (!(seconds >= 0 && seconds < SECONDS_MAX))
        return strdup("");
    s = (json_int_t)seconds;

    if (asprintf(&text, "%lldd %02lld:%02lld:%02lld", s / 86400, s / 3600 % 24, s / 60 % 60,
                 s % 60) < 0)
        return NULL;
    return text;
}

static char *text_uptime(const json_t *status)
{
    return text_of_seconds(json_object_get(status, "uptimeSeconds"));
}

static enum cli_colour colour_of_attached(const char *text)
{
    return strcmp(text, "yes") == 0 ? CLI_GREEN : CLI_RED;
}

static int print_warnings(const struct cli_call *call, const json_t *warnings)
{
    json_t *warning;
    size_t i;

    json_array_foreach(warnings, i, warning)
    {
        _cleanup_free_
        char *text = json_text(warning);

        if (!text || output_pair(&call->output, "warning", text, CLI_YELLOW) < 0)
            return -ENOMEM;
    }
    return 0;
}

static const char *console_text(const json_t *status, const char *name)
{
    const char *text = json_string_value(json_object_get(json_object_get(status, "console"), name));

    return text ? text : "";
}

/* "connected to https://… since …, certificate until …"; why not is among the warnings */
static char *text_console(const json_t *status)
{
    const char *state = console_text(status, "state"), *url = console_text(status, "url");
    const char *until = console_text(status, "certificateNotAfter");
    char *text;

    if (asprintf(&text, "%s%s%s%s%s%s%s", state, *url ? " to " : "", url, *url ? " since " : "",
                 *url ? console_text(status, "since") : "", *until ? ", certificate until " : "",
                 until) < 0)
        return NULL;
    return text;
}

static int print_status(const struct cli_call *call, const json_t *status)
{
    static const struct {
        const char *label, *path;
        char *(*text)(const json_t *status);
    } rows[] = {
        {"version", "version", NULL},
        {"mode", "mode", NULL},
        {"datapath", "datapath", NULL},
        {"in force", "inForce", NULL},
        {"policy revision", "policyRevision", NULL},
        {"uptime", "uptimeSeconds", text_uptime},
        {"console", NULL, text_console},
        {"processing units", "processingUnits", NULL},
        {"peers", "peers", NULL},
    };
    static const struct cli_column programs[] = {
        {.title = "HOOK", .key = "hook"},
        {.title = "ATTACHED", .key = "attached", .colour = colour_of_attached},
    };
    const json_t *list = json_object_get(status, "programs");
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(rows) && r == 0; i++) {
        _cleanup_free_
        char *text = rows[i].text ? rows[i].text(status) : json_member_text(status, rows[i].path);

        r = text ? output_pair(&call->output, rows[i].label, text, CLI_PLAIN) : -ENOMEM;
    }
    if (r == 0)
        r = print_warnings(call, json_object_get(status, "warnings"));
    if (r == 0 && json_array_size(list) > 0) {
        fputc('\n', call->output.out);
        r = output_table(&call->output, list, programs, ARRAY_SIZE(programs));
    }
    return r;
}

int cli_enforcer_status(struct cli_call *call)
{
    _cleanup_json_ json_t *status = NULL;
    int r = ask(call, "status", NULL, JSON_OBJECT, &status);

    if (r != CLI_DONE)
        return r;
    r = call->output.format == CLI_TABLE ? print_status(call, status)
                                         : output_document(&call->output, status);
    return cli_answered(call, r);
}

/* ---- lists ------------------------------------------------------------------------------------
 */

int cli_enforcer_pus(struct cli_call *call)
{
    static const struct cli_column columns[] = {
        {.title = "ID", .key = "id"},
        {.title = "NAME", .key = "name"},
        {.title = "NAMESPACE", .key = "namespace"},
        {.title = "TYPE", .key = "type"},
        {.title = "POLICY", .key = "policyId"},
        {.title = "CGROUP", .key = "cgroup"},
        {.title = "LISTENING", .key = "listening"},
        {.title = "TAGS", .key = "tags"},
    };

    return ask_list(call, "pus", NULL, columns, ARRAY_SIZE(columns));
}

int cli_enforcer_counters(struct cli_call *call)
{
    static const struct cli_column columns[] = {
        {.title = "NAME", .key = "name"},
        {.title = "VALUE", .key = "value", .right = true},
        {.title = "MEANING", .key = "help"},
    };

    return ask_list(call, "counters", NULL, columns, ARRAY_SIZE(columns));
}

static char *text_duration(const json_t *connection)
{
    return text_of_seconds(json_object_get(connection, "duration"));
}

int cli_enforcer_netstat(struct cli_call *call)
{
    static const struct cli_column columns[] = {
        {.title = "SRC IP", .key = "sourceIP"},
        {.title = "DEST IP", .key = "destinationIP"},
        {.title = "PROTO", .key = "protocol"},
        {.title = "SRC PORT", .key = "sourcePort", .right = true},
        {.title = "DEST PORT", .key = "destinationPort", .right = true},
        {.title = "TYPE", .key = "type"},
        {.title = "POLICY ID", .key = "policyId"},
        {.title = "DURATION", .cell = text_duration, .right = true},
        {.title = "PU", .key = "pu"},
    };
    json_t *arguments = NULL;

    if (call->n_arguments > 0) {
        /* fails for what is not UTF-8 */
        arguments = json_pack("{s:s}", "pu", call->arguments[0]);
        if (!arguments)
            return cli_usage_error(call, "PU: expected a name or id in UTF-8");
    }
    return ask_list(call, "netstat", arguments, columns, ARRAY_SIZE(columns));
}

/* ---- flows ------------------------------------------------------------------------------------
 */

/* "name (address)", one of them, with ":port" at the destination. */
static char *text_end(const json_t *end, bool port)
{
    _cleanup_free_
    char *name = json_member_text(end, "name"), *ip = json_member_text(end, "ip"),
         *number = json_member_text(end, "port");
    bool colon = port && number && *number;
    char *text = NULL;

    if (!name || !ip || !number)
        return NULL;
    if (asprintf(&text, "%s%s%s%s%s%s", name, *name && *ip ? " (" : "", ip, *name && *ip ? ")" : "",
                 colon ? ":" : "", colon ? number : "") < 0)
        return NULL;
    return text;
}

static char *text_source(const json_t *flow)
{
    return text_end(json_object_get(flow, "source"), false);
}

static char *text_destination(const json_t *flow)
{
    return text_end(json_object_get(flow, "destination"), true);
}

/* "/shop web-to-db from-web" */
static char *text_rule(const json_t *flow)
{
    _cleanup_free_
    char *namespace = json_member_text(flow, "policyNamespace"),
         *policy = json_member_text(flow, "policyName"), *rule = json_member_text(flow, "ruleName");
    char *text = NULL;

    if (!namespace || !policy || !rule)
        return NULL;
    if (asprintf(&text, "%s%s%s%s%s", namespace, *namespace ? " " : "", policy, *rule ? " " : "",
                 rule) < 0)
        return NULL;
    return text;
}

/* "NotApplicable" for most flows: no word is easier to read. */
static char *text_observed(const json_t *flow)
{
    const char *action = json_string_value(json_object_get(flow, "observedAction"));

    return strdup(action && strcmp(action, "NotApplicable") != 0 ? action : "");
}

static const struct cli_column flow_columns[] = {
    {.title = "TIME", .key = "timestamp", .width = 24},
    {.title = "ACTION", .key = "action", .colour = colour_of_verdict, .width = 6},
    {.title = "DIRECTION", .key = "direction", .width = 9},
    {.title = "SOURCE", .cell = text_source, .width = 24},
    {.title = "DESTINATION", .cell = text_destination, .width = 30},
    {.title = "PROTO", .key = "protocol", .width = 5},
    {.title = "RULE", .cell = text_rule, .width = 28},
    {.title = "OBSERVED", .cell = text_observed, .colour = colour_of_verdict, .width = 8},
    {.title = "DROPPED FOR", .key = "dropReason", .width = 14},
    {.title = "COUNT", .key = "count", .right = true, .width = 6},
};

static int print_flows(const struct cli_call *call, const json_t *flows)
{
    json_t *flow;
    size_t i;
    int r = 0;

    json_array_foreach(flows, i, flow)
    {
        r = call->output.format == CLI_TABLE
                ? output_row(&call->output, flow, flow_columns, ARRAY_SIZE(flow_columns))
                : output_streamed(&call->output, flow);
        if (r < 0)
            return r;
    }
    return fflush(call->output.out) != 0 ? -EPIPE : 0;
}

/* Ends when the enforcer or the reader goes away. */
static int follow_flows(const struct cli_call *call)
{
    _cleanup_control_ struct control control = CONTROL_INIT;
    int r = control_request(&control, socket_path(call), "flows", json_pack("{s:b}", "follow", 1));

    if (r < 0)
        return control_failed(call, &control);
    if (call->output.format == CLI_TABLE && call->output.headers)
        r = output_row(&call->output, NULL, flow_columns, ARRAY_SIZE(flow_columns));
    while (r == 0) {
        _cleanup_json_ json_t *flows = NULL;

        r = control_answer(&control, -1, fileno(call->output.out), &flows);
        if (r == -EPIPE)
            break;
        if (r < 0)
            return control_failed(call, &control);
        if (!json_is_array(flows)) {
            cli_error(call, "the answer is not one of an enforcer: expected an array of flows");
            return CLI_FAILED;
        }
        if (control.dropped > 0)
            cli_error(call, "%lld flows were left out: they came faster than they were read",
                      (long long)control.dropped);
        r = print_flows(call, flows);
    }
    return r < 0 ? cli_answered(call, r) : CLI_FAILED;
}

int cli_enforcer_flows(struct cli_call *call)
{
    if (cli_flag(call, "follow"))
        return follow_flows(call);
    return ask_list(call, "flows", json_pack("{s:b}", "follow", 0), flow_columns,
                    ARRAY_SIZE(flow_columns));
}

/* ---- disable, enable --------------------------------------------------------------------------
 */

static bool has_terminal(void)
{
    return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

static bool confirmed(const struct cli_call *call, const char *question)
{
    char answer[16];

    fprintf(call->err, "%s [y/N] ", question);
    fflush(call->err);
    return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static int switch_to(const struct cli_call *call, const char *command, const char *done)
{
    _cleanup_json_ json_t *result = NULL;
    int r = ask(call, command, NULL, JSON_OBJECT, &result);

    if (r != CLI_DONE)
        return r;
    if (call->output.format != CLI_TABLE)
        return cli_answer(call, result);
    fprintf(call->output.out, "%s\n", done);
    return CLI_DONE;
}

int cli_enforcer_disable(struct cli_call *call)
{
    if (!cli_flag(call, "yes")) {
        if (!has_terminal())
            return cli_usage_error(call, "there is no terminal to ask on: --yes is needed");
        if (!confirmed(call, "Nothing on this host will be enforced any more. Go on?"))
            return CLI_FAILED;
    }
    return switch_to(call, "disable", "Enforcement is off.");
}

int cli_enforcer_enable(struct cli_call *call)
{
    if (!cli_flag(call, "yes") && has_terminal() &&
        !confirmed(call, "Flows that the policy rejects will be cut. Go on?"))
        return CLI_FAILED;
    return switch_to(call, "enable", "Enforcement is on.");
}
