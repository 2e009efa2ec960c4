/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The daemon's configuration file (docs/operator/configuration.md): parse and check. Pure but for
 * config_load, which reads the file.
 */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "base/macros.h"
#include "model/model.h"

#define CONFIG_BYTES_MAX (4u << 20)
#define CONFIG_UNITS_MAX 4000
#define CONFIG_INTERFACES_MAX 256
#define CONFIG_INTERFACE_NAME_MAX 15 /* IFNAMSIZ - 1 */
#define CONFIG_PATH_MAX 4095
#define CONFIG_REPORT_MS_MIN 100
#define CONFIG_REPORT_MS_MAX (24ull * 3600 * 1000)

#define CONFIG_CONSOLES_MAX 16
#define CONFIG_URL_MAX 1024
#define CONFIG_TOKEN_MAX 16384

enum config_mode { MODE_STANDALONE, MODE_CONSOLE };
enum fail_mode { FAIL_LAST_POLICY, FAIL_OPEN, FAIL_CLOSED };

struct config_unit {
    char *name;
    char *cgroup; /* absolute in cgroup v2: cgroupRoot is in front */
    struct tag_set tags;
};

struct config {
    char *file;
    char *namespace;
    enum config_mode mode;
    char *policy;    /* standalone: directory or file */
    char **consoles; /* console: https URLs, in the order they are tried */
    size_t n_consoles;
    char *credentials; /* file with an app credential or a token */
    char *token;
    char *ca; /* file; NULL: from the credential, or ca_system */
    bool ca_system;
    char *proxy;       /* NULL: from the environment */
    bool cloud;        /* ask the cloud's metadata service for tags */
    char *cgroup_root; /* "/" or a cgroup path */
    bool host_enabled;
    struct tag_set host_tags;
    struct config_unit *units;
    size_t n_units;
    bool discover_systemd;
    uint32_t enforcer_id;             /* 0: no identity */
    char *key;                        /* NULL without identity */
    char *peers;                      /* NULL: none */
    struct cidr_list target_networks; /* with the defaults when the file has none */
    struct cidr_list excluded_networks;
    char **excluded_interfaces; /* NULL-terminated, or NULL */
    uint64_t flow_report_ms;
    enum fail_mode fail_mode;
    bool metrics_enabled;
    struct sockaddr_storage metrics;
    enum log_level log_level;
    enum log_format log_format;
};

/*
 * All problems at once, each with its position. Warnings alone are no failure.
 * @param file  also what relative paths hang below (its directory)
 * @return 0, -ENOMEM, -BULKHEAD_EINVALID_INPUT
 */
int config_parse(const char *file, const char *text, size_t len, struct diagnostics *diagnostics,
                 struct config **ret);
/* The same from a file; a file that cannot be read is a diagnostic as well. */
int config_load(const char *file, struct diagnostics *diagnostics, struct config **ret);
void config_free(struct config **config);
#define _cleanup_config_ _cleanup_(config_free)

/* Names of what differs and cannot change while the daemon runs; NULL-terminated list of static
 * texts. */
#define CONFIG_FIXED_MAX 8
void config_fixed_differences(const struct config *a, const struct config *b,
                              const char *ret[CONFIG_FIXED_MAX]);
/* Does a change from a to b need the datapath to be opened anew (networks, interfaces, host)? */
bool config_datapath_differs(const struct config *a, const struct config *b);

/* ---- Values ---------------------------------------------------------------------------------- */

/* "500ms", "30s", "5m", "1h". 0 or -EINVAL, -ERANGE when it does not fit. */
int duration_parse(const char *text, uint64_t *ret_ms);
/* "127.0.0.1:9464", "[::1]:9464", "localhost:9464". 0 or -EINVAL. Port 1..65535. */
int endpoint_parse(const char *text, struct sockaddr_storage *ret);
#define ENDPOINT_TEXT_MAX 80
const char *endpoint_format(const struct sockaddr_storage *endpoint, char text[ENDPOINT_TEXT_MAX]);
/* Networks of wire.md, rule 1. 0 or -ENOMEM. */
int target_networks_default(struct cidr_list *ret);
