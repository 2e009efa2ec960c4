/* SPDX-License-Identifier: Apache-2.0 */
/* `bulkhead policy eval`: one flow from the options, or many from a file. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "cli/cases.h"
#include "cli/eval.h"
#include "cli/load.h"

/* ---- What is asked ----------------------------------------------------------------------------
 */

static int option_problem(const struct cli_call *call, const char *name, const char *problem)
{
    return cli_usage_error(call, "--%s: %s", name, problem);
}

static int option_missing(const struct cli_call *call, const char *name)
{
    return cli_usage_error(call, "--%s is missing", name);
}

static int peer_option(const struct cli_call *call, const char *name, struct peer *ret)
{
    char problem[PEER_PROBLEM_MAX];
    int r = peer_parse(cli_value(call, name), ret, problem);

    if (r == -EINVAL)
        return option_problem(call, name, problem);
    return r < 0 ? cli_no_memory(call) : CLI_DONE;
}

static int port_option(const struct cli_call *call, struct flow_case *ret)
{
    const char *text = cli_value(call, "port"), *why = NULL;
    _cleanup_free_
    char *safe = NULL;

    if (port_parse(text, &ret->protocol, &ret->port, &why) == 0)
        return CLI_DONE;
    safe = text_safe(text);
    return safe ? cli_usage_error(call, "--port: found '%s', expected %s", safe, why)
                : cli_no_memory(call);
}

static int case_from_options(const struct cli_call *call, struct flow_case *ret)
{
    static const char *const needed[] = {"from", "to", "port"};
    int r;

    for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
        if (!cli_value(call, needed[i]))
            return option_missing(call, needed[i]);
    r = peer_option(call, "from", &ret->from);
    if (r == CLI_DONE)
        r = peer_option(call, "to", &ret->to);
    if (r == CLI_DONE)
        r = port_option(call, ret);
    if (r == CLI_DONE && !peer_has_identity(&ret->from) && !peer_has_identity(&ret->to))
        return cli_usage_error(call, "--from, --to: found two peers without identity, expected "
                                     "tags: in one of them: nothing enforces between them");
    return r;
}

static int cases_from_file(const struct cli_call *call, const char *file, struct flow_cases *cases)
{
    static const char *const excluded[] = {"from", "to", "port"};
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    _cleanup_free_
    char *text = NULL;
    size_t len;
    int r;

    for (size_t i = 0; i < ARRAY_SIZE(excluded); i++)
        if (cli_value(call, excluded[i]))
            return cli_usage_error(call, "--%s: not together with --cases", excluded[i]);
    r = file_read(file, MODEL_DOCUMENT_BYTES_MAX, &text, &len);
    if (r < 0) {
        _cleanup_free_
        char *safe = text_safe(file);

        if (!safe)
            return cli_no_memory(call);
        cli_error(call, "cannot read %s: %s", safe, error_text(r));
        return CLI_USAGE;
    }
    r = flow_cases_parse(file, text, len, &diagnostics, cases);
    load_report(call, &diagnostics);
    if (r == -BULKHEAD_EINVALID_INPUT)
        return CLI_USAGE;
    return r < 0 ? cli_no_memory(call) : CLI_DONE;
}

/* ---- The answer -------------------------------------------------------------------------------
 */

static char *text_of_rule(const json_t *rule)
{
    _cleanup_free_
    char *namespace = json_member_text(rule, "policyNamespace"),
         *policy = json_member_text(rule, "policyName"), *name = json_member_text(rule, "ruleName");
    char *text = NULL;

    if (!namespace || !policy || !name)
        return NULL;
    if (asprintf(&text, "%s %s%s%s", namespace, policy, *name ? " " : "", name) < 0)
        return NULL;
    return text;
}

static char *text_of_observed(const json_t *side)
{
    const json_t *observed = json_array_get(json_object_get(side, "observed"), 0);
    _cleanup_free_
    char *rule = observed ? text_of_rule(observed) : NULL;
    char *text = NULL;

    if (!observed)
        return strdup("");
    if (!rule || asprintf(&text, "%s by %s", json_string_value(json_object_get(observed, "action")),
                          rule) < 0)
        return NULL;
    return text;
}

static char *text_of_nearest(const json_t *side)
{
    const json_t *nearest = json_object_get(side, "nearest");
    _cleanup_free_
    char *rule = json_is_object(nearest) ? text_of_rule(nearest) : NULL;
    char *text = NULL;

    if (!json_is_object(nearest))
        return strdup("");
    if (!rule || asprintf(&text, "%s lacks %s", rule,
                          json_string_value(json_object_get(nearest, "missing"))) < 0)
        return NULL;
    return text;
}

static int print_verdict(const struct cli_call *call, const json_t *result)
{
    static const struct cli_column columns[] = {
        {.title = "SIDE", .key = "side"},
        {.title = "VERDICT", .key = "verdict", .colour = colour_of_verdict},
        {.title = "DECIDED BY", .cell = text_of_rule},
        {.title = "OBSERVED", .cell = text_of_observed},
        {.title = "NEAREST", .cell = text_of_nearest},
    };
    const char *verdict = json_string_value(json_object_get(result, "verdict"));

    if (call->output.format != CLI_TABLE)
        return output_document(&call->output, result);
    if (call->output.headers) {
        int r = output_pair(&call->output, "VERDICT", verdict, colour_of_verdict(verdict));

        if (r < 0)
            return r;
        fputc('\n', call->output.out);
    }
    return output_table(&call->output, json_object_get(result, "sides"), columns,
                        ARRAY_SIZE(columns));
}

/* The first side that rejects; of accepted flows, every side. */
static char *text_of_deciders(const json_t *result)
{
    const json_t *sides = json_object_get(result, "sides");
    bool accepted = strcmp(json_string_value(json_object_get(result, "verdict")), "Accept") == 0;
    char *text = strdup("");
    json_t *side;
    size_t i;

    json_array_foreach(sides, i, side)
    {
        _cleanup_free_
        char *rule = text_of_rule(side), *before = text;
        bool rejects = strcmp(json_string_value(json_object_get(side, "verdict")), "Reject") == 0;

        text = NULL;
        if (!before || !rule)
            return NULL;
        if (asprintf(&text, "%s%s%s: %s", before, *before ? "; " : "",
                     json_string_value(json_object_get(side, "side")), rule) < 0)
            return NULL;
        if (!accepted && rejects)
            break;
    }
    return text;
}

static enum cli_colour colour_of_ok(const char *text)
{
    return strcmp(text, "yes") == 0 ? CLI_GREEN : strcmp(text, "no") == 0 ? CLI_RED : CLI_PLAIN;
}

static int print_cases(const struct cli_call *call, const json_t *results)
{
    static const struct cli_column columns[] = {
        {.title = "FROM", .key = "from"},
        {.title = "TO", .key = "to"},
        {.title = "PORT", .key = "port"},
        {.title = "VERDICT", .key = "verdict", .colour = colour_of_verdict},
        {.title = "EXPECTED", .key = "expect"},
        {.title = "OK", .key = "ok", .colour = colour_of_ok},
        {.title = "DECIDED BY", .cell = text_of_deciders},
    };

    if (call->output.format != CLI_TABLE)
        return output_document(&call->output, results);
    return output_table(&call->output, results, columns, ARRAY_SIZE(columns));
}

/* ---- Judging ----------------------------------------------------------------------------------
 */

static int judge(struct eval *eval, const struct flow_case *flow, json_t **ret)
{
    return eval_flow(eval, flow->namespace, &flow->from, &flow->to, flow->protocol, flow->port,
                     ret);
}

static int judging_failed(const struct cli_call *call, int error)
{
    cli_error(call, "%s", error_text(error));
    return CLI_FAILED;
}

static bool is_verdict(const json_t *result, const char *verdict)
{
    return strcmp(json_string_value(json_object_get(result, "verdict")), verdict) == 0;
}

static int eval_one(const struct cli_call *call, struct eval *eval, const struct flow_case *flow)
{
    _cleanup_json_ json_t *result = NULL;
    int r = judge(eval, flow, &result);

    if (r < 0)
        return judging_failed(call, r);
    r = cli_answered(call, print_verdict(call, result));
    if (r != CLI_DONE)
        return r;
    return is_verdict(result, "Accept") ? CLI_DONE : CLI_FAILED;
}

/* @return 0 or -ENOMEM */
static int label_result(json_t *result, const struct flow_case *flow, bool *differs)
{
    bool ok = !flow->expect || is_verdict(result, flow->expect);

    if (json_object_set_new(result, "from", json_string(flow->from_text)) < 0 ||
        json_object_set_new(result, "to", json_string(flow->to_text)) < 0 ||
        json_object_set_new(result, "port", json_string(flow->port_text)) < 0)
        return -ENOMEM;
    if (!flow->expect)
        return 0;
    *differs |= !ok;
    if (json_object_set_new(result, "expect", json_string(flow->expect)) < 0 ||
        json_object_set_new(result, "ok", json_boolean(ok)) < 0)
        return -ENOMEM;
    return 0;
}

static int eval_many(const struct cli_call *call, struct eval *eval, const struct flow_cases *cases)
{
    _cleanup_json_ json_t *results = json_array();
    bool differs = false;
    int r = results ? 0 : -ENOMEM;

    for (size_t i = 0; i < cases->n && r == 0; i++) {
        json_t *result = NULL;

        r = judge(eval, &cases->items[i], &result);
        if (r == 0 && json_array_append_new(results, result) < 0)
            r = -ENOMEM;
        if (r == 0)
            r = label_result(result, &cases->items[i], &differs);
    }
    if (r < 0)
        return judging_failed(call, r);
    r = cli_answered(call, print_cases(call, results));
    if (r != CLI_DONE)
        return r;
    return differs ? CLI_FAILED : CLI_DONE;
}

/* --file may stand more than once; arguments are more of them. */
static int policy_paths(const struct cli_call *call, const char ***ret, size_t *ret_n)
{
    const char **paths = calloc(call->n_given + call->n_arguments + 1, sizeof(*paths));
    size_t n = 0;

    if (!paths)
        return cli_no_memory(call);
    for (size_t i = 0; i < call->n_given; i++)
        if (strcmp(call->given[i].option->name, "file") == 0)
            paths[n++] = call->given[i].value;
    for (size_t i = 0; i < call->n_arguments; i++)
        paths[n++] = call->arguments[i];
    *ret = paths;
    *ret_n = n;
    return n ? CLI_DONE : option_missing(call, "file");
}

static int judge_files(const struct cli_call *call, const char *namespace,
                       const struct flow_case *flow, const struct flow_cases *cases)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    _cleanup_estate_ struct estate *estate = NULL;
    _cleanup_eval_ struct eval *eval = NULL;
    _cleanup_free_
    const char **paths = NULL;
    size_t n_paths = 0, n_files = 0;
    int r = policy_paths(call, &paths, &n_paths);

    if (r != CLI_DONE)
        return r;
    r = load_estate(call, namespace, paths, n_paths, &diagnostics, &estate, &n_files);
    if (r != CLI_DONE)
        return r;
    load_report(call, &diagnostics);
    if (!estate)
        return CLI_USAGE;
    if (eval_new(estate, namespace, &eval) < 0)
        return cli_no_memory(call);
    return flow ? eval_one(call, eval, flow) : eval_many(call, eval, cases);
}

int cli_policy_eval(struct cli_call *call)
{
    const char *file = cli_value(call, "cases"), *namespace = NULL;
    _cleanup_flow_cases_ struct flow_cases cases = {0};
    struct flow_case flow = {0};
    int r = load_namespace(call, &namespace);

    if (r == CLI_DONE)
        r = file ? cases_from_file(call, file, &cases) : case_from_options(call, &flow);
    if (r == CLI_DONE)
        r = judge_files(call, namespace, file ? NULL : &flow, &cases);
    peer_clear(&flow.from);
    peer_clear(&flow.to);
    return r;
}
