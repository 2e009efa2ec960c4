/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The state directory: one daemon at a time, and what must outlive it.
 *   lock              flock of the running daemon
 *   disabled          present while `disable` is in force
 *   last-policy.yaml  copy of the last good policy (inputs.h)
 *   rule-names.json   what rule numbers of the last policy versions mean (names.h)
 */

#include <stdbool.h>

/* Make the directory and take the lock. @return descriptor to keep open; -EBUSY: another daemon;
 * -errno */
int state_lock(const char *state);
bool state_is_disabled(const char *state);
int state_set_disabled(const char *state, bool disabled);
