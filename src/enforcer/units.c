/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/units.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/text.h"

#define ID_BYTES 12

const char *unit_type_name(enum unit_kind kind)
{
    if (kind == UNIT_HOST)
        return "Host";
    return kind == UNIT_SERVICE ? "HostService" : "LinuxService";
}

static void unit_free(struct unit **at)
{
    struct unit *unit = *at;

    if (!unit)
        return;
    free(unit->name);
    free(unit->namespace);
    free(unit->cgroup);
    free(unit->ports);
    tag_set_clear(&unit->tags);
    tag_set_clear(&unit->reported);
    free(unit);
    *at = NULL;
}

static int make_id(struct unit *unit, uint32_t enforcer_id)
{
    _cleanup_buf_ struct buf buf = BUF_INIT(16384);
    uint8_t digest[SHA256_BYTES];
    int r;

    buf_printf(&buf, "bulkhead-pu-1\n%u\n%s\n%d\n%s\n%s\n", enforcer_id, unit->namespace,
               (int)unit->kind, unit->name, unit->cgroup ? unit->cgroup : "");
    if (buf.error < 0)
        return buf.error;
    r = hash_sha256(buf.data, buf.len, digest);
    for (size_t i = 0; r == 0 && i < ID_BYTES; i++)
        snprintf(unit->id + 2 * i, 3, "%02x", digest[i]);
    return r;
}

/* The path of the cgroup; what is too long is told apart by a digest at its end. */
static int make_local_id(struct unit *unit)
{
    const char *text = unit->kind == UNIT_HOST ? "host" : unit->cgroup;
    char service[sizeof("hostservice:") + UNIT_SERVICE_NAME_MAX];
    uint8_t digest[SHA256_BYTES];
    char hex[2 * ID_BYTES + 1];
    int r;

    if (unit->kind == UNIT_SERVICE) {
        snprintf(service, sizeof(service), "hostservice:%s", unit->name);
        text = service;
    }
    if (strlen(text) <= UNIT_LOCAL_ID_MAX && text_utf8_valid(text, strlen(text), NULL)) {
        snprintf(unit->local_id, sizeof(unit->local_id), "%.*s", UNIT_LOCAL_ID_MAX, text);
        return 0;
    }
    r = hash_sha256(text, strlen(text), digest);
    for (size_t i = 0; r == 0 && i < ID_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    if (r == 0)
        snprintf(unit->local_id, sizeof(unit->local_id), "%.*s~%s",
                 UNIT_LOCAL_ID_MAX - 2 * ID_BYTES - 1, text, hex);
    /* Cut in the middle of a letter it would be no text; the digest tells them apart. */
    for (char *at = unit->local_id; r == 0 && *at; at++)
        if ((unsigned char)*at >= 0x80)
            *at = '_';
    return r;
}

/* What units_update wants to have, before it is matched with what there is. */
struct wanted {
    struct unit **units;
    size_t n, left_out;
    const struct config *config;
    const struct units_console *console;
};

static void wanted_clear(struct wanted *wanted)
{
    for (size_t i = 0; i < wanted->n; i++)
        unit_free(&wanted->units[i]);
    free(wanted->units);
}

static int by_console(const struct units_console *console, struct unit *unit)
{
    _cleanup_tag_set_ struct tag_set tags = {0};
    struct unit_assignment assignment;
    char *namespace;
    int r;

    if (!console->assigned(console->context, unit->local_id, &assignment))
        return 0;
    namespace = strdup(assignment.namespace);
    if (!namespace)
        return -ENOMEM;
    free(unit->namespace);
    unit->namespace = namespace;
    r = tag_set_copy(assignment.tags, &tags);
    if (r < 0)
        return r;
    tag_set_clear(&unit->tags);
    unit->tags = tags;
    tags = (struct tag_set){0};
    unit->identity = assignment.identity;
    snprintf(unit->id, sizeof(unit->id), "%s", assignment.id);
    return 0;
}

/* The host itself cannot be ignored: it is what the ignored fall to. */
static bool left_to_host(const struct units_console *console, const struct unit *unit)
{
    return console->ignored && unit->kind != UNIT_HOST &&
           console->ignored(console->context, &unit->tags);
}

static int ports_copy(const struct unit_service *service, struct unit *unit)
{
    unit->ports = calloc(service->n_ports + 1, sizeof(*unit->ports));
    if (!unit->ports)
        return -ENOMEM;
    memcpy(unit->ports, service->ports, service->n_ports * sizeof(*unit->ports));
    unit->n_ports = service->n_ports;
    return 0;
}

static int want(struct wanted *wanted, enum unit_kind kind, const char *name, const char *cgroup,
                const struct tag_set *given, const struct unit_service *service)
{
    const struct config *config = wanted->config;
    _cleanup_(unit_free) struct unit *unit = NULL;
    int r;

    if (wanted->n >= ABI_PUS_MAX - UNITS_GONE_KEPT_MAX) {
        wanted->left_out++;
        return 0;
    }
    unit = calloc(1, sizeof(*unit));
    if (!unit)
        return -ENOMEM;
    unit->kind = kind;
    unit->name = strdup(name);
    unit->namespace = strdup(config->namespace);
    unit->cgroup = cgroup ? strdup(cgroup) : NULL;
    if (!unit->name || !unit->namespace || (cgroup && !unit->cgroup))
        return -ENOMEM;
    r = pu_tags_complete(given, config->namespace, name, unit_type_name(kind), &unit->tags);
    if (r < 0)
        return r;
    r = tag_set_copy(given, &unit->reported);
    if (r == 0 && service)
        r = ports_copy(service, unit);
    if (r == 0)
        r = make_id(unit, config->enforcer_id);
    if (r == 0)
        r = make_local_id(unit);
    if (r == 0 && wanted->console->assigned)
        r = by_console(wanted->console, unit);
    else
        unit->identity = identity_id(config->namespace, &unit->tags);
    if (r == 0 && !left_to_host(wanted->console, unit))
        wanted->units[wanted->n++] = TAKE_PTR(unit);
    return r;
}

static bool is_static(const struct config *config, const char *cgroup)
{
    for (size_t i = 0; i < config->n_units; i++)
        if (strcmp(config->units[i].cgroup, cgroup) == 0)
            return true;
    return false;
}

static int want_services(struct wanted *wanted, const struct workload_scan *scan)
{
    size_t root_depth = workload_cgroup_depth(wanted->config->cgroup_root);

    for (size_t i = 0; i < scan->n_services; i++) {
        _cleanup_tag_set_ struct tag_set tags = {0};
        const char *cgroup = scan->services[i];
        const char *name = workload_unit_name(cgroup);
        int r;

        if (is_static(wanted->config, cgroup))
            continue;
        if (workload_cgroup_depth(cgroup) > root_depth + ABI_CGROUP_DEPTH_MAX) {
            wanted->left_out++;
            continue;
        }
        r = tag_set_addf(&tags, "@systemd:unit=%s", name);
        if (r == 0)
            r = want(wanted, UNIT_SYSTEMD, name, cgroup, &tags, NULL);
        if (r == -EINVAL) { /* a name of bytes that no tag can hold */
            wanted->left_out++;
            continue;
        }
        if (r < 0)
            return r;
    }
    return 0;
}

static int want_host(struct wanted *wanted, const char *host_name,
                     const struct unit_services *services)
{
    _cleanup_tag_set_ struct tag_set tags = {0};
    int r = 0;

    if (!wanted->config->host_enabled && !services->host_mode)
        return 0;
    r = tag_set_copy(&wanted->config->host_tags, &tags);
    for (size_t i = 0; r == 0 && i < services->host_tags.n; i++)
        r = tag_set_add(&tags, services->host_tags.tags[i]);
    return r < 0 ? r : want(wanted, UNIT_HOST, host_name, NULL, &tags, NULL);
}

static int want_all(struct wanted *wanted, const char *host_name, const struct workload_scan *scan)
{
    static const struct unit_services none;
    const struct config *config = wanted->config;
    const struct unit_services *services =
        wanted->console->services ? wanted->console->services(wanted->console->context) : NULL;
    size_t n = 1 + config->n_units + (scan ? scan->n_services : 0);
    int r;

    if (!services)
        services = &none;
    n += services->n;

    wanted->units = calloc(n, sizeof(struct unit *));
    if (!wanted->units)
        return -ENOMEM;
    r = want_host(wanted, host_name, services);
    for (size_t i = 0; r == 0 && i < config->n_units; i++)
        r = want(wanted, UNIT_STATIC, config->units[i].name, config->units[i].cgroup,
                 &config->units[i].tags, NULL);
    for (size_t i = 0; r == 0 && i < services->n; i++)
        r = want(wanted, UNIT_SERVICE, services->services[i].name, NULL,
                 &services->services[i].tags, &services->services[i]);
    if (r == 0 && scan && config->discover_systemd)
        r = want_services(wanted, scan);
    return r;
}

static bool same_ports(const struct unit *a, const struct unit *b)
{
    for (size_t i = 0; a->n_ports == b->n_ports && i < a->n_ports; i++)
        if (a->ports[i].protocol != b->ports[i].protocol || a->ports[i].low != b->ports[i].low ||
            a->ports[i].high != b->ports[i].high)
            return false;
    return a->n_ports == b->n_ports;
}

static bool same(const struct unit *a, const struct unit *b)
{
    return strcmp(a->id, b->id) == 0 && same_ports(a, b) && tag_set_equal(&a->tags, &b->tags) &&
           tag_set_equal(&a->reported, &b->reported) && a->identity == b->identity;
}

/* The same thing on this host, whatever the Console calls it: it keeps its slot. */
static bool same_thing(const struct unit *a, const struct unit *b)
{
    return a->kind == b->kind && strcmp(a->local_id, b->local_id) == 0 &&
           strcmp(a->name, b->name) == 0;
}

static void forget(struct units *units, uint32_t index)
{
    if (units->forgotten)
        units->forgotten(index, units->context);
    unit_free(&units->slots[index]);
}

/* Oldest out of the ring of units that went away. */
static void mark_gone(struct units *units, uint32_t index)
{
    units->slots[index]->gone = true;
    units->n--;
    if (units->n_gone == UNITS_GONE_KEPT_MAX) {
        forget(units, units->gone[units->gone_first]);
        units->gone_first = (units->gone_first + 1) % UNITS_GONE_KEPT_MAX;
        units->n_gone--;
    }
    units->gone[(units->gone_first + units->n_gone++) % UNITS_GONE_KEPT_MAX] = index;
}

static void place(struct units *units, struct unit *unit)
{
    uint32_t index = units->next;

    while (units->slots[index])
        index = (index + 1) % ABI_PUS_MAX; /* live and gone together never fill all slots */
    unit->index = index;
    units->slots[index] = unit;
    units->next = (index + 1) % ABI_PUS_MAX;
    units->n++;
}

static struct unit **find_match(struct units *units, struct wanted *wanted, const struct unit *unit)
{
    bool by_local_id = units->console.assigned != NULL;

    for (size_t i = 0; i < wanted->n; i++)
        if (wanted->units[i] &&
            (by_local_id ? same_thing(wanted->units[i], unit) : same(wanted->units[i], unit)))
            return &wanted->units[i];
    return NULL;
}

/* What the Console says of a unit has changed: in its place. */
static void replace(struct units *units, uint32_t index, struct unit **with)
{
    (*with)->index = index;
    (*with)->stopped = units->slots[index]->stopped;
    unit_free(&units->slots[index]);
    units->slots[index] = TAKE_PTR(*with);
}

/* Nothing in here can fail. Removals first, so that there is room. */
static bool settle(struct units *units, struct wanted *wanted)
{
    bool changed = false;

    for (uint32_t i = 0; i < ABI_PUS_MAX; i++) {
        struct unit **match;

        if (!units->slots[i] || units->slots[i]->gone)
            continue;
        match = find_match(units, wanted, units->slots[i]);
        if (!match) {
            mark_gone(units, i);
            changed = true;
        } else if (same(*match, units->slots[i])) {
            unit_free(match);
        } else {
            replace(units, i, match);
            changed = true;
        }
    }
    for (size_t i = 0; i < wanted->n; i++) {
        if (!wanted->units[i])
            continue;
        place(units, TAKE_PTR(wanted->units[i]));
        changed = true;
    }
    return changed;
}

int units_update(struct units *units, const struct config *config, const char *host_name,
                 const struct workload_scan *scan, bool *ret_changed, size_t *ret_left_out)
{
    _cleanup_(wanted_clear) struct wanted wanted = {.config = config, .console = &units->console};
    int r;

    assert(units && config && host_name);

    r = want_all(&wanted, host_name, scan);
    if (r < 0)
        return r;
    *ret_changed = settle(units, &wanted);
    *ret_left_out = wanted.left_out;
    return 0;
}

bool units_look(struct units *units, bool (*there)(const void *context, const char *cgroup),
                const void *context)
{
    bool changed = false;

    for (uint32_t i = 0; i < ABI_PUS_MAX; i++) {
        struct unit *unit = units->slots[i];
        bool stopped;

        if (!unit || unit->gone || !unit->cgroup)
            continue;
        stopped = !there(context, unit->cgroup);
        changed |= stopped != unit->stopped;
        unit->stopped = stopped;
    }
    return changed;
}

const struct unit *units_get(const struct units *units, uint32_t index)
{
    return index < ABI_PUS_MAX ? units->slots[index] : NULL;
}

const struct unit *units_find(const struct units *units, const char *id_or_name)
{
    const struct unit *by_name = NULL;

    for (uint32_t i = 0; i < ABI_PUS_MAX; i++) {
        const struct unit *unit = units->slots[i];

        if (!unit || unit->gone)
            continue;
        if (strcmp(unit->id, id_or_name) == 0)
            return unit;
        if (!by_name && strcmp(unit->name, id_or_name) == 0)
            by_name = unit;
    }
    return by_name;
}

void units_clear(struct units *units)
{
    for (uint32_t i = 0; i < ABI_PUS_MAX; i++)
        unit_free(&units->slots[i]);
    *units = (struct units){0};
}
