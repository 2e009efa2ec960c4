/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * This host's processing units: the host itself, the static ones of the configuration, discovered
 * systemd services, host services of the Console. Each has a slot number (datapath_pu.index) for
 * life; slots are given out in turn, so that a report about a unit that just went away still finds
 * its name.
 */

#include "bpf/abi.h"
#include "datapath/datapath.h"
#include "enforcer/config.h"
#include "workload/workload.h"

enum unit_kind { UNIT_HOST, UNIT_STATIC, UNIT_SYSTEMD, UNIT_SERVICE };

#define UNIT_ID_TEXT 33       /* 24 hex digits and NUL; or the Console's ID */
#define UNIT_LOCAL_ID_MAX 125 /* what fits into the key of an entry (link.h) */
#define UNIT_SERVICE_NAME_MAX 127
#define UNITS_GONE_KEPT_MAX 256
#define UNIT_NO_SLOT UINT32_MAX

struct unit {
    uint32_t index;
    enum unit_kind kind;
    char *name;
    char *namespace;
    char *cgroup;                 /* absolute in cgroup v2; NULL for the host and its services */
    struct datapath_ports *ports; /* of a host service */
    size_t n_ports;
    struct tag_set tags;     /* completed; with a Console those it gave */
    struct tag_set reported; /* what this host says by itself, not completed */
    uint32_t identity;
    char id[UNIT_ID_TEXT]; /* of (enforcer, namespace, kind, name, cgroup), or of the Console */
    char local_id[UNIT_LOCAL_ID_MAX + 1]; /* unique on the host, the same after a restart */
    bool gone;                            /* kept for the names in reports only */
    bool stopped;                         /* its cgroup is not there (yet) */
};

/* A part of the host that is a unit by the ports that it serves. */
struct unit_service {
    char *name;
    struct tag_set tags;
    struct datapath_ports *ports;
    size_t n_ports;
};
struct unit_services {
    struct unit_service *services;
    size_t n;
    bool host_mode;           /* the host itself is a unit, whatever the configuration says */
    struct tag_set host_tags; /* of it, beside those of the configuration */
};

/* What a Console says about a unit. */
struct unit_assignment {
    const char *id, *namespace;
    const struct tag_set *tags;
    uint32_t identity;
};
/* mode: console. Without `assigned` units are what the configuration says. */
struct units_console {
    /* false: the Console does not know it (yet): its own tags count, without an identity */
    bool (*assigned)(void *context, const char *local_id, struct unit_assignment *ret);
    /* Left to the host by the enforcer profile? */
    bool (*ignored)(void *context, const struct tag_set *tags);
    /* NULL: none are known. */
    const struct unit_services *(*services)(void *context);
    void *context;
};

struct units {
    struct units_console console;
    struct unit *slots[ABI_PUS_MAX];
    uint32_t next;                      /* slot that is tried first */
    size_t n;                           /* live ones */
    uint32_t gone[UNITS_GONE_KEPT_MAX]; /* ring of slots, oldest at gone_first */
    size_t gone_first, n_gone;
    /* Told before a slot of a unit that went away is emptied; may be NULL. */
    void (*forgotten)(uint32_t index, void *context);
    void *context;
};

/*
 * Make the units what configuration and scan say. Units that stay the same keep their slot.
 * All or nothing.
 *
 * @param scan         may be NULL: no discovery
 * @param ret_changed  something was added or removed
 * @param ret_left_out units for which there was no slot
 * @return 0, -ENOMEM
 */
int units_update(struct units *units, const struct config *config, const char *host_name,
                 const struct workload_scan *scan, bool *ret_changed, size_t *ret_left_out);
/* Look whose cgroup is there. `there` is asked for each that has one. @return something changed */
bool units_look(struct units *units, bool (*there)(const void *context, const char *cgroup),
                const void *context);
/* Live or gone; NULL when the slot is empty. */
const struct unit *units_get(const struct units *units, uint32_t index);
/* Live one by id or name. */
const struct unit *units_find(const struct units *units, const char *id_or_name);
void units_clear(struct units *units);
const char *unit_type_name(enum unit_kind kind);
