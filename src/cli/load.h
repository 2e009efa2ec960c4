/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "cli/command.h"
#include "model/model.h"

/*
 * Read policy files and directories (their *.yaml, *.yml, *.json in the order of their names) into
 * one estate. A path that cannot be read is said on call->err.
 *
 * @param ret          the estate, owned by the caller; NULL when the files are wrong: then the
 *                     diagnostics say why. Untouched unless CLI_DONE is returned
 * @param ret_n_files  how many files there were
 * @return CLI_DONE, CLI_USAGE (unreadable), CLI_FAILED (no memory)
 */
int load_estate(const struct cli_call *call, const char *namespace, const char *const *paths,
                size_t n_paths, struct diagnostics *diagnostics, struct estate **ret,
                size_t *ret_n_files);

/* The value of --namespace, "/" without one. CLI_USAGE when it is no namespace. */
int load_namespace(const struct cli_call *call, const char **ret);

/* "file:line: path: message" for each, to call->err. */
void load_report(const struct cli_call *call, const struct diagnostics *diagnostics);
