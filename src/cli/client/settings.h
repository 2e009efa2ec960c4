/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which Console, who, in which namespace: built-in < profile < environment < flag.
 *
 * A profile is ~/.config/bulkhead/NAME.yaml: a map of the keys below. The profile is --profile,
 * else BULKHEAD_PROFILE, else what the file ~/.config/bulkhead/current says, else "default". Only
 * the last one may be missing.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/macros.h"

#define SETTINGS_BYTES_MAX 65536 /* of a profile */
#define SETTINGS_NAME_MAX 64     /* of a profile's name */
#define SETTINGS_TIMEOUT_S 60

enum setting {
    SETTING_API,
    SETTING_API_CACERT,
    SETTING_API_SKIP_VERIFY,
    SETTING_NAMESPACE,
    SETTING_TOKEN,
    SETTING_CREDS,
    SETTING_ENCODING,
    SETTING_TRACKING_ID,
    SETTING_TIMEOUT,
    SETTING_OUTPUT,
    SETTINGS_N
};

/* In the order of precedence. */
enum setting_source {
    SETTING_BUILT_IN,
    SETTING_FROM_PROFILE,
    SETTING_FROM_ENVIRONMENT,
    SETTING_FROM_FLAG
};

struct setting_text {
    const char *name;        /* of the flag and of the key in profiles */
    const char *environment; /* variable */
    const char *built_in;    /* NULL: none */
};
extern const struct setting_text setting_texts[SETTINGS_N];

struct settings {
    char *values[SETTINGS_N]; /* NULL: not set */
    enum setting_source sources[SETTINGS_N];
    char *profile; /* its name */
    bool profile_exists;
};

/*
 * @param flags   value of each flag, NULL when it was not given
 * @param profile value of --profile, or NULL
 * @param problem what is wrong, for people
 * @return 0; -BULKHEAD_EINVALID_INPUT with a problem; -ENOMEM
 */
int settings_resolve(const char *const flags[SETTINGS_N], const char *profile, struct buf *problem,
                     struct settings *ret);
/* What a profile says, and nothing else. Errors as above; settings_clear() in any case. */
int settings_of_profile(const char *name, struct buf *problem, struct settings *ret);
void settings_clear(struct settings *settings);
#define _cleanup_settings_ _cleanup_(settings_clear)
bool settings_is_true(const char *value);

/* ~/.config/bulkhead, ~/.cache/bulkhead (XDG_CONFIG_HOME and XDG_CACHE_HOME are honoured); owned by
 * the caller, NULL when there is no home or no memory. */
char *settings_directory(void);
char *settings_cache_directory(void);
/* Path of a profile; NULL on ENOMEM or without a home. */
char *settings_profile_path(const char *name);
/* The name in force when no flag says one. Owned by the caller; *ret_chosen: by whom. */
char *settings_profile_name(const char *flag, enum setting_source *ret_source);
/* Letters, digits, '-', '_', '.', not at the beginning a '.', at most SETTINGS_NAME_MAX. */
bool settings_profile_name_ok(const char *name);
