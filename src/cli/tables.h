/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Parts of the command table that are in files of their own. Sizes are part of the declaration, so
 * that the table stays one constant. */

#include "cli/command.h"

#define CLI_API_COMMANDS_N 15
#define CLI_APPCRED_COMMANDS_N 8
#define CLI_AUTH_COMMANDS_N 5
#define CLI_PROFILES_COMMANDS_N 3
#define CLI_REGISTER_OPTIONS_N 6
#define CLI_CONFIGURE_OPTIONS_N 6

extern const struct cli_command cli_api_commands[CLI_API_COMMANDS_N];
extern const struct cli_command cli_appcred_commands[CLI_APPCRED_COMMANDS_N];
extern const struct cli_command cli_auth_commands[CLI_AUTH_COMMANDS_N];
extern const struct cli_command cli_profiles_commands[CLI_PROFILES_COMMANDS_N];
extern const struct cli_option cli_register_options[CLI_REGISTER_OPTIONS_N];
extern const struct cli_option cli_configure_options[CLI_CONFIGURE_OPTIONS_N];
