/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/registration.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "base/error.h"
#include "base/file.h"
#include "enforcer/pki.h"

#define FILE_VERSION 1

static void json_unref(json_t **json)
{
    json_decref(*json);
}
#define _cleanup_json_ _cleanup_(json_unref)

static void wipe(char **at)
{
    if (*at)
        explicit_bzero(*at, strlen(*at));
    free(*at);
    *at = NULL;
}
#define _cleanup_wipe_ _cleanup_(wipe)

void registration_free(struct registration **at)
{
    struct registration *registration = *at;

    if (!registration)
        return;
    wipe(&registration->key);
    free(registration->id);
    free(registration->name);
    free(registration->namespace);
    free(registration->url);
    free(registration->fqdn);
    free(registration->certificate);
    free(registration->ca);
    free(registration);
    *at = NULL;
}

static char *path_in(const char *state)
{
    char *path;

    return asprintf(&path, "%s/%s", state, REGISTRATION_FILE) < 0 ? NULL : path;
}

static int copy_member(const json_t *json, const char *name, char **ret)
{
    const char *text = json_string_value(json_object_get(json, name));

    if (!text)
        return -EINVAL;
    *ret = strdup(text);
    return *ret ? 0 : -ENOMEM;
}

static int read_json(const json_t *json, struct registration *registration)
{
    json_int_t number = json_integer_value(json_object_get(json, "number"));
    int r = copy_member(json, "ID", &registration->id);

    if (json_integer_value(json_object_get(json, "version")) != FILE_VERSION || number < 1 ||
        number > UINT32_MAX)
        return -EINVAL;
    registration->number = (uint32_t)number;
    if (r == 0)
        r = copy_member(json, "name", &registration->name);
    if (r == 0)
        r = copy_member(json, "namespace", &registration->namespace);
    if (r == 0)
        r = copy_member(json, "url", &registration->url);
    if (r == 0 && json_object_get(json, "FQDN"))
        r = copy_member(json, "FQDN", &registration->fqdn);
    if (r == 0)
        r = copy_member(json, "certificate", &registration->certificate);
    if (r == 0)
        r = copy_member(json, "certificateKey", &registration->key);
    if (r == 0)
        r = copy_member(json, "certificateAuthority", &registration->ca);
    return r == 0 ? registration_certificate_set(registration, registration->certificate) : r;
}

/* The key is in it: nobody else may read it. */
static int check_file(const char *path, struct buf *problem)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_mode & 077 || (st.st_uid != 0 && st.st_uid != geteuid())) {
        buf_printf(problem,
                   "%s: others can read it, or it is another user's; mend it with: chown "
                   "root %s; chmod 600 %s",
                   path, path, path);
        return -EPERM;
    }
    return 0;
}

int registration_load(const char *state, struct buf *problem, struct registration **ret)
{
    _cleanup_registration_ struct registration *registration = calloc(1, sizeof(*registration));
    _cleanup_free_
    char *path = path_in(state);
    _cleanup_wipe_ char *text = NULL;
    _cleanup_json_ json_t *json = NULL;
    size_t len = 0;
    int r;

    if (!registration || !path)
        return -ENOMEM;
    r = check_file(path, problem);
    if (r == 0)
        r = file_read(path, REGISTRATION_BYTES_MAX, &text, &len);
    if (r < 0) {
        if (r != -ENOENT && problem->len == 0)
            buf_printf(problem, "%s: %s", path, error_text(r));
        return r;
    }
    json = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    r = read_json(json, registration);
    if (r == -EINVAL)
        buf_printf(problem,
                   "%s: found no registration that can be used; remove the file and "
                   "register again",
                   path);
    if (r == 0)
        *ret = TAKE_PTR(registration);
    return r;
}

int registration_save(const char *state, const struct registration *registration)
{
    _cleanup_json_ json_t *json = json_pack(
        "{s:i, s:s, s:I, s:s, s:s, s:s, s:s*, s:s, s:s, s:s}", "version", FILE_VERSION, "ID",
        registration->id, "number", (json_int_t)registration->number, "name", registration->name,
        "namespace", registration->namespace, "url", registration->url, "FQDN", registration->fqdn,
        "certificate", registration->certificate, "certificateKey", registration->key,
        "certificateAuthority", registration->ca);
    _cleanup_free_
    char *path = path_in(state);
    _cleanup_wipe_ char *text = json ? json_dumps(json, JSON_INDENT(1)) : NULL;

    if (!path || !text)
        return -ENOMEM;
    return file_write_atomic(path, text, strlen(text), 0600);
}

int registration_certificate_set(struct registration *registration, const char *pem)
{
    int64_t not_before, not_after;
    char *copy;
    int r = pki_certificate_read(pem, registration->key, &not_before, &not_after);

    if (r < 0)
        return r;
    copy = strdup(pem);
    if (!copy)
        return -ENOMEM;
    free(registration->certificate);
    registration->certificate = copy;
    registration->not_before_s = not_before;
    registration->not_after_s = not_after;
    return 0;
}

bool registration_ended(const struct registration *registration, int64_t now_s)
{
    return now_s >= registration->not_after_s;
}

int registration_ca(const struct config *config, const struct registration *registration,
                    struct buf *problem, char **ret)
{
    size_t len;
    int r;

    *ret = NULL;
    if (config->ca_system)
        return 0;
    if (config->ca) {
        r = file_read(config->ca, REGISTRATION_BYTES_MAX, ret, &len);
        if (r < 0)
            buf_printf(problem, "%s: %s", config->ca, error_text(r));
        return r;
    }
    if (!registration || !registration->ca)
        return 0;
    *ret = strdup(registration->ca);
    return *ret ? 0 : -ENOMEM;
}

/* In containers that share /etc/machine-id the environment says who is who. */
void registration_machine_id(char ret[REGISTRATION_MACHINE_ID_MAX])
{
    const char *given = getenv("BULKHEAD_MACHINE_ID");
    _cleanup_free_
    char *text = NULL;
    size_t len = 0;

    if (!given && file_read("/etc/machine-id", REGISTRATION_MACHINE_ID_MAX, &text, &len) == 0)
        text[strcspn(text, "\n")] = '\0';
    snprintf(ret, REGISTRATION_MACHINE_ID_MAX, "%.190s",
             given           ? given
             : text && *text ? text
                             : "unknown");
}
