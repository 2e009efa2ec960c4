/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/config.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "bpf/abi.h"
#include "enforcer/config_reader.h"
#include "workload/workload.h"

#define SCALAR_TEXT (1u << NODE_STRING)
#define EMPTY (1u << NODE_NULL)

/* ---- Pieces: nested maps -----------------------------------------------------------------------
 */

static void read_host_enabled(struct reader *reader, const struct node *node, const char *path)
{
    reader->config->host_enabled = node->boolean;
}

static void read_host_tags(struct reader *reader, const struct node *node, const char *path)
{
    config_read_tags(reader, node, path, &reader->config->host_tags);
}

static void read_host(struct reader *reader, const struct node *node, const char *path)
{
    static const struct reader_field fields[] = {
        {"enabled", 1u << NODE_BOOL, false, read_host_enabled},
        {"tags", 1u << NODE_LIST, false, read_host_tags},
    };

    reader->config->host_enabled = true;
    config_read_map(reader, node, path, fields, ARRAY_SIZE(fields));
}

static void read_systemd(struct reader *reader, const struct node *node, const char *path)
{
    reader->config->discover_systemd = node->boolean;
}

static void read_containers(struct reader *reader, const struct node *node, const char *path)
{
    if (node->boolean)
        config_warn(reader, node, path, "this build discovers no containers yet");
}

static void read_kubernetes(struct reader *reader, const struct node *node, const char *path)
{
    if (node->kind == NODE_STRING && strcmp(node->text, "auto") != 0)
        config_problem(reader, node, path, "true, false or auto");
    else if (node->kind == NODE_BOOL && node->boolean)
        config_warn(reader, node, path, "this build discovers no Kubernetes pods yet");
}

static void read_discovery(struct reader *reader, const struct node *node, const char *path)
{
    static const struct reader_field fields[] = {
        {"systemd", 1u << NODE_BOOL, false, read_systemd},
        {"containers", 1u << NODE_BOOL, false, read_containers},
        {"kubernetes", 1u << NODE_BOOL | SCALAR_TEXT, false, read_kubernetes},
    };

    config_read_map(reader, node, path, fields, ARRAY_SIZE(fields));
}

static void read_enforcer_id(struct reader *reader, const struct node *node, const char *path)
{
    if (node->integer < 1 || node->integer > UINT32_MAX)
        config_problem(reader, node, path, "a number of 1..4294967295");
    else
        reader->config->enforcer_id = (uint32_t)node->integer;
}

static void read_key(struct reader *reader, const struct node *node, const char *path)
{
    config_read_path(reader, node, path, &reader->config->key);
}

static void read_identity(struct reader *reader, const struct node *node, const char *path)
{
    static const struct reader_field fields[] = {
        {"enforcerId", 1u << NODE_INTEGER, true, read_enforcer_id},
        {"key", SCALAR_TEXT, true, read_key},
    };

    config_read_map(reader, node, path, fields, ARRAY_SIZE(fields));
}

static void read_log_level(struct reader *reader, const struct node *node, const char *path)
{
    static const char *const words[] = {"error", "warn", "info", "debug"};
    int i = config_read_word(reader, node, path, words, ARRAY_SIZE(words));

    if (i >= 0)
        reader->config->log_level = (enum log_level)i;
}

static void read_log_format(struct reader *reader, const struct node *node, const char *path)
{
    static const char *const words[] = {"text", "json"};
    int i = config_read_word(reader, node, path, words, ARRAY_SIZE(words));

    if (i >= 0)
        reader->config->log_format = (enum log_format)i;
}

static void read_log(struct reader *reader, const struct node *node, const char *path)
{
    static const struct reader_field fields[] = {
        {"level", SCALAR_TEXT, false, read_log_level},
        {"format", SCALAR_TEXT, false, read_log_format},
    };

    config_read_map(reader, node, path, fields, ARRAY_SIZE(fields));
}

/* ---- Processing units
 * ---------------------------------------------------------------------------- */

static void read_unit_name(struct reader *reader, const struct node *node, const char *path)
{
    const char *problem = NULL;

    if (node->text_len == 0 || node->text_len > MODEL_NAME_MAX)
        problem = "a name of 1..256 bytes";
    for (size_t i = 0; i < node->text_len && !problem; i++)
        if ((unsigned char)node->text[i] < 0x20 || node->text[i] == 0x7f)
            problem = "a name without control characters";
    if (problem)
        config_problem(reader, node, path, "%s", problem);
    else
        config_read_text(reader, node->text, &reader->unit->name);
}

static void read_unit_cgroup(struct reader *reader, const struct node *node, const char *path)
{
    const char *problem = workload_cgroup_problem(node->text, false);

    if (!problem && workload_cgroup_depth(node->text) > ABI_CGROUP_DEPTH_MAX)
        problem = "a cgroup at most 12 levels below cgroupRoot";
    if (problem)
        config_problem(reader, node, path, "%s", problem);
    else
        config_read_text(reader, node->text, &reader->unit->cgroup);
}

static void read_unit_tags(struct reader *reader, const struct node *node, const char *path)
{
    config_read_tags(reader, node, path, &reader->unit->tags);
}

static void check_unit_is_new(struct reader *reader, const struct node *node, const char *path)
{
    const struct config *config = reader->config;
    const struct config_unit *unit = &config->units[config->n_units - 1];
    char child[READER_PATH_MAX];

    for (const struct config_unit *other = config->units; other < unit; other++) {
        if (unit->name && other->name && strcmp(unit->name, other->name) == 0) {
            snprintf(child, sizeof(child), "%s.name", path);
            config_problem(reader, node_get(node, "name"), child, "a name that no other unit has");
        }
        if (unit->cgroup && other->cgroup && strcmp(unit->cgroup, other->cgroup) == 0) {
            snprintf(child, sizeof(child), "%s.cgroup", path);
            config_problem(reader, node_get(node, "cgroup"), child,
                           "a cgroup that no other unit has");
        }
    }
}

static void read_unit(struct reader *reader, const struct node *node, const char *path)
{
    static const struct reader_field fields[] = {
        {"name", SCALAR_TEXT, true, read_unit_name},
        {"cgroup", SCALAR_TEXT, true, read_unit_cgroup},
        {"tags", 1u << NODE_LIST, false, read_unit_tags},
    };
    struct config *config = reader->config;
    struct config_unit *unit = &config->units[config->n_units++];

    reader->unit = unit;
    config_read_map(reader, node, path, fields, ARRAY_SIZE(fields));
    reader->unit = NULL;
    check_unit_is_new(reader, node, path);
}

static void read_units(struct reader *reader, const struct node *node, const char *path)
{
    struct config *config = reader->config;

    if (node->n_children > CONFIG_UNITS_MAX) {
        config_problem(reader, node, path, "at most %d processing units", CONFIG_UNITS_MAX);
        return;
    }
    config->units = calloc(node->n_children + 1, sizeof(*config->units));
    if (!config->units) {
        reader->error = -ENOMEM;
        return;
    }
    config_read_list(reader, node, path, 1u << NODE_MAP, read_unit);
}

/* ---- Top level
 * ------------------------------------------------------------------------------------- */

static void read_namespace(struct reader *reader, const struct node *node, const char *path)
{
    const char *problem = namespace_problem(node->text);

    if (problem)
        config_problem(reader, node, path, "%s", problem);
    else
        config_read_text(reader, node->text, &reader->config->namespace);
}

static void read_mode(struct reader *reader, const struct node *node, const char *path)
{
    static const char *const words[] = {"standalone", "console"};
    int i = config_read_word(reader, node, path, words, ARRAY_SIZE(words));

    if (i >= 0)
        reader->config->mode = (enum config_mode)i;
}

static void read_policy(struct reader *reader, const struct node *node, const char *path)
{
    config_read_path(reader, node, path, &reader->config->policy);
}

static void read_peers(struct reader *reader, const struct node *node, const char *path)
{
    config_read_path(reader, node, path, &reader->config->peers);
}

static void read_cgroup_root(struct reader *reader, const struct node *node, const char *path)
{
    const char *problem = workload_cgroup_problem(node->text, true);

    if (problem)
        config_problem(reader, node, path, "%s", problem);
    else
        config_read_text(reader, node->text, &reader->config->cgroup_root);
}

static void read_target_networks(struct reader *reader, const struct node *node, const char *path)
{
    config_read_cidrs(reader, node, path, &reader->config->target_networks);
}

static void read_excluded_networks(struct reader *reader, const struct node *node, const char *path)
{
    config_read_cidrs(reader, node, path, &reader->config->excluded_networks);
}

static void read_interface(struct reader *reader, const struct node *node, const char *path)
{
    char **at = reader->config->excluded_interfaces;

    if (node->text_len == 0 || node->text_len > CONFIG_INTERFACE_NAME_MAX ||
        strpbrk(node->text, "/ \t\n") || strcmp(node->text, ".") == 0 ||
        strcmp(node->text, "..") == 0) {
        config_problem(reader, node, path, "an interface name of 1..15 bytes");
        return;
    }
    for (; *at; at++)
        if (strcmp(*at, node->text) == 0) {
            config_problem(reader, node, path, "an interface that is not named twice");
            return;
        }
    config_read_text(reader, node->text, at);
}

static void read_interfaces(struct reader *reader, const struct node *node, const char *path)
{
    if (node->n_children > CONFIG_INTERFACES_MAX) {
        config_problem(reader, node, path, "at most %d interfaces", CONFIG_INTERFACES_MAX);
        return;
    }
    reader->config->excluded_interfaces = calloc(node->n_children + 1, sizeof(char *));
    if (!reader->config->excluded_interfaces) {
        reader->error = -ENOMEM;
        return;
    }
    config_read_list(reader, node, path, SCALAR_TEXT, read_interface);
}

static void read_flow_interval(struct reader *reader, const struct node *node, const char *path)
{
    uint64_t ms;

    if (duration_parse(node->text, &ms) < 0 || ms < CONFIG_REPORT_MS_MIN ||
        ms > CONFIG_REPORT_MS_MAX)
        config_problem(reader, node, path, "a duration of 100ms..24h such as 500ms, 30s, 5m or 1h");
    else
        reader->config->flow_report_ms = ms;
}

static void read_fail_mode(struct reader *reader, const struct node *node, const char *path)
{
    static const char *const words[] = {"lastPolicy", "open", "closed"};
    int i = config_read_word(reader, node, path, words, ARRAY_SIZE(words));

    if (i >= 0)
        reader->config->fail_mode = (enum fail_mode)i;
}

static void read_metrics(struct reader *reader, const struct node *node, const char *path)
{
    if (node->kind == NODE_NULL || node->text_len == 0)
        return;
    if (endpoint_parse(node->text, &reader->config->metrics) < 0)
        config_problem(reader, node, path,
                       "an address and port such as 127.0.0.1:9464 or [::1]:9464");
    else
        reader->config->metrics_enabled = true;
}

static const struct reader_field top_fields[] = {
    {"namespace", SCALAR_TEXT, true, read_namespace},
    {"mode", SCALAR_TEXT, false, read_mode},
    {"policy", SCALAR_TEXT, false, read_policy},
    {"console", SCALAR_TEXT | 1u << NODE_LIST, false, config_read_console},
    {"credentials", SCALAR_TEXT, false, config_read_credentials},
    {"token", SCALAR_TEXT, false, config_read_token},
    {"ca", SCALAR_TEXT, false, config_read_ca},
    {"proxy", SCALAR_TEXT | EMPTY, false, config_read_proxy},
    {"cloud", SCALAR_TEXT, false, config_read_cloud},
    {"cgroupRoot", SCALAR_TEXT, false, read_cgroup_root},
    {"host", 1u << NODE_MAP, false, read_host},
    {"processingUnits", 1u << NODE_LIST, false, read_units},
    {"discovery", 1u << NODE_MAP, false, read_discovery},
    {"identity", 1u << NODE_MAP, false, read_identity},
    {"peers", SCALAR_TEXT | EMPTY, false, read_peers},
    {"targetNetworks", 1u << NODE_LIST, false, read_target_networks},
    {"excludedNetworks", 1u << NODE_LIST, false, read_excluded_networks},
    {"excludedInterfaces", 1u << NODE_LIST, false, read_interfaces},
    {"flowReportInterval", SCALAR_TEXT, false, read_flow_interval},
    {"failMode", SCALAR_TEXT, false, read_fail_mode},
    {"metrics", SCALAR_TEXT | EMPTY, false, read_metrics},
    {"log", 1u << NODE_MAP, false, read_log},
};

/* ---- The whole
 * --------------------------------------------------------------------------------------- */

static int config_new(const char *file, struct config **ret)
{
    _cleanup_config_ struct config *config = calloc(1, sizeof(*config));

    if (!config)
        return -ENOMEM;
    config->file = strdup(file);
    config->cgroup_root = strdup("/");
    if (!config->file || !config->cgroup_root)
        return -ENOMEM;
    config->discover_systemd = true;
    config->cloud = true;
    config->flow_report_ms = 30 * 1000;
    config->log_level = LOG_LEVEL_INFO;
    config->log_format = LOG_FORMAT_TEXT;
    *ret = TAKE_PTR(config);
    return 0;
}

/* What needs several keys: PU cgroups below cgroupRoot, peers without identity, default networks.
 */
static int config_finish(struct reader *reader, const struct node *root)
{
    struct config *config = reader->config;

    for (size_t i = 0; i < config->n_units; i++) {
        char **cgroup = &config->units[i].cgroup;
        char *joined;

        if (!*cgroup)
            continue;
        joined = workload_cgroup_join(config->cgroup_root, *cgroup);
        if (!joined)
            return -ENOMEM;
        free(*cgroup);
        *cgroup = joined;
    }
    if (config->peers && !node_get(root, "identity"))
        config_problem(reader, node_get(root, "peers"), "peers",
                       "identity beside it: without a key nothing can be proven to peers");
    config_check_mode(reader, root);
    if (config->target_networks.n_included == 0 && config->target_networks.n_excluded == 0)
        return target_networks_default(&config->target_networks);
    return 0;
}

static int read_document(struct reader *reader)
{
    size_t count = document_count(reader->document);
    const struct node *root = count ? document_root(reader->document, 0) : NULL;

    if (count != 1 || !root || root->kind != NODE_MAP) {
        diagnostics_add(reader->diagnostics, DIAGNOSTIC_ERROR, reader->config->file,
                        root ? root->line : 1, root ? root->column : 1, "",
                        "found %s, expected one document with a map of settings",
                        count > 1 ? "several documents"
                        : root    ? node_kind_name(root)
                                  : "nothing");
        return 0;
    }
    config_read_map(reader, root, "", top_fields, ARRAY_SIZE(top_fields));
    return reader->error < 0 ? reader->error : config_finish(reader, root);
}

int config_parse(const char *file, const char *text, size_t len, struct diagnostics *diagnostics,
                 struct config **ret)
{
    _cleanup_config_ struct config *config = NULL;
    _cleanup_document_ struct document *document = NULL;
    struct reader reader = {.diagnostics = diagnostics};
    size_t errors_before = diagnostics->n_errors;
    int r;

    assert(file && text && ret);

    r = document_parse(file, text, len, document_format_of(file), diagnostics, &document);
    if (r < 0)
        return r;
    r = config_new(file, &config);
    if (r < 0)
        return r;
    reader.document = document;
    reader.config = config;
    r = read_document(&reader);
    if (r < 0)
        return r;
    if (reader.error < 0)
        return reader.error;
    if (diagnostics->n_errors > errors_before)
        return -BULKHEAD_EINVALID_INPUT;
    *ret = TAKE_PTR(config);
    return 0;
}

int config_load(const char *file, struct diagnostics *diagnostics, struct config **ret)
{
    _cleanup_free_
    char *text = NULL;
    size_t len;
    int r;

    r = file_read(file, CONFIG_BYTES_MAX, &text, &len);
    if (r == -ENOMEM)
        return r;
    if (r < 0) {
        diagnostics_add(diagnostics, DIAGNOSTIC_ERROR, file, 0, 0, "",
                        "found %s, expected a readable file of at most %u bytes", error_text(r),
                        CONFIG_BYTES_MAX);
        return -BULKHEAD_EINVALID_INPUT;
    }
    return config_parse(file, text, len, diagnostics, ret);
}

void config_free(struct config **at)
{
    struct config *config = *at;

    if (!config)
        return;
    for (size_t i = 0; i < config->n_units; i++) {
        free(config->units[i].name);
        free(config->units[i].cgroup);
        tag_set_clear(&config->units[i].tags);
    }
    for (char **name = config->excluded_interfaces; name && *name; name++)
        free(*name);
    free(config->excluded_interfaces);
    free(config->units);
    free(config->file);
    free(config->namespace);
    free(config->policy);
    config_console_free(config);
    free(config->cgroup_root);
    free(config->key);
    free(config->peers);
    tag_set_clear(&config->host_tags);
    cidr_list_clear(&config->target_networks);
    cidr_list_clear(&config->excluded_networks);
    free(config);
    *at = NULL;
}
