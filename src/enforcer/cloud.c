/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/cloud.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <curl/curl.h>
#include <jansson.h>

#include "base/buf.h"

#define BASE_URL "http://169.254.169.254"
#define TOKEN_SECONDS "60"

static void json_unref(json_t **json)
{
    json_decref(*json);
}
#define _cleanup_json_ _cleanup_(json_unref)

void cloud_facts_clear(struct cloud_facts *facts)
{
    tag_set_clear(&facts->tags);
    tag_set_clear(&facts->metadata);
}

/* What no tag can hold is left out. */
static int add(struct tag_set *set, const char *key, const char *value)
{
    int r = value && *value ? tag_set_addf(set, "%s=%s", key, value) : 0;

    return r == -EINVAL ? 0 : r;
}

static int add_member(struct tag_set *set, const char *key, const json_t *json, const char *name)
{
    return add(set, key, json_string_value(json_object_get(json, name)));
}

/* ---- Answers --------------------------------------------------------------------------------- */

int cloud_read_aws(const char *text, struct cloud_facts *ret)
{
    static const struct {
        const char *key, *name;
    } members[] = {
        {"@cloud:aws:accountid", "accountId"},
        {"@cloud:aws:instance-id", "instanceId"},
        {"@cloud:aws:instance-type", "instanceType"},
        {"@cloud:aws:image-id", "imageId"},
        {"@cloud:aws:region", "region"},
        {"@cloud:aws:zone", "availabilityZone"},
    };
    _cleanup_json_ json_t *json = json_loads(text, 0, NULL);
    int r;

    if (!json_is_string(json_object_get(json, "instanceId")))
        return -EINVAL;
    r = add(&ret->metadata, "@cloud:type", "aws");
    for (size_t i = 0; i < ARRAY_SIZE(members) && r == 0; i++)
        r = add_member(&ret->metadata, members[i].key, json, members[i].name);
    if (r == 0)
        r = add_member(&ret->tags, "cloud:aws:local-ipv4", json, "privateIp");
    return r;
}

static int azure_tags(const json_t *list, struct tag_set *tags)
{
    int r = 0;

    for (size_t i = 0; i < MIN(json_array_size(list), (size_t)CLOUD_TAGS_MAX) && r == 0; i++) {
        const json_t *item = json_array_get(list, i);
        const char *name = json_string_value(json_object_get(item, "name"));
        char key[MODEL_TAG_BYTES_MAX];

        if (!name || snprintf(key, sizeof(key), "cloud:azure:%s", name) >= (int)sizeof(key))
            continue;
        r = add_member(tags, key, item, "value");
    }
    return r;
}

int cloud_read_azure(const char *text, struct cloud_facts *ret)
{
    static const struct {
        const char *key, *name;
    } members[] = {
        {"@cloud:azure:subscriptionid", "subscriptionId"},
        {"@cloud:azure:resourcegroup", "resourceGroupName"},
        {"@cloud:azure:vmid", "vmId"},
        {"@cloud:azure:name", "name"},
        {"@cloud:azure:vmsize", "vmSize"},
        {"@cloud:azure:location", "location"},
        {"@cloud:azure:zone", "zone"},
    };
    _cleanup_json_ json_t *json = json_loads(text, 0, NULL);
    const json_t *compute = json_object_get(json, "compute");
    int r;

    if (!json_is_string(json_object_get(compute, "vmId")))
        return -EINVAL;
    r = add(&ret->metadata, "@cloud:type", "azure");
    for (size_t i = 0; i < ARRAY_SIZE(members) && r == 0; i++)
        r = add_member(&ret->metadata, members[i].key, compute, members[i].name);
    return r == 0 ? azure_tags(json_object_get(compute, "tagsList"), &ret->tags) : r;
}

/* "projects/123/zones/europe-west6-b" → "europe-west6-b" */
static const char *last_part(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;

    return slash ? slash + 1 : path;
}

static int gcp_labels(const json_t *labels, struct tag_set *tags)
{
    const char *name;
    json_t *value;
    size_t n = 0;
    int r = 0;

    json_object_foreach((json_t *)labels, name, value)
    {
        char key[MODEL_TAG_BYTES_MAX];

        if (r < 0 || n++ == CLOUD_TAGS_MAX)
            break;
        if (snprintf(key, sizeof(key), "cloud:gcp:instance:%s", name) < (int)sizeof(key))
            r = add(tags, key, json_string_value(value));
    }
    return r;
}

static int gcp_network(const json_t *instance, struct cloud_facts *ret)
{
    const json_t *interface = json_array_get(json_object_get(instance, "networkInterfaces"), 0);
    const json_t *outside = json_array_get(json_object_get(interface, "accessConfigs"), 0);
    int r = add(&ret->metadata, "@cloud:gcp:vpcname",
                last_part(json_string_value(json_object_get(interface, "network"))));

    if (r == 0)
        r = add_member(&ret->tags, "cloud:gcp:local-ipv4", interface, "ip");
    return r == 0 ? add_member(&ret->tags, "cloud:gcp:public-ipv4", outside, "externalIp") : r;
}

int cloud_read_gcp(const char *text, const char *project, struct cloud_facts *ret)
{
    _cleanup_json_ json_t *json = json_loads(text, 0, NULL);
    _cleanup_json_ json_t *project_json = project ? json_loads(project, 0, NULL) : NULL;
    const char *zone = last_part(json_string_value(json_object_get(json, "zone")));
    const json_t *id = json_object_get(json, "id");
    char number[32];
    int r;

    if (!json_is_integer(id))
        return -EINVAL;
    snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(id));
    r = add(&ret->metadata, "@cloud:type", "gcp");
    if (r == 0)
        r = add(&ret->metadata, "@cloud:gcp:instance-id", number);
    if (r == 0)
        r = add_member(&ret->metadata, "@cloud:gcp:instance-name", json, "name");
    if (r == 0)
        r = add_member(&ret->metadata, "@cloud:gcp:local-hostname", json, "hostname");
    if (r == 0)
        r = add(&ret->metadata, "@cloud:gcp:zone", zone);
    if (r == 0)
        r = add_member(&ret->metadata, "@cloud:gcp:projectidstring", project_json, "projectId");
    if (r == 0)
        r = gcp_network(json, ret);
    return r == 0 ? gcp_labels(json_object_get(json, "labels"), &ret->tags) : r;
}

/* ---- Questions ------------------------------------------------------------------------------- */

static size_t take(char *data, size_t size, size_t n, void *context)
{
    struct buf *answer = context;

    buf_append(answer, data, size * n);
    return answer->error ? 0 : size * n;
}

/* @return 0 with a text; -ENOENT: no such answer; -EHOSTUNREACH: nobody is there at all. Never by a
 * proxy: the address is of this link. */
static int ask(const char *method, const char *path, const char *const *headers, struct buf *answer)
{
    CURL *curl = curl_easy_init();
    struct curl_slist *list = NULL;
    long status = 0;
    char url[512];
    CURLcode code;

    if (!curl)
        return -ENOMEM;
    for (; *headers; headers++)
        list = curl_slist_append(list, *headers);
    snprintf(url, sizeof(url), "%s%s", BASE_URL, path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)CLOUD_PROBE_MS);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(list);
    curl_easy_cleanup(curl);
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_OPERATION_TIMEDOUT)
        return -EHOSTUNREACH;
    return code == CURLE_OK && status == 200 && answer->data ? 0 : -ENOENT;
}

static int probe_aws(struct cloud_facts *ret)
{
    static const char *const want_token[] = {"X-aws-ec2-metadata-token-ttl-seconds: " TOKEN_SECONDS,
                                             "Content-Length: 0", NULL};
    _cleanup_buf_ struct buf token = BUF_INIT(4096), answer = BUF_INIT(CLOUD_ANSWER_BYTES_MAX);
    char header[4200];
    const char *const with_token[] = {header, NULL};
    int r = ask("PUT", "/latest/api/token", want_token, &token);

    if (r < 0)
        return r;
    snprintf(header, sizeof(header), "X-aws-ec2-metadata-token: %.*s",
             (int)strcspn(token.data, "\r\n"), token.data);
    r = ask("GET", "/latest/dynamic/instance-identity/document", with_token, &answer);
    return r < 0 ? r : cloud_read_aws(answer.data, ret);
}

static int probe_azure(struct cloud_facts *ret)
{
    static const char *const headers[] = {"Metadata: true", NULL};
    _cleanup_buf_ struct buf answer = BUF_INIT(CLOUD_ANSWER_BYTES_MAX);
    int r = ask("GET", "/metadata/instance?api-version=2021-02-01", headers, &answer);

    return r < 0 ? r : cloud_read_azure(answer.data, ret);
}

static int probe_gcp(struct cloud_facts *ret)
{
    static const char *const headers[] = {"Metadata-Flavor: Google", NULL};
    _cleanup_buf_ struct buf answer = BUF_INIT(CLOUD_ANSWER_BYTES_MAX);
    _cleanup_buf_ struct buf project = BUF_INIT(CLOUD_ANSWER_BYTES_MAX);
    int r = ask("GET", "/computeMetadata/v1/instance/?recursive=true", headers, &answer);

    if (r < 0)
        return r;
    r = ask("GET", "/computeMetadata/v1/project/?recursive=true", headers, &project);
    return cloud_read_gcp(answer.data, r == 0 ? project.data : NULL, ret);
}

int cloud_probe(struct cloud_facts *ret)
{
    static int (*const probes[])(struct cloud_facts *) = {probe_aws, probe_azure, probe_gcp};

    for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
        struct cloud_facts facts = {0};
        int r = probes[i](&facts);

        if (r == 0) {
            *ret = facts;
            return 0;
        }
        cloud_facts_clear(&facts);
        if (r == -ENOMEM)
            return r;
        if (r == -EHOSTUNREACH) /* nor do the others wait there */
            break;
    }
    return -ENOENT;
}
