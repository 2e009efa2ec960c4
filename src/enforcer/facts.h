/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a host says about itself as tags (product reference 1.5). */

#include "model/model.h"

#define FACTS_ADDRESSES_MAX 32

/* Tags of the host unit: os:kernel=, os:version=, os:ip=, app:host:fqdn= … and as metadata
 * @os:host=. What cannot be read is left out. 0 or -ENOMEM */
int facts_collect(const char *host_name, const char *fqdn, struct tag_set *tags,
                  struct tag_set *metadata);
