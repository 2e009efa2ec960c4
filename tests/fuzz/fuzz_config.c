/* SPDX-License-Identifier: Apache-2.0 */
/* libraries: bh_enforcer bh_model bh_workload */
#include "enforcer/config.h"
#include "fuzz.h"
#include "workload/workload.h"

static struct config *read_config(const char *text, size_t size)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    struct config *config = NULL;
    int r = config_parse("/etc/f.yaml", text, size, &diagnostics, &config);

    FUZZ_CHECK((r < 0) == (diagnostics.n_errors > 0));
    FUZZ_CHECK((r < 0) == !config);
    for (size_t i = 0; i < diagnostics.n; i++)
        FUZZ_CHECK(diagnostics.items[i].line > 0 || diagnostics.items[i].column == 0);
    return config;
}

/* What was taken keeps every promise of config.h. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    struct config *config = read_config(text, size);
    const char *names[CONFIG_FIXED_MAX];

    free(text);
    if (!config)
        return 0;
    FUZZ_CHECK(!namespace_problem(config->namespace));
    FUZZ_CHECK(config->mode == MODE_CONSOLE ? !config->policy && !config->key
                                            : config->policy && *config->policy);
    FUZZ_CHECK(config->mode == MODE_CONSOLE || !config->consoles);
    FUZZ_CHECK(!config->credentials || !config->token);
    FUZZ_CHECK(!workload_cgroup_problem(config->cgroup_root, true));
    FUZZ_CHECK(config->n_units <= CONFIG_UNITS_MAX);
    for (size_t i = 0; i < config->n_units; i++) {
        FUZZ_CHECK(config->units[i].name && *config->units[i].name);
        FUZZ_CHECK(config->units[i].cgroup && config->units[i].cgroup[0] == '/');
    }
    FUZZ_CHECK((config->enforcer_id != 0) == (config->key != NULL));
    FUZZ_CHECK(!config->peers || config->key);
    FUZZ_CHECK(config->target_networks.n_included > 0);
    FUZZ_CHECK(config->flow_report_ms >= CONFIG_REPORT_MS_MIN);
    config_fixed_differences(config, config, names);
    FUZZ_CHECK(!names[0] && !config_datapath_differs(config, config));
    config_free(&config);
    return 0;
}
