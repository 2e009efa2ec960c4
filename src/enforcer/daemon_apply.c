/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/daemon.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>

#include "base/error.h"
#include "enforcer/notify.h"
#include "enforcer/unmatched.h"

/* ---- Log
 * ------------------------------------------------------------------------------------------ */

static void log_diagnostics(enum log_level level, const char *event,
                            const struct diagnostics *diagnostics)
{
    for (size_t i = 0; i < diagnostics->n; i++) {
        _cleanup_free_
        char *text = diagnostic_format(&diagnostics->items[i]);

        if (text && diagnostics->items[i].severity == DIAGNOSTIC_ERROR)
            log_event(level, event, LOG_F("problem", "%s", text));
    }
}

void daemon_manager_tell(struct daemon *daemon)
{
    static const char *const texts[] = {
        [FORCE_NOTHING] = "disabled: nothing is enforced",
        [FORCE_ADOPTED] = "the policy of an earlier run is in force",
        [FORCE_FALLBACK] = "no policy: failMode decides",
        [FORCE_POLICY] = "enforcing",
    };

    notify_send("%sSTATUS=%s, policy revision %u, %zu processing units, %zu warnings",
                daemon->ready ? "READY=1\n" : "", texts[daemon->force], daemon->policy_revision,
                daemon->units.n, warnings_count(&daemon->warnings));
}

/* ---- Keys and identities
 * ---------------------------------------------------------------------------- */

static int pair_key(const struct daemon *daemon, const uint8_t private_key[WIRE_KEY_BYTES],
                    uint32_t peer_id, const uint8_t peer_public[WIRE_KEY_BYTES],
                    struct datapath_peer_key *ret)
{
    ret->enforcer_id = peer_id;
    return wire_pair_key(private_key, daemon->config->enforcer_id, 0, peer_public, peer_id, 0,
                         ret->key);
}

/* A key of a peer that is no key (small order) leaves this peer out, and is said. */
static int make_keys(struct daemon *daemon, const uint8_t private_key[WIRE_KEY_BYTES],
                     struct datapath_peer_key *keys, size_t *ret_n)
{
    const struct peers *peers = daemon->peers;
    uint32_t own = daemon->config->enforcer_id;
    size_t n = 0;
    int r;

    r = pair_key(daemon, private_key, own, daemon->public_key, &keys[n]);
    if (r < 0)
        return r;
    n++;
    for (size_t i = 0; peers && i < peers->n; i++) {
        if (peers->hosts[i]->enforcer_id == own)
            continue;
        r = pair_key(daemon, private_key, peers->hosts[i]->enforcer_id, peers->hosts[i]->public_key,
                     &keys[n]);
        if (r == 0)
            n++;
        else
            warnings_add(&daemon->warnings, WARNING_PEERS,
                         "peer %u: its public key cannot be used: %s", peers->hosts[i]->enforcer_id,
                         error_text(r));
    }
    *ret_n = n;
    return 0;
}

/* Where the peers are: an answer from there without identity lost it on the way. */
static int set_addresses(struct daemon *daemon)
{
    const struct peers *peers = daemon->peers;
    _cleanup_free_
    struct ip_prefix *addresses = NULL;
    size_t n = 0;

    for (size_t i = 0; peers && i < peers->n; i++)
        n += peers->hosts[i]->n_addresses;
    addresses = calloc(n + 1, sizeof(*addresses));
    if (!addresses)
        return -ENOMEM;
    n = 0;
    for (size_t i = 0; peers && i < peers->n; i++)
        for (size_t j = 0; j < peers->hosts[i]->n_addresses; j++)
            addresses[n++] = peers->hosts[i]->addresses[j];
    return datapath_peer_addresses_set(daemon->datapath, addresses, n);
}

/* The private key is in memory only in here. */
static int set_keys(struct daemon *daemon)
{
    const struct directory *directory = daemon->directory;
    size_t max = 1 + (daemon->peers ? daemon->peers->n : 0);
    _cleanup_free_
    struct datapath_peer_key *keys = calloc(max, sizeof(*keys));
    uint8_t private_key[WIRE_KEY_BYTES];
    char message[KEYS_MESSAGE_MAX];
    size_t n;
    int r;

    if (!keys)
        return -ENOMEM;
    r = keys_load(daemon->config->key, private_key, message);
    if (r < 0) {
        warnings_add(&daemon->warnings, WARNING_PEERS, "%s", message);
        return r;
    }
    r = make_keys(daemon, private_key, keys, &n);
    keys_wipe(private_key);
    if (r == 0)
        r = datapath_peers_set(daemon->datapath, keys, n, directory->bindings,
                               directory->n_bindings);
    explicit_bzero(keys, max * sizeof(*keys));
    return r < 0 ? r : set_addresses(daemon);
}

int daemon_keys_apply(struct daemon *daemon)
{
    if (!daemon->datapath || !daemon->directory || !daemon->config->enforcer_id)
        return 0;
    return daemon->remote ? remote_keys_apply(daemon->remote) : set_keys(daemon);
}

int daemon_identities_apply(struct daemon *daemon)
{
    char message[DIRECTORY_MESSAGE_MAX];
    int r;

    r = daemon_directory_make(daemon, message);
    if (r == 0)
        r = daemon_keys_apply(daemon);
    if (r == 0)
        return daemon_reapply(daemon);
    log_event(LOG_LEVEL_ERROR, "identities.refused", LOG_F("error", "%s", error_text(r)),
              LOG_F("detail", "%.400s", message));
    warnings_add(&daemon->warnings, WARNING_PEERS, "identities cannot be applied: %s",
                 *message ? message : error_text(r));
    return r;
}

/* ---- Putting in force
 * -------------------------------------------------------------------------------- */

static void remember_names(struct daemon *daemon, const struct estate *estate,
                           const struct ruling *ruling)
{
    _cleanup_free_
    uint32_t *versions = calloc(ruling->n_policies + 1, sizeof(*versions));
    int r = versions ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < ruling->n_policies; i++)
        versions[i] = datapath_policy_version(daemon->datapath, i);
    if (r == 0)
        r = names_add(daemon->names, estate, (const struct policy *const *)ruling->policies,
                      versions, ruling->n_policies);
    if (r < 0)
        log_event(LOG_LEVEL_WARN, "names.lost", LOG_F("error", "%s", error_text(r)));
    else
        daemon_save_later(daemon);
}

/* An adopted kernel counts on with the numbers of the run before. */
static void recall_names(struct daemon *daemon, bool adopted)
{
    const char *state = daemon->options->state;
    int r;

    r = adopted ? names_load(daemon->names, state) : names_forget(state);
    if (r < 0)
        log_event(LOG_LEVEL_WARN, "names.lost", LOG_F("error", "%s", error_text(r)));
}

static void rejudge(struct daemon *daemon)
{
    size_t destroyed = 0;
    int r = datapath_rejudge(daemon->datapath, &destroyed);

    daemon->counters.destroyed += destroyed;
    if (r < 0)
        log_event(LOG_LEVEL_WARN, "rejudge.failed", LOG_F("error", "%s", error_text(r)));
    else if (destroyed)
        log_event(LOG_LEVEL_INFO, "rejudge.done", LOG_F("destroyed", "%zu", destroyed));
}

/* Into the kernel. While disabled there is none, and the ruling waits for `enable`. */
static int enforce(struct daemon *daemon, const struct estate *estate, const struct ruling *ruling)
{
    size_t missing = 0;
    int r;

    if (!daemon->datapath)
        return 0;
    r = datapath_apply(daemon->datapath, ruling->compiled, ruling->pus, ruling->n_pus, &missing);
    if (r < 0) {
        daemon->counters.apply_failures++;
        return r;
    }
    daemon->counters.applies++;
    daemon->force = FORCE_POLICY;
    remember_names(daemon, estate, ruling);
    rejudge(daemon);
    if (missing)
        log_event(LOG_LEVEL_DEBUG, "units.missing", LOG_F("cgroups", "%zu", missing));
    return 0;
}

static void said_apply(struct daemon *daemon, int r)
{
    warnings_clear(&daemon->warnings, WARNING_DATAPATH);
    if (r == 0)
        return;
    log_event(LOG_LEVEL_ERROR, "apply.failed", LOG_F("error", "%s", error_text(r)));
    warnings_add(&daemon->warnings, WARNING_DATAPATH,
                 "the policy could not be put in force, the last one stays: %s", error_text(r));
}

int daemon_put_in_force(struct daemon *daemon, struct estate *estate)
{
    _cleanup_ruling_ struct ruling *ruling = NULL;
    struct estate *old_estate = daemon->estate;
    struct ruling *old_ruling = daemon->ruling;
    int r = -BULKHEAD_EIDENTITY_COLLISION;

    if (daemon->directory)
        r = ruling_new(estate, &daemon->units, daemon->directory, &ruling);
    if (r == 0)
        r = enforce(daemon, estate, ruling);
    said_apply(daemon, r);
    if (r < 0)
        return r;
    daemon->ruling = TAKE_PTR(ruling);
    daemon->estate = estate;
    flowtext_cache_clear(daemon->cache);
    ruling_free(&old_ruling);
    if (old_estate != estate)
        estate_free(&old_estate);
    malloc_trim(0);
    return 0;
}

static enum model_action fallback_action(const struct config *config)
{
    return config->fail_mode == FAIL_CLOSED ? MODEL_ACTION_REJECT : MODEL_ACTION_ALLOW;
}

static int apply_fallback(struct daemon *daemon)
{
    _cleanup_free_
    struct datapath_pu *pus = NULL;
    size_t n;
    int r;

    if (!daemon->datapath)
        return 0;
    r = ruling_units(&daemon->units, &pus, &n);
    if (r == 0)
        r = datapath_set_fallback(daemon->datapath, fallback_action(daemon->config), pus, n);
    if (r == 0)
        daemon->force = FORCE_FALLBACK;
    said_apply(daemon, r);
    return r;
}

int daemon_reapply(struct daemon *daemon)
{
    if (daemon->estate)
        return daemon_put_in_force(daemon, daemon->estate);
    return daemon->force == FORCE_FALLBACK ? apply_fallback(daemon) : 0;
}

/* ---- Inputs
 * --------------------------------------------------------------------------------------------- */

static bool cgroup_there(const void *tree, const char *cgroup)
{
    return workload_tree_has(tree, cgroup);
}

int daemon_units_scan(struct daemon *daemon, bool *ret_changed)
{
    _cleanup_workload_scan_ struct workload_scan scan = {0};
    size_t left_out = 0;
    int r;

    r = workload_tree_scan(daemon->tree, &scan);
    if (r == 0)
        r = units_update(&daemon->units, daemon->config, daemon->host_name, &scan, ret_changed,
                         &left_out);
    if (r == 0)
        *ret_changed |= units_look(&daemon->units, cgroup_there, daemon->tree);
    warnings_clear(&daemon->warnings, WARNING_UNITS);
    if (r < 0)
        warnings_add(&daemon->warnings, WARNING_UNITS, "cgroups below %s cannot be read: %s",
                     daemon->config->cgroup_root, error_text(r));
    if (daemon->remote)
        remote_units_warn(daemon->remote);
    if (scan.truncated)
        warnings_add(&daemon->warnings, WARNING_UNITS,
                     "the cgroup tree is larger than %d directories or %d levels, or "
                     "fs.inotify.max_user_watches is reached: new units are seen late or not",
                     WORKLOAD_DIRECTORIES_MAX, WORKLOAD_DEPTH_MAX);
    if (left_out)
        warnings_add(&daemon->warnings, WARNING_UNITS,
                     "%zu services are no processing units: too many, too deep, or unusable names",
                     left_out);
    return r;
}

int daemon_units_refresh(struct daemon *daemon)
{
    bool changed = false;
    int r = daemon_units_scan(daemon, &changed);

    if (r < 0)
        return r;
    if (changed) {
        daemon->counters.unit_changes++;
        log_event(LOG_LEVEL_INFO, "units.changed", LOG_F("units", "%zu", daemon->units.n));
        if (daemon->remote)
            remote_units_changed(daemon->remote);
        return daemon_identities_apply(daemon);
    }
    return daemon->datapath ? MIN(datapath_cgroups_sync(daemon->datapath), 0) : 0;
}

int daemon_peers_load(struct daemon *daemon)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    struct peers *peers = NULL;
    int r = 0;

    if (daemon->config->peers)
        r = inputs_peers_load(daemon->config->peers, daemon->config->enforcer_id,
                              daemon->public_key, &diagnostics, &peers);
    warnings_set(&daemon->warnings, WARNING_PEERS, &diagnostics);
    if (r < 0) {
        daemon->counters.peers_refused++;
        log_diagnostics(LOG_LEVEL_WARN, "peers.problem", &diagnostics);
        log_event(LOG_LEVEL_ERROR, "peers.refused", LOG_F("error", "%s", error_text(r)),
                  LOG_F("path", "%s", daemon->config->peers));
        return r;
    }
    daemon->counters.peers_loads++;
    directory_free(&daemon->directory); /* it points into the old ones */
    peers_free(&daemon->peers);
    daemon->peers = peers;
    log_event(LOG_LEVEL_INFO, "peers.loaded", LOG_F("files", "%zu", peers ? peers->n : 0));
    return daemon_identities_apply(daemon);
}

static void refuse_policy(struct daemon *daemon, const struct diagnostics *diagnostics, int error)
{
    daemon->counters.policy_refused++;
    warnings_set(&daemon->warnings, WARNING_POLICY, diagnostics);
    warnings_add(
        &daemon->warnings, WARNING_POLICY, "%s in %s; %s",
        error == -ENOENT ? "there is no policy" : "the policy is refused", daemon->config->policy,
        daemon->estate ? "the last good one stays in force" : "no good one was read so far");
    log_diagnostics(LOG_LEVEL_WARN, "policy.problem", diagnostics);
    log_event(LOG_LEVEL_ERROR, "policy.refused", LOG_F("path", "%s", daemon->config->policy),
              LOG_F("error", "%s", error_text(error)));
    daemon_manager_tell(daemon);
}

static size_t count_rules(const struct estate *estate)
{
    size_t n = 0;

    for (size_t i = 0; i < estate->n_rulesets; i++)
        n += estate->rulesets[i].n_rules[0] + estate->rulesets[i].n_rules[1];
    return n;
}

void daemon_policy_said(struct daemon *daemon, uint64_t began_ns)
{
    daemon->counters.policy_loads++;
    daemon->policy_revision++;
    daemon->counters.apply_last_us = (daemon_now_ns() - began_ns) / 1000;
    log_event(LOG_LEVEL_INFO, "policy.applied", LOG_F("revision", "%u", daemon->policy_revision),
              LOG_F("rulesets", "%zu", daemon->estate->n_rulesets),
              LOG_F("rules", "%zu", count_rules(daemon->estate)),
              LOG_F("microseconds", "%llu", (unsigned long long)daemon->counters.apply_last_us));
    if (!daemon->remote)
        daemon_save_later(daemon);
}

int daemon_policy_load(struct daemon *daemon)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    _cleanup_estate_ struct estate *estate = NULL;
    uint8_t digest[INPUTS_DIGEST_BYTES];
    uint64_t began_ns = daemon_now_ns();
    bool same;
    int r;

    r = inputs_policy_load(daemon->config->policy, daemon->config->namespace, &diagnostics, &estate,
                           digest);
    same = r == 0 && memcmp(digest, daemon->policy_digest, sizeof(digest)) == 0;
    if (r == 0 && !same)
        r = daemon_put_in_force(daemon, estate);
    if (r < 0) {
        refuse_policy(daemon, &diagnostics, r);
        return r;
    }
    if (!same) {
        TAKE_PTR(estate);
        memcpy(daemon->policy_digest, digest, sizeof(digest));
        daemon_policy_said(daemon, began_ns);
    }
    warnings_set(&daemon->warnings, WARNING_POLICY, &diagnostics);
    unmatched_warn(daemon->estate, daemon->ruling, daemon->directory, &daemon->warnings);
    daemon_manager_tell(daemon);
    return 0;
}

static int apply_last_policy(struct daemon *daemon)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    _cleanup_estate_ struct estate *estate = NULL;
    int r;

    r = inputs_last_policy_load(daemon->options->state, daemon->config->namespace, &diagnostics,
                                &estate);
    if (r < 0) {
        log_diagnostics(LOG_LEVEL_ERROR, "policy.last_copy_problem", &diagnostics);
        return r;
    }
    r = daemon_put_in_force(daemon, estate);
    if (r == 0) {
        TAKE_PTR(estate);
        daemon->policy_revision++;
    }
    return r;
}

void daemon_policy_fallback(struct daemon *daemon)
{
    const struct config *config = daemon->config;

    if (config->fail_mode == FAIL_LAST_POLICY && !daemon->remote &&
        apply_last_policy(daemon) == 0) {
        warnings_add(&daemon->warnings, WARNING_POLICY,
                     "the last good policy is in force, from %s/%s", daemon->options->state,
                     INPUTS_LAST_POLICY);
        log_event(LOG_LEVEL_WARN, "policy.last_copy", LOG_F("state", "%s", daemon->options->state));
        return;
    }
    if (config->fail_mode == FAIL_LAST_POLICY && daemon->force == FORCE_ADOPTED) {
        warnings_add(&daemon->warnings, WARNING_POLICY,
                     "what the kernel had from an earlier run stays in force");
        return;
    }
    if (daemon->force != FORCE_NOTHING)
        apply_fallback(daemon);
    warnings_add(&daemon->warnings, WARNING_POLICY, "no policy is known: everything is %s",
                 fallback_action(config) == MODEL_ACTION_ALLOW ? "allowed and reported"
                                                               : "rejected (failMode: closed)");
    log_event(LOG_LEVEL_WARN, "policy.none",
              LOG_F("everything", "%s",
                    fallback_action(config) == MODEL_ACTION_ALLOW ? "allowed" : "rejected"));
}

/* ---- On and off
 * ---------------------------------------------------------------------------------------------- */

int daemon_attach(struct daemon *daemon, char message[DATAPATH_MESSAGE_MAX])
{
    struct datapath_config config;
    bool adopted = false;
    int r;

    daemon_datapath_config(daemon, &config);
    r = datapath_check(&config, message);
    if (r == 0)
        r = datapath_open(&config, &daemon->datapath, &adopted, message);
    if (r < 0)
        return r;
    daemon->force = adopted ? FORCE_ADOPTED : FORCE_FALLBACK;
    recall_names(daemon, adopted);
    log_event(LOG_LEVEL_INFO, "datapath.open", LOG_F("adopted", "%s", adopted ? "yes" : "no"));
    return 0;
}

int daemon_detach(struct daemon *daemon)
{
    int r;

    daemon_flows_drain(daemon);
    r = datapath_detach(daemon->datapath);
    if (r < 0)
        return r;
    daemon_flows_unpoll(daemon);
    datapath_free(&daemon->datapath);
    daemon->force = FORCE_NOTHING;
    return 0;
}
