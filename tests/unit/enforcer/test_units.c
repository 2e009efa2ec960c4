/* SPDX-License-Identifier: Apache-2.0 */
/* Units, the identities made of them, and what `describe` says of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/text.h"
#include "enforcer/directory.h"
#include "enforcer/offline.h"
#include "scratch.h"

#define BASE "namespace: /shop\npolicy: /p\n"
#define TWO                                                                                        \
    BASE "host: {tags: ['app=host']}\nprocessingUnits:\n"                                          \
         "  - {name: web, cgroup: /web, tags: ['app=web']}\n"                                      \
         "  - {name: db, cgroup: /system.slice/db.service, tags: ['app=db']}\n"

static struct units *units;
static size_t n_forgotten;

static void note_forgotten(uint32_t index, void *context)
{
    n_forgotten++;
}

static int start(void **state)
{
    units = calloc(1, sizeof(*units));
    units->forgotten = note_forgotten;
    n_forgotten = 0;
    return 0;
}

static int stop(void **state)
{
    units->forgotten = NULL;
    units_clear(units);
    free(units);
    return 0;
}

static struct config *config_of(const char *text)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    struct config *config = NULL;

    assert_int_equal(config_parse("/c.yaml", text, strlen(text), &diagnostics, &config), 0);
    return config;
}

static bool update(const char *text, char **services, size_t n, size_t *ret_left_out)
{
    struct workload_scan scan = {.services = services, .n_services = n};
    _cleanup_config_ struct config *config = config_of(text);
    size_t left_out = 0;
    bool changed;

    assert_int_equal(units_update(units, config, "host1", &scan, &changed, &left_out), 0);
    if (ret_left_out)
        *ret_left_out = left_out;
    return changed;
}

static void test_static(void **state)
{
    const struct unit *host, *web;

    assert_true(update(TWO, NULL, 0, NULL));
    assert_int_equal(units->n, 3);
    host = units_find(units, "host1");
    assert_non_null(host);
    assert_int_equal(host->kind, UNIT_HOST);
    assert_null(host->cgroup);
    assert_true(tag_set_has(&host->tags, "$type=Host"));
    assert_true(tag_set_has(&host->tags, "$identity=processingunit"));
    assert_true(tag_set_has(&host->tags, "$namespace=/shop"));
    assert_true(tag_set_has(&host->tags, "app=host"));
    web = units_find(units, "web");
    assert_true(tag_set_has(&web->tags, "$name=web"));
    assert_true(tag_set_has(&web->tags, "$type=LinuxService"));
    assert_int_equal(web->identity, identity_id("/shop", &web->tags));
    assert_ptr_equal(units_find(units, web->id), web);
    assert_null(units_find(units, "nobody"));
    assert_false(update(TWO, NULL, 0, NULL));
    assert_true(update(BASE, NULL, 0, NULL));
    assert_int_equal(units->n, 0);
}

static void test_services(void **state)
{
    char *services[] = {(char *)"/system.slice/a.service", (char *)"/system.slice/db.service"};
    char *deep[] = {(char *)"/1/2/3/4/5/6/7/8/9/10/11/12/13.service"};
    const struct unit *a;
    size_t left_out;

    assert_true(update(TWO, services, 2, NULL));
    assert_int_equal(units->n, 4); /* db.service is static */
    a = units_find(units, "a.service");
    assert_true(tag_set_has(&a->tags, "@systemd:unit=a.service"));
    assert_true(tag_set_has(&a->tags, "$name=a.service"));
    assert_string_equal(a->cgroup, "/system.slice/a.service");
    assert_true(update(TWO "discovery: {systemd: false}\n", services, 2, NULL));
    assert_int_equal(units->n, 3);
    update(BASE, deep, 1, &left_out);
    assert_int_equal(left_out, 1);
    assert_int_equal(units->n, 0);
}

/* What stays keeps its slot; what goes stays known by its slot for a while; no slot is used again
 * soon. */
static void test_slots(void **state)
{
    char *services[2] = {(char *)"/a.service", (char *)"/b.service"};
    uint32_t a, b;

    update(BASE, services, 2, NULL);
    a = units_find(units, "a.service")->index;
    b = units_find(units, "b.service")->index;
    assert_int_not_equal(a, b);
    update(BASE, services + 1, 1, NULL);
    assert_int_equal(units_find(units, "b.service")->index, b);
    assert_null(units_find(units, "a.service"));
    assert_non_null(units_get(units, a));
    assert_true(units_get(units, a)->gone);
    update(BASE, services, 2, NULL);
    assert_int_not_equal(units_find(units, "a.service")->index, a);
    for (int i = 0; i < 10000; i++) {
        update(BASE, services + 1, 1, NULL);
        update(BASE, services, 2, NULL);
    }
    assert_int_equal(units->n, 2);
    assert_int_equal(units_find(units, "b.service")->index, b);
    assert_int_equal(n_forgotten, 10001 - UNITS_GONE_KEPT_MAX);
    assert_null(units_get(units, ABI_PUS_MAX));
}

static void test_changed_tags_are_another_unit(void **state)
{
    uint32_t index;

    update(TWO, NULL, 0, NULL);
    index = units_find(units, "web")->index;
    assert_true(update(BASE "processingUnits: [{name: web, cgroup: /web, tags: ['app=other']}]\n",
                       NULL, 0, NULL));
    assert_int_not_equal(units_find(units, "web")->index, index);
    assert_int_equal(units->n, 1);
}

static void test_too_many_services(void **state)
{
    enum { N = ABI_PUS_MAX };
    static char names[N][24];
    static char *services[N];
    size_t left_out;

    for (size_t i = 0; i < N; i++) {
        snprintf(names[i], sizeof(names[i]), "/%05zu.service", i);
        services[i] = names[i];
    }
    update(TWO, services, N, &left_out);
    assert_int_equal(units->n, ABI_PUS_MAX - UNITS_GONE_KEPT_MAX);
    assert_int_equal(left_out, N + 3 - units->n);
    assert_non_null(units_find(units, "web"));
}

/* ---- Directory
 * ------------------------------------------------------------------------------------- */

#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

static struct peers *peers_of(const char *const *texts, size_t n)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    struct peers *peers = calloc(1, sizeof(*peers));

    peers->hosts = calloc(n, sizeof(*peers->hosts));
    for (size_t i = 0; i < n; i++, peers->n++)
        assert_int_equal(peer_host_parse("p.yaml", texts[i], strlen(texts[i]), DOCUMENT_YAML,
                                         &diagnostics, &peers->hosts[i]),
                         0);
    return peers;
}

static void test_directory(void **state)
{
    static const char *const texts[] = {
        "{enforcerId: 7, publicKey: '" KEY "', addresses: [], processingUnits: [{namespace: /shop, "
        "tags: ['app=x', '$name=far']}, {namespace: /eu, tags: ['app=x']}]}",
        "{enforcerId: 8, publicKey: '" KEY "', addresses: [], processingUnits: [{namespace: /shop, "
        "tags: ['$name=far', 'app=x']}]}",
        "{enforcerId: 1, publicKey: '" KEY "', addresses: [], processingUnits: [{namespace: /shop, "
        "tags: ['app=old']}]}",
    };
    _cleanup_peers_ struct peers *peers = peers_of(texts, 3);
    struct directory *directory = NULL;
    char message[DIRECTORY_MESSAGE_MAX];
    const struct identity *web, *far;

    update(TWO, NULL, 0, NULL);
    assert_int_equal(directory_new(1, units, peers, message, &directory), 0);
    assert_int_equal(directory->n,
                     5); /* own three, two of the peers; our own file counts for nothing */
    assert_int_equal(directory->n_bindings, 6);
    for (size_t i = 1; i < directory->n; i++)
        assert_true(directory->identities[i - 1].id < directory->identities[i].id);
    web = directory_find(directory, units_find(units, "web")->identity);
    assert_int_equal(web->unit, units_find(units, "web")->index);
    assert_string_equal(web->name, "web");
    far = directory_find(directory, identity_id("/shop", &peers->hosts[0]->pus[0].tags));
    assert_string_equal(far->name, "far");
    assert_int_equal(far->unit, UNIT_NO_SLOT);
    assert_int_equal(far->enforcer_id, 7);
    assert_null(directory_find(directory, 0));
    assert_null(directory_find(NULL, 1));
    directory_free(&directory);

    assert_int_equal(directory_new(0, units, NULL, message, &directory), 0);
    assert_int_equal(directory->n_bindings, 0);
    directory_free(&directory);
}

/* Two tag sets with one id, found by trying: refused, with both of them in the message. */
static void test_collision(void **state)
{
    static const char *const texts[] = {
        "{enforcerId: 7, publicKey: '" KEY "', addresses: [], processingUnits: [{namespace: /a, "
        "tags: ['n=46549']}, {namespace: /a, tags: ['n=112503']}]}",
    };
    _cleanup_peers_ struct peers *peers = peers_of(texts, 1);
    struct directory *directory = NULL;
    char message[DIRECTORY_MESSAGE_MAX];

    assert_int_equal(directory_new(1, units, peers, message, &directory),
                     -BULKHEAD_EIDENTITY_COLLISION);
    assert_null(directory);
    assert_non_null(strstr(message, "574363205"));
    assert_non_null(strstr(message, "n=46549"));
    assert_non_null(strstr(message, "n=112503"));
}

/* ---- describe
 * --------------------------------------------------------------------------------------- */

static void test_describe(void **state)
{
    char text[512];
    _cleanup_config_ struct config *config = NULL;
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    _cleanup_free_
    char *described = NULL;
    struct peer_host *host = NULL;
    char message[KEYS_MESSAGE_MAX];
    const struct unit *web;

    snprintf(text, sizeof(text), TWO "identity: {enforcerId: 9, key: %s/key}\n", scratch);
    config = config_of(text);
    update(text, NULL, 0, NULL);
    assert_int_equal(offline_describe(config, units, message, &described), 0);
    assert_int_equal(
        peer_host_parse("d", described, strlen(described), DOCUMENT_YAML, &diagnostics, &host), 0);
    assert_int_equal(host->enforcer_id, 9);
    assert_int_equal(host->n_pus, 3);
    web = units_find(units, "web");
    for (size_t i = 0; i < host->n_pus; i++) /* others compute the ids that this host has */
        assert_true(i < 3 && identity_id(host->pus[i].namespace, &host->pus[i].tags) ==
                                 units_get(units, (uint32_t)i)->identity);
    assert_string_equal(host->pus[web->index].namespace, "/shop");
    peer_host_free(&host);
    chmod(scratch_path("key"), 0644);
    free(described);
    described = NULL;
    assert_true(offline_describe(config, units, message, &described) < 0);
    assert_non_null(strstr(message, "chmod 600"));
}

/* What the Console calls a unit by is text, of a bounded length, and another for another cgroup. */
static void test_local_ids(void **state)
{
    static char text[8192];
    char longer[160] = "/";
    const struct unit *first, *second;
    size_t left_out;

    for (size_t i = 1; i + 2 < sizeof(longer); i += 2)
        memcpy(longer + i, "\xc3\xa9", 3);
    snprintf(text, sizeof(text),
             BASE "processingUnits:\n  - {name: a, cgroup: '%sa', tags: ['a=b']}\n"
                  "  - {name: b, cgroup: '%sb', tags: ['a=b']}\n"
                  "  - {name: c, cgroup: /\xc3\xa9, tags: ['a=b']}\n",
             longer, longer);
    update(text, NULL, 0, &left_out);
    first = units_find(units, "a");
    second = units_find(units, "b");
    assert_true(text_utf8_valid(first->local_id, strlen(first->local_id), NULL));
    assert_int_equal(strlen(first->local_id), UNIT_LOCAL_ID_MAX);
    assert_string_not_equal(first->local_id, second->local_id);
    assert_string_equal(units_find(units, "c")->local_id, "/\xc3\xa9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_static, start, stop),
        cmocka_unit_test_setup_teardown(test_services, start, stop),
        cmocka_unit_test_setup_teardown(test_local_ids, start, stop),
        cmocka_unit_test_setup_teardown(test_slots, start, stop),
        cmocka_unit_test_setup_teardown(test_changed_tags_are_another_unit, start, stop),
        cmocka_unit_test_setup_teardown(test_too_many_services, start, stop),
        cmocka_unit_test_setup_teardown(test_directory, start, stop),
        cmocka_unit_test_setup_teardown(test_collision, start, stop),
        cmocka_unit_test_setup_teardown(test_describe, start, stop),
    };

    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
