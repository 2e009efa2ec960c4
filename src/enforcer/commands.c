/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "enforcer/remote.h"
#include "enforcer/state.h"

#define POLICY_ID_BYTES 12 /* of the fingerprint */
#define DUMP_FLAGS (JSON_COMPACT | JSON_ENSURE_ASCII)

static void json_unref(json_t **json)
{
    json_decref(*json);
}
#define _cleanup_json_ _cleanup_(json_unref)

static void refuse(struct control_reply *reply, enum control_code code, const char *text)
{
    reply->code = code;
    snprintf(reply->message, sizeof(reply->message), "%s", text);
}

static int append(const char *data, size_t len, void *context)
{
    struct buf *buf = context;

    buf_append(buf, data, len);
    return buf->error < 0 ? -1 : 0;
}

static void answer(struct control_reply *reply, const json_t *json)
{
    if (!json || json_dump_callback(json, append, &reply->result, DUMP_FLAGS) < 0)
        refuse(reply, CONTROL_INTERNAL, "no memory for the answer");
}

/* Names from cgroups and files may hold any bytes: what is no UTF-8 is shown as such. */
static json_t *text_json(const char *text)
{
    json_t *json = json_string(text);

    return json ? json : json_string("(not UTF-8)");
}

static json_t *tags_json(const struct tag_set *tags)
{
    json_t *array = json_array();

    for (size_t i = 0; i < tags->n; i++)
        json_array_append_new(array, text_json(tags->tags[i]));
    return array;
}

/* ---- status
 * -------------------------------------------------------------------------------------------- */

static json_t *programs_json(struct daemon *daemon)
{
    _cleanup_free_
    struct datapath_program *programs = NULL;
    json_t *array = json_array();
    size_t n = 0;

    if (!daemon->datapath || datapath_programs(daemon->datapath, &programs, &n) < 0)
        return array;
    for (size_t i = 0; i < n; i++)
        json_array_append_new(array, json_pack("{s:s, s:b}", "hook", programs[i].hook, "attached",
                                               (int)programs[i].attached));
    return array;
}

static json_t *warnings_json(const struct warnings *warnings)
{
    json_t *array = json_array();

    for (int source = 0; source < WARNING_SOURCES; source++) {
        for (size_t i = 0; i < warnings->n[source]; i++)
            json_array_append_new(array, text_json(warnings->texts[source][i]));
        if (warnings->left_out[source])
            json_array_append_new(array, json_sprintf("and %zu more", warnings->left_out[source]));
    }
    return array;
}

size_t daemon_peers_count(const struct daemon *daemon)
{
    size_t n = daemon->remote ? remote_peers_count(daemon->remote) : 0;

    for (size_t i = 0; daemon->peers && i < daemon->peers->n; i++)
        n += daemon->peers->hosts[i]->enforcer_id != daemon->config->enforcer_id;
    return n;
}

static void run_status(struct daemon *daemon, const struct control_request *request,
                       struct control_reply *reply)
{
    static const char *const forces[] = {
        [FORCE_NOTHING] = "nothing",
        [FORCE_ADOPTED] = "adopted",
        [FORCE_FALLBACK] = "fallback",
        [FORCE_POLICY] = "policy",
    };
    _cleanup_json_ json_t *json = json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:o, s:I, s:I, s:s, s:o, s:o}", "version", BULKHEAD_VERSION,
        "mode", daemon->remote ? "console" : "standalone", "datapath", "ebpf", "policyRevision",
        (json_int_t)daemon->policy_revision, "uptimeSeconds",
        (json_int_t)((daemon_now_ns() - daemon->started_ns) / 1000000000), "console",
        daemon->remote ? remote_status_json(daemon->remote) : json_pack("{s:s}", "state", "none"),
        "processingUnits", (json_int_t)daemon->units.n, "peers",
        (json_int_t)daemon_peers_count(daemon), "inForce", forces[daemon->force], "programs",
        programs_json(daemon), "warnings", warnings_json(&daemon->warnings));

    answer(reply, json);
}

/* ---- pus
 * ------------------------------------------------------------------------------------------------
 */

struct listening {
    json_t *by_unit[ABI_PUS_MAX]; /* array of texts, or NULL */
};

static void note_listening(const struct datapath_socket *socket, void *context)
{
    struct listening *listening = context;
    char text[PORT_TEXT_MAX];
    json_t *array, *value;
    size_t i;

    if (socket->type != DATAPATH_SOCKET_LISTEN || socket->pu >= ABI_PUS_MAX)
        return;
    if (!listening->by_unit[socket->pu])
        listening->by_unit[socket->pu] = json_array();
    array = listening->by_unit[socket->pu];
    port_format(socket->protocol, socket->local_port, text);
    json_array_foreach(array, i, value) if (strcmp(json_string_value(value), text) == 0) return;
    json_array_append_new(array, json_string(text));
}

static json_t *unit_json(const struct daemon *daemon, const struct unit *unit, json_t *listening)
{
    const struct policy *policy = ruling_policy_of(daemon->ruling, unit->index);
    char policy_id[2 * POLICY_ID_BYTES + 1] = "";

    for (size_t i = 0; policy && i < POLICY_ID_BYTES; i++)
        snprintf(policy_id + 2 * i, 3, "%02x", policy->fingerprint[i]);
    return json_pack("{s:s, s:o, s:s, s:s, s:o, s:o, s:s, s:I, s:o, s:s}", "id", unit->id, "name",
                     text_json(unit->name), "namespace", unit->namespace, "type",
                     unit_type_name(unit->kind), "tags", tags_json(&unit->tags), "cgroup",
                     text_json(unit->cgroup ? unit->cgroup : ""), "policyId", policy_id, "identity",
                     (json_int_t)unit->identity, "listening", listening ? listening : json_array(),
                     "status", unit->stopped ? "Stopped" : "Running");
}

static void run_pus(struct daemon *daemon, const struct control_request *request,
                    struct control_reply *reply)
{
    _cleanup_free_
    struct listening *listening = calloc(1, sizeof(*listening));
    _cleanup_json_ json_t *array = json_array();

    if (!listening) {
        refuse(reply, CONTROL_INTERNAL, error_text(-ENOMEM));
        return;
    }
    if (daemon->datapath)
        datapath_sockets(daemon->datapath, note_listening, listening);
    for (uint32_t i = 0; i < ABI_PUS_MAX; i++) {
        const struct unit *unit = units_get(&daemon->units, i);

        if (unit && !unit->gone)
            json_array_append_new(array, unit_json(daemon, unit, listening->by_unit[i]));
        else
            json_decref(listening->by_unit[i]);
    }
    answer(reply, array);
}

/* ---- counters, netstat
 * --------------------------------------------------------------------------------------- */

static void run_counters(struct daemon *daemon, const struct control_request *request,
                         struct control_reply *reply)
{
    struct datapath_counter counters[DAEMON_COUNTERS_MAX];
    size_t n = daemon_counters_list(daemon, counters);
    _cleanup_json_ json_t *array = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(array,
                              json_pack("{s:s, s:I, s:s}", "name", counters[i].name, "value",
                                        (json_int_t)counters[i].value, "help", counters[i].help));
    answer(reply, array);
}

struct netstat {
    const struct daemon *daemon;
    struct flowtext text;
    uint32_t only; /* slot, or UNIT_NO_SLOT for all */
    json_t *array;
};

static void note_socket(const struct datapath_socket *socket, void *context)
{
    static const char *const types[] = {
        [DATAPATH_SOCKET_EXISTING] = "Existing",
        [DATAPATH_SOCKET_PU_TO_PU] = "PU to PU",
        [DATAPATH_SOCKET_PU_TO_EXT] = "PU to EXT",
        [DATAPATH_SOCKET_EXT_TO_PU] = "EXT to PU",
    };
    struct netstat *netstat = context;
    const struct unit *unit = units_get(&netstat->daemon->units, socket->pu);
    bool outgoing = socket->direction == MODEL_DIRECTION_OUT;
    char local[IP_TEXT_MAX], remote[IP_TEXT_MAX], number[4];
    struct flowtext_policy policy = {.namespace = "", .name = "", .rule = ""};

    if (socket->type == DATAPATH_SOCKET_LISTEN ||
        (netstat->only != UNIT_NO_SLOT && netstat->only != socket->pu))
        return;
    if (socket->type != DATAPATH_SOCKET_EXISTING)
        flowtext_policy(&netstat->text, socket->pu, socket->policy_version, socket->rule, &policy);
    ip_addr_format(&socket->local, local);
    ip_addr_format(&socket->remote, remote);
    json_array_append_new(
        netstat->array,
        json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:s, s:f, s:o}", "sourceIP",
                  outgoing ? local : remote, "destinationIP", outgoing ? remote : local, "protocol",
                  flowtext_protocol(socket->protocol, number), "sourcePort",
                  (json_int_t)(outgoing ? socket->local_port : socket->remote_port),
                  "destinationPort",
                  (json_int_t)(outgoing ? socket->remote_port : socket->local_port), "type",
                  types[socket->type], "policyId", policy.id, "duration",
                  (double)(socket->duration_ns / 1000000) / 1000, "pu",
                  text_json(unit ? unit->name : "")));
}

static void run_netstat(struct daemon *daemon, const struct control_request *request,
                        struct control_reply *reply)
{
    _cleanup_json_ json_t *array = json_array();
    struct netstat netstat = {.daemon = daemon, .only = UNIT_NO_SLOT, .array = array};
    int r;

    daemon_flowtext(daemon, &netstat.text);
    if (*request->pu) {
        const struct unit *unit = units_find(&daemon->units, request->pu);

        if (!unit) {
            refuse(reply, CONTROL_BAD_REQUEST,
                   "arguments.pu: no processing unit has this name or "
                   "id; see `bulkhead enforcer pus`");
            return;
        }
        netstat.only = unit->index;
    }
    r = daemon->datapath ? datapath_sockets(daemon->datapath, note_socket, &netstat) : 0;
    if (r < 0)
        refuse(reply, CONTROL_INTERNAL, error_text(r));
    else
        answer(reply, array);
}

/* ---- flows, disable, enable
 * ------------------------------------------------------------------------------------- */

static void run_flows(struct daemon *daemon, const struct control_request *request,
                      struct control_reply *reply)
{
    int r = daemon_flows_stream(daemon, request->follow, &reply->stream);

    reply->follow = request->follow;
    if (r < 0)
        refuse(reply, CONTROL_INTERNAL, error_text(r));
}

static void answer_state(struct daemon *daemon, struct control_reply *reply)
{
    _cleanup_json_ json_t *json = json_pack("{s:b}", "enabled", (int)(daemon->datapath != NULL));

    answer(reply, json);
}

/*
 * The mark first: a daemon that ends in between must not come back enforcing. But a full disk keeps
 * nobody from switching off: then it is off until the next start, and the answer says so.
 */
static void run_disable(struct daemon *daemon, const struct control_request *request,
                        struct control_reply *reply)
{
    int marked = state_set_disabled(daemon->options->state, true);
    int r = daemon->datapath ? daemon_detach(daemon) : 0;

    if (r < 0) {
        state_set_disabled(daemon->options->state, daemon->datapath == NULL);
        refuse(reply, CONTROL_INTERNAL, error_text(r));
        return;
    }
    log_event(LOG_LEVEL_WARN, "enforcement.disabled", LOG_F("state", "%s", daemon->options->state),
              LOG_F("lasts", "%s", marked < 0 ? "until the next start" : "until enabled"));
    daemon->root_lost = false;
    daemon_disabled_warn(daemon);
    if (marked < 0) {
        snprintf(reply->message, sizeof(reply->message),
                 "enforcement is off now, but the next start of the daemon ends this: %.100s/"
                 "disabled cannot be written: %s",
                 daemon->options->state, error_text(marked));
        warnings_add(&daemon->warnings, WARNING_DATAPATH, "%s", reply->message);
        reply->code = CONTROL_INTERNAL;
        return;
    }
    answer_state(daemon, reply);
}

static void run_enable(struct daemon *daemon, const struct control_request *request,
                       struct control_reply *reply)
{
    char message[DATAPATH_MESSAGE_MAX] = "";
    int r = 0;

    if (!daemon->datapath)
        r = daemon_enable(daemon, message);
    daemon->root_lost &= r < 0;
    if (r == 0)
        r = state_set_disabled(daemon->options->state, false);
    if (r < 0) {
        refuse(reply, CONTROL_INTERNAL, *message ? message : error_text(r));
        return;
    }
    daemon_disabled_warn(daemon);
    log_event(LOG_LEVEL_INFO, "enforcement.enabled", LOG_F("units", "%zu", daemon->units.n));
    answer_state(daemon, reply);
}

void commands_run(const struct control_request *request, struct control_reply *reply, void *context)
{
    static void (*const runs[])(struct daemon *, const struct control_request *,
                                struct control_reply *) = {
        [CONTROL_STATUS] = run_status,   [CONTROL_PUS] = run_pus,
        [CONTROL_FLOWS] = run_flows,     [CONTROL_COUNTERS] = run_counters,
        [CONTROL_NETSTAT] = run_netstat, [CONTROL_DISABLE] = run_disable,
        [CONTROL_ENABLE] = run_enable,
    };

    assert(request->command < ARRAY_SIZE(runs));
    runs[request->command](context, request, reply);
}
