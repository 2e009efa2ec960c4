/* SPDX-License-Identifier: Apache-2.0 */
/* Lists as attributes, tokens and documents have them: arrays of texts. */
#include <errno.h>
#include <jansson.h>

#include "model/model.h"

int tag_set_add_list(struct tag_set *set, const json_t *list)
{
    assert(set);

    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *tag = json_string_value(json_array_get(list, i));
        int r = tag ? tag_set_add(set, tag) : -EINVAL;

        if (r < 0)
            return r;
    }
    return 0;
}

int cidr_list_add_list(struct cidr_list *list, const json_t *texts)
{
    assert(list);

    for (size_t i = 0; i < json_array_size(texts); i++) {
        const char *text = json_string_value(json_array_get(texts, i)), *problem;
        int r = text ? cidr_list_add(list, text, &problem) : -EINVAL;

        if (r < 0)
            return r;
    }
    return 0;
}
