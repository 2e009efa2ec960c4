/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the cloud's metadata service says about this machine, as tags (product reference 1.5):
 * Amazon (IMDSv2), Azure, Google. They all answer at the same address, so each is asked in its own
 * way. Blocking, CLOUD_PROBE_MS per question: for a thread.
 */

#include "model/model.h"

#define CLOUD_PROBE_MS 2000
#define CLOUD_ANSWER_BYTES_MAX 262144
#define CLOUD_TAGS_MAX 64 /* that users gave the machine */

struct cloud_facts {
    struct tag_set tags, metadata;
};
/* @return 0: some cloud answered; -ENOENT: none; -ENOMEM */
int cloud_probe(struct cloud_facts *ret);
void cloud_facts_clear(struct cloud_facts *facts);

/* ---- Pure parts, for tests: an answer → tags. 0, -EINVAL, -ENOMEM ---- */
int cloud_read_aws(const char *identity_document, struct cloud_facts *ret);
int cloud_read_azure(const char *instance, struct cloud_facts *ret);
int cloud_read_gcp(const char *instance, const char *project, struct cloud_facts *ret);
