/* SPDX-License-Identifier: Apache-2.0 */
/* libraries: bh_console */
#include <errno.h>

#include "console/encoding.h"
#include "console/events_config.h"
#include "fuzz.h"

#define NOW_MS 1600000000123

static void check_wants(const struct events_config *config)
{
    static const enum events_type types[] = {EVENTS_CREATE, EVENTS_UPDATE, EVENTS_DELETE};
    const struct schema_kind *const *kinds;
    json_t *entity = json_pack("{s:s, s:b, s:[s, s], s:n}", "name", "web", "disabled", 1,
                               "associatedTags", "a=b", "c=d", "expirationTime");
    size_t n, wanted = 0;

    kinds = schema_kinds(&n);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < ARRAY_SIZE(types); j++) {
            const struct filter *filter = NULL;

            if (!events_config_wants(config, kinds[i], types[j], &filter))
                continue;
            wanted++;
            if (filter)
                filter_matches_json(filter, entity);
        }
    }
    FUZZ_CHECK(config->n > 0 || wanted > 0); /* nothing said: everything */
    json_decref(entity);
}

/* What a client of /events says. First byte: even is JSON, odd is MessagePack. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char problem[EVENTS_PROBLEM_MAX] = "", trouble[ENCODING_PROBLEM_MAX];
    struct events_config config = {0};
    json_t *message;
    char *text;
    int r;

    if (size < 1)
        return 0;
    text = fuzz_text(data + 1, size - 1);
    message = encoding_decode(data[0] & 1 ? ENCODING_MSGPACK : ENCODING_JSON, text, size - 1,
                              trouble, sizeof(trouble));
    if (message) {
        r = events_config_parse(message, NOW_MS, problem, &config);
        FUZZ_CHECK(r == 0 || (r == -EINVAL && *problem));
        if (r == 0)
            check_wants(&config);
        else
            FUZZ_CHECK(config.n == 0 && !config.token);
        events_config_clear(&config);
    }
    json_decref(message);
    free(text);
    return 0;
}
