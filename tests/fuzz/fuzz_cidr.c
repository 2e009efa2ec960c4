/* SPDX-License-Identifier: Apache-2.0 */
/* libraries: bh_model */
/* One entry a line. The answers of the list are compared with slow and obvious ones. */
#include "fuzz.h"
#include "model/model.h"

#define LINES_MAX 64

static void check_prefix(const struct ip_prefix *prefix)
{
    char text[IP_TEXT_MAX];
    struct ip_prefix again;

    FUZZ_CHECK(ip_prefix_parse(ip_prefix_format(prefix, text), &again) == 0);
    FUZZ_CHECK(ip_prefix_compare(prefix, &again) == 0);
}

static void check_holes(const struct cidr_list *list)
{
    size_t at = SIZE_MAX, first = SIZE_MAX;
    const char *problem = cidr_list_problem(list, &at);

    for (size_t i = 0; i < list->n_excluded && first == SIZE_MAX; i++) {
        bool inside = false;

        for (size_t j = 0; j < list->n_included; j++)
            inside |= list->included[j].len < list->excluded[i].len &&
                      ip_prefix_contains(&list->included[j], &list->excluded[i]);
        if (!inside)
            first = i;
    }
    FUZZ_CHECK((problem != NULL) == (first != SIZE_MAX));
    FUZZ_CHECK(at == first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size), *line = text;
    struct cidr_list list = {0};

    for (int i = 0; line && i < LINES_MAX; i++) {
        char *end = strchr(line, '\n');
        const char *problem = NULL;

        if (end)
            *end++ = '\0';
        FUZZ_CHECK((cidr_list_add(&list, line, &problem) < 0) == (problem != NULL));
        fqdn_problem(line);
        line = end;
    }
    for (size_t i = 0; i < list.n_included; i++) {
        check_prefix(&list.included[i]);
        if (list.n_excluded == 0)
            FUZZ_CHECK(cidr_list_has(&list, &list.included[i].addr));
    }
    for (size_t i = 0; i < list.n_excluded; i++)
        check_prefix(&list.excluded[i]);
    check_holes(&list);
    cidr_list_clear(&list);
    free(text);
    return 0;
}
