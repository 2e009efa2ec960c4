/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "load.h"

/*
 * One JSON object a line in, one a line out, in order. "do" says what:
 *
 *   set      port, token, units, group, again (connect again by itself)
 *   register count, connections, namespace: those that are not registered yet
 *   connect  from, count, concurrency
 *   drop     all connections
 *   mark     counters start anew
 *   settle   until count are in step and nothing came for idle_ms, or timeout_ms
 *   change   a request, and until `expect` Enforcers have acknowledged entry `key`
 *   http     connections, method, path, namespace, body, seconds or limit, first, keep
 *   ids      that `keep` kept
 *   state, forget (entries of all), quit
 */

static void answer(json_t *object)
{
    json_dumpf(object, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
    json_decref(object);
}

static json_int_t number(const json_t *command, const char *name, json_int_t otherwise)
{
    const json_t *value = json_object_get(command, name);

    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

static bool wait_for(struct load *load, json_t *command)
{
    load->pending.command = json_incref(command);
    load->pending.deadline_us = now_us() + 1000 * number(command, "timeout_ms", 60000);
    return false;
}

/* Each returns true when there is an answer at once. */

static bool do_set(struct load *load, json_t *command)
{
    const char *token = json_string_value(json_object_get(command, "token"));
    const json_t *again = json_object_get(command, "again");

    if (token) {
        free(load->options.token);
        load->options.token = strdup(token);
    }
    if (again)
        load->again = json_is_true(again);
    load->options.port = (int)number(command, "port", load->options.port);
    load->options.units = (unsigned)number(command, "units", load->options.units);
    load->options.group = (unsigned)number(command, "group", load->options.group);
    return true;
}

static bool do_register(struct load *load, json_t *command)
{
    json_int_t count = number(command, "count", 1);

    if (count > LOAD_ENFORCERS_MAX || load->n_sims >= count)
        return true;
    json_object_set_new(command, "path", json_string("/enforcers"));
    json_object_set_new(command, "registers", json_true());
    json_object_set_new(command, "first", json_integer(load->n_sims));
    json_object_set_new(command, "limit", json_integer(count));
    return job_start(load, command) < 0 || wait_for(load, command);
}

static bool do_connect(struct load *load, json_t *command)
{
    unsigned from = (unsigned)number(command, "from", 0);
    unsigned count = (unsigned)number(command, "count", load->n_sims);

    load->concurrency = (unsigned)number(command, "concurrency", 500);
    for (unsigned i = from; i < load->n_sims && i < from + count; i++) {
        if (load->sims[i].state != SIM_OFF)
            continue;
        load->sims[i].state = SIM_WAITING;
        load->sims[i].due_ms = 0;
    }
    return true;
}

static bool do_drop(struct load *load, json_t *command)
{
    for (unsigned i = 0; i < load->n_sims; i++)
        sim_drop(&load->sims[i]);
    return true;
}

static bool do_forget(struct load *load, json_t *command)
{
    for (unsigned i = 0; i < load->n_sims; i++)
        sim_clear(&load->sims[i]);
    return true;
}

static bool do_mark(struct load *load, json_t *command)
{
    tally_mark(load);
    return true;
}

static bool do_change(struct load *load, json_t *command)
{
    const char *key = json_string_value(json_object_get(command, "key"));

    json_object_set_new(command, "connections", json_integer(1));
    json_object_set_new(command, "limit", json_integer(1));
    if (!key || job_start(load, command) < 0)
        return true;
    watch_start(load, key, (unsigned)number(command, "expect", 1));
    load->job.changes = true;
    return wait_for(load, command);
}

static bool do_http(struct load *load, json_t *command)
{
    if (number(command, "forget_ids", 0))
        load->n_ids = 0;
    return job_start(load, command) < 0 || wait_for(load, command);
}

static bool do_state(struct load *load, json_t *command)
{
    return true;
}

static bool do_ids(struct load *load, json_t *command)
{
    json_t *list = json_array();

    for (size_t i = 0; i < load->n_ids; i++)
        json_array_append_new(list, json_string(load->ids[i]));
    answer(json_pack("{s:o}", "ids", list));
    return false;
}

static bool do_quit(struct load *load, json_t *command)
{
    load->ending = true;
    return true;
}

static bool do_settle(struct load *load, json_t *command)
{
    return wait_for(load, command);
}

static const struct {
    const char *name;
    bool (*run)(struct load *load, json_t *command);
} commands[] = {
    {"set", do_set},   {"register", do_register}, {"connect", do_connect}, {"drop", do_drop},
    {"mark", do_mark}, {"settle", do_settle},     {"change", do_change},   {"http", do_http},
    {"ids", do_ids},   {"state", do_state},       {"forget", do_forget},   {"quit", do_quit},
};

void command_line(struct load *load, const char *line)
{
    json_t *command = json_loads(line, 0, NULL);
    const char *name = json_string_value(json_object_get(command, "do"));
    bool found = false;

    for (size_t i = 0; i < ARRAY_SIZE(commands) && name; i++) {
        if (strcmp(commands[i].name, name) != 0)
            continue;
        found = true;
        if (commands[i].run(load, command))
            answer(load_state(load));
    }
    if (!found)
        answer(json_pack("{s:s}", "error", "unknown command"));
    json_decref(command);
}

/* ---- Those that wait ------------------------------------------------------------------------- */

static json_t *settled(struct load *load, const json_t *command, bool late)
{
    json_int_t idle_us = 1000 * number(command, "idle_ms", 500);
    json_int_t count = number(command, "count", load->n_sims), step = 0;
    json_t *state;

    if (!late && now_us() - load->tally.last_us < idle_us)
        return NULL;
    for (unsigned i = 0; i < load->n_sims; i++)
        step += load->sims[i].state == SIM_STEP && load->sims[i].settled;
    if (!late && step < count)
        return NULL;
    state = load_state(load);
    json_object_set_new(state, "ok", json_boolean(step >= count));
    return state;
}

static json_t *changed(struct load *load, bool late)
{
    struct watch *watch = &load->watch;
    json_t *result, *seen;

    if (!late && (load->job.n_busy > 0 || load->job.done == 0 || watch->n < watch->expected))
        return NULL;
    if (load->job.done == 0) {
        *watch->key = '\0';
        load->job.active = false;
        return json_pack("{s:b, s:i}", "ok", 0, "n", 0);
    }
    result = job_result(load);
    seen = latencies(watch->us, watch->n);
    json_object_set_new(seen, "ok", json_boolean(watch->n >= watch->expected));
    json_object_set_new(seen, "n", json_integer(watch->n));
    json_object_set_new(seen, "others", json_integer(watch->others));
    json_object_set_new(seen, "request", result ? result : json_null());
    *watch->key = '\0';
    return seen;
}

void command_tick(struct load *load)
{
    const json_t *command = load->pending.command;
    const char *name = json_string_value(json_object_get(command, "do"));
    bool late = command && now_us() > load->pending.deadline_us;
    json_t *result;

    if (!command)
        return;
    if (strcmp(name, "settle") == 0)
        result = settled(load, command, late);
    else if (strcmp(name, "change") == 0)
        result = changed(load, late);
    else
        result = job_result(load);
    if (!result && late) {
        load->job.active = false;
        result = json_pack("{s:s, s:i, s:s}", "error", "timeout", "status", load->job.last_status,
                           "answer", load->job.last_body);
    }
    if (!result)
        return;
    answer(result);
    json_decref(load->pending.command);
    load->pending.command = NULL;
}
