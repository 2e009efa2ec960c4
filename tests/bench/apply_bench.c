/* SPDX-License-Identifier: Apache-2.0 */

/*
 *   apply_bench [place] --policy FILE --namespace NS --tags TAG --cgroup-root PATH --pu PATH
 * --identities N
 *
 * Compiles the policy of one processing unit against N identities (app=peer0 …) and puts it into
 * the kernel by the calls that the daemon uses. Prints "key value" lines, times in milliseconds;
 * ends without a trace: the pins are in a private bpffs.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/macros.h"
#include "datapath/datapath.h"
#include "model/model.h"
#include "place.h"
#include "policy/policy.h"

#define IDENTITIES_MAX 1000000
#define ROUNDS 5

struct options {
    struct place place;
    const char *policy, *namespace, *tags, *cgroup_root, *pu;
    long identities;
};

struct world {
    struct estate *estate;
    struct policy *policy;
    struct policy_identity *identities;
    struct tag_set *tags;
    struct policy_compiled *compiled;
};

static void check(int r, const char *what)
{
    if (r >= 0)
        return;
    fprintf(stderr, "apply_bench: %s: %d\n", what, r);
    exit(1);
}

static double milliseconds(unsigned long long since)
{
    return (double)(place_now_ns() - since) / 1e6;
}

static void load_estate(const struct options *options, struct world *world)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    _cleanup_estate_builder_ struct estate_builder *builder = NULL;
    _cleanup_free_
    char *text = NULL;
    size_t len;

    check(file_read(options->policy, MODEL_DOCUMENT_BYTES_MAX, &text, &len), options->policy);
    check(estate_builder_new(options->namespace, &builder), "estate_builder_new");
    check(estate_builder_add(builder, options->policy, text, len, DOCUMENT_JSON, &diagnostics),
          "estate_builder_add");
    check(estate_builder_finish(builder, &diagnostics, &world->estate), "estate_builder_finish");
}

static void make_identities(const struct options *options, struct world *world)
{
    size_t n = (size_t)options->identities;

    world->identities = calloc(n, sizeof(*world->identities));
    world->tags = calloc(n, sizeof(*world->tags));
    if (!world->identities || !world->tags)
        fail("calloc");
    for (size_t i = 0; i < n; i++) {
        _cleanup_tag_set_ struct tag_set given = {0};

        check(tag_set_addf(&given, "app=peer%zu", i), "tag");
        check(pu_tags_complete(&given, options->namespace, NULL, NULL, &world->tags[i]), "tags");
        world->identities[i] = (struct policy_identity){
            .id = identity_id(options->namespace, &world->tags[i]),
            .namespace = options->namespace,
            .tags = &world->tags[i],
        };
    }
}

static void compile(const struct options *options, struct world *world)
{
    _cleanup_tag_set_ struct tag_set given = {0}, tags = {0};
    unsigned long long start;

    check(tag_set_add(&given, options->tags), options->tags);
    check(pu_tags_complete(&given, options->namespace, "pu", NULL, &tags), "tags");
    start = place_now_ns();
    check(policy_resolve(world->estate, options->namespace, &tags, &world->policy),
          "policy_resolve");
    printf("resolve_ms %.3f\n", milliseconds(start));
    start = place_now_ns();
    check(policy_compile(world->estate, (const struct policy *const *)&world->policy, 1,
                         world->identities, (size_t)options->identities, &world->compiled),
          "policy_compile");
    printf("compile_ms %.3f\n", milliseconds(start));
    printf("rules %zu\npeers %zu\nclasses %zu\n", world->policy->n_rules,
           world->compiled->policies[0].n_peers, world->compiled->n_classes);
}

/* A fresh datapath each time, so that nothing is there already. */
static void apply(const struct options *options, const struct world *world)
{
    struct cidr_list networks = {0};
    struct datapath_config config = {
        .cgroup_root = options->cgroup_root, .target_networks = &networks, .enforcer_id = 1};
    struct datapath_pu pu = {.cgroup = options->pu, .identity = 256};
    char message[DATAPATH_MESSAGE_MAX] = "";
    struct datapath *datapath = NULL;
    unsigned long long start = place_now_ns();
    size_t missing = 0;
    bool adopted;
    int r;

    r = datapath_open(&config, &datapath, &adopted, message);
    if (r < 0)
        fprintf(stderr, "%s\n", message);
    check(r, "datapath_open");
    printf("open_ms %.3f\n", milliseconds(start));
    start = place_now_ns();
    check(datapath_apply(datapath, world->compiled, &pu, 1, &missing), "datapath_apply");
    printf("apply_ms %.3f\n", milliseconds(start));
    if (adopted || missing)
        check(-1, "adopted pins or no cgroup: not what was to be measured");
    check(datapath_detach(datapath), "datapath_detach");
    datapath_free(&datapath);
}

static void usage(void)
{
    fprintf(stderr,
            "usage: apply_bench [--netns FILE] [--cpu N] [--bpffs] --policy FILE --namespace NS "
            "--tags TAG --cgroup-root PATH --pu PATH --identities N\n");
    exit(2);
}

static bool own_option(struct options *options, const char *name, const char *value)
{
    if (strcmp(name, "--policy") == 0)
        options->policy = value;
    else if (strcmp(name, "--namespace") == 0)
        options->namespace = value;
    else if (strcmp(name, "--tags") == 0)
        options->tags = value;
    else if (strcmp(name, "--cgroup-root") == 0)
        options->cgroup_root = value;
    else if (strcmp(name, "--pu") == 0)
        options->pu = value;
    else if (strcmp(name, "--identities") == 0)
        options->identities = number(value, 1, IDENTITIES_MAX);
    else
        return false;
    return true;
}

int main(int argc, char *argv[])
{
    struct options options = {.place = PLACE_NONE};
    struct world world = {0};
    int used;

    for (int i = 1; i < argc; i += used) {
        used = place_option(&options.place, argc - i, argv + i);
        if (used)
            continue;
        used = 2;
        if (i + 1 >= argc || !own_option(&options, argv[i], argv[i + 1]))
            usage();
    }
    if (!options.policy || !options.namespace || !options.tags || !options.cgroup_root ||
        !options.pu || !options.identities)
        usage();
    place_enter(&options.place);
    load_estate(&options, &world);
    make_identities(&options, &world);
    compile(&options, &world);
    for (int i = 0; i < ROUNDS; i++)
        apply(&options, &world);
    return 0; /* the process ends: nothing is freed one by one */
}
