/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/facts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/file.h"
#include "enforcer/offline.h"

#define FILE_BYTES_MAX 65536

/* What is no tag (bytes that none can hold) is left out. */
static int add(struct tag_set *set, const char *key, const char *value)
{
    int r = value && *value ? tag_set_addf(set, "%s=%s", key, value) : 0;

    return r == -EINVAL ? 0 : r;
}

static void first_line(const char *path, char *ret, size_t size)
{
    _cleanup_free_
    char *text = NULL;
    size_t len;

    ret[0] = '\0';
    if (file_read(path, FILE_BYTES_MAX, &text, &len) < 0)
        return;
    text[strcspn(text, "\n")] = '\0';
    snprintf(ret, size, "%s", text);
    for (len = strlen(ret); len && ret[len - 1] == ' '; len--)
        ret[len - 1] = '\0';
}

/* Value of NAME= in os-release, without its quotes. */
static void os_release(const char *name, char *ret, size_t size)
{
    _cleanup_free_
    char *text = NULL;
    size_t len, name_len = strlen(name);

    ret[0] = '\0';
    if (file_read("/etc/os-release", FILE_BYTES_MAX, &text, &len) < 0)
        return;
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, name_len) != 0 || line[name_len] != '=')
            continue;
        line += name_len + 1;
        line += *line == '"';
        snprintf(ret, size, "%.*s", (int)strcspn(line, "\"\n"), line);
        return;
    }
}

static int add_system(struct tag_set *tags)
{
    char text[256], version[128];
    struct utsname name;
    int r = 0;

    if (uname(&name) == 0)
        r = add(tags, "os:kernel", name.release);
    os_release("ID", text, sizeof(text));
    os_release("VERSION_ID", version, sizeof(version));
    if (r == 0)
        r = add(tags, "os:type", text);
    if (r == 0)
        r = add(tags, "os:version", version);
    first_line("/sys/class/dmi/id/sys_vendor", text, sizeof(text));
    if (r == 0)
        r = add(tags, "os:hardware-vendor", text);
    return r;
}

static int add_addresses(struct tag_set *tags)
{
    _cleanup_(offline_addresses_free) struct offline_addresses addresses = {0};
    int r = offline_addresses(&addresses);

    for (size_t i = 0; i < MIN(addresses.n, (size_t)FACTS_ADDRESSES_MAX) && r == 0; i++)
        r = add(tags, "os:ip", addresses.texts[i]);
    return r;
}

int facts_collect(const char *host_name, const char *fqdn, struct tag_set *tags,
                  struct tag_set *metadata)
{
    int r = add_system(tags);

    if (r == 0)
        r = add_addresses(tags);
    if (r == 0)
        r = add(tags, "app:host:fqdn", fqdn);
    if (r == 0)
        r = add(tags, "app:host:type", "server");
    return r == 0 ? add(metadata, "@os:host", host_name) : r;
}
