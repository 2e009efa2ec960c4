/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A message is an array [type, {field: value}]. Field names are the members' names in link.h, so
 * that a dump can be read; what repeats often (entries, units) is an array without names:
 *
 *   entry  [key, version, body | nil]      inventory entry [key, version]
 *   unit   [localId, name, type, nativeId, [tag …], [metadata …]]
 *   key    [epoch, 32 bytes]               counter [name, value]
 */

#define LINK_VALUES_MAX 400000 /* of one message, at any depth */
