/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/offline.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

void offline_host_name(char ret[OFFLINE_HOST_NAME_MAX])
{
    if (gethostname(ret, OFFLINE_HOST_NAME_MAX) < 0 || !*ret)
        snprintf(ret, OFFLINE_HOST_NAME_MAX, "localhost");
    ret[OFFLINE_HOST_NAME_MAX - 1] = '\0';
}

void offline_print(const struct diagnostics *diagnostics)
{
    for (size_t i = 0; i < diagnostics->n; i++) {
        _cleanup_free_
        char *text = diagnostic_format(&diagnostics->items[i]);

        fprintf(stderr, "%s%s\n",
                diagnostics->items[i].severity == DIAGNOSTIC_WARNING ? "warning: " : "",
                text ? text : error_text(-ENOMEM));
    }
    if (diagnostics->n_dropped)
        fprintf(stderr, "and %zu more problems\n", diagnostics->n_dropped);
}

void offline_datapath_config(const struct config *config, struct datapath_config *ret)
{
    *ret = (struct datapath_config){
        .cgroup_root = config->cgroup_root,
        .host_enabled = config->host_enabled,
        .target_networks = &config->target_networks,
        .excluded_networks = &config->excluded_networks,
        .excluded_interfaces = (const char *const *)config->excluded_interfaces,
        .enforcer_id = config->enforcer_id,
    };
}

/* ---- check
 * ---------------------------------------------------------------------------------------- */

/* The public half when there is a usable key; a missing one is made by `run`. */
static bool public_key(const struct config *config, struct diagnostics *diagnostics,
                       uint8_t ret[WIRE_KEY_BYTES])
{
    uint8_t private_key[WIRE_KEY_BYTES];
    char message[KEYS_MESSAGE_MAX];
    int r;

    if (!config->key)
        return false;
    r = keys_load(config->key, private_key, message);
    if (r == 0) {
        r = wire_public_key(private_key, ret);
        keys_wipe(private_key);
        return r == 0;
    }
    if (r != -ENOENT)
        diagnostics_add(diagnostics, DIAGNOSTIC_ERROR, config->file, 0, 0, "identity.key", "%s",
                        message);
    return false;
}

static int check_peers(const struct config *config, struct diagnostics *diagnostics,
                       struct check_summary *summary)
{
    _cleanup_free_
    struct units *units = calloc(1, sizeof(*units));
    _cleanup_directory_ struct directory *directory = NULL;
    _cleanup_peers_ struct peers *peers = NULL;
    char message[DIRECTORY_MESSAGE_MAX], host_name[OFFLINE_HOST_NAME_MAX];
    uint8_t own[WIRE_KEY_BYTES];
    bool has_key = public_key(config, diagnostics, own), changed;
    size_t left_out;
    int r = 0;

    if (!units)
        return -ENOMEM;
    if (config->peers)
        r = inputs_peers_load(config->peers, config->enforcer_id, has_key ? own : NULL, diagnostics,
                              &peers);
    summary->n_peers = peers ? peers->n : 0;
    offline_host_name(host_name);
    if (r == 0)
        r = units_update(units, config, host_name, NULL, &changed, &left_out);
    if (r == 0) {
        summary->n_units = units->n;
        r = directory_new(config->enforcer_id, units, peers, message, &directory);
        if (r == -BULKHEAD_EIDENTITY_COLLISION || r == -BULKHEAD_ETOOMANY)
            diagnostics_add(diagnostics, DIAGNOSTIC_ERROR, config->file, 0, 0, "peers", "%s",
                            message);
    }
    directory_free(&directory); /* points into the others */
    units_clear(units);
    return r;
}

/* What can be known without asking: that there is something to register with, and files read. */
static int check_console(const struct config *config, struct diagnostics *diagnostics,
                         struct check_summary *ret)
{
    const char *const files[] = {config->credentials, config->ca};
    static const char *const keys[] = {"credentials", "ca"};

    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        if (files[i] && access(files[i], R_OK) < 0)
            diagnostics_add(diagnostics, DIAGNOSTIC_ERROR, config->file, 0, 0, keys[i],
                            "found %s: %s, expected a readable file", files[i], error_text(errno));
    if (!config->credentials && !config->token && !config->n_consoles)
        diagnostics_add(diagnostics, DIAGNOSTIC_ERROR, config->file, 0, 0, "console",
                        "found neither console nor credentials, expected the URL of a Console or "
                        "an app credential that names one");
    *ret = (struct check_summary){.n_units = config->n_units + config->host_enabled};
    return diagnostics->n_errors ? -BULKHEAD_EINVALID_INPUT : 0;
}

int offline_check(const struct config *config, struct diagnostics *diagnostics,
                  struct check_summary *ret)
{
    _cleanup_estate_ struct estate *estate = NULL;
    struct check_summary summary = {0};
    uint8_t digest[INPUTS_DIGEST_BYTES];
    int policy, peers;

    if (config->mode == MODE_CONSOLE)
        return check_console(config, diagnostics, ret);
    policy = inputs_policy_load(config->policy, config->namespace, diagnostics, &estate, digest);
    peers = check_peers(config, diagnostics, &summary);
    if (policy == -ENOMEM || peers == -ENOMEM)
        return -ENOMEM;
    if (diagnostics->n_errors > 0 || policy < 0 || peers < 0)
        return -BULKHEAD_EINVALID_INPUT;
    summary.n_namespaces = estate->n_namespaces;
    summary.n_networks = estate->n_networks;
    summary.n_rulesets = estate->n_rulesets;
    for (size_t i = 0; i < estate->n_rulesets; i++)
        summary.n_rules += estate->rulesets[i].n_rules[0] + estate->rulesets[i].n_rules[1];
    *ret = summary;
    return 0;
}

/* ---- describe
 * --------------------------------------------------------------------------------------- */

static bool usable(const struct ip_addr *addr, bool v4)
{
    static const uint8_t unspecified[16];

    if (memcmp(addr->bytes, unspecified, 16) == 0)
        return false;
    if (v4) /* no 169.254/16, which means another host on another link */
        return !(addr->bytes[12] == 169 && addr->bytes[13] == 254);
    return !(addr->bytes[0] == 0xfe && (addr->bytes[1] & 0xc0) == 0x80);
}

static bool address_of(const struct ifaddrs *item, struct ip_prefix *ret)
{
    if (!item->ifa_addr || item->ifa_flags & IFF_LOOPBACK)
        return false;
    ret->len = 128;
    if (item->ifa_addr->sa_family == AF_INET) {
        ip_addr_from_v4(((const struct sockaddr_in *)item->ifa_addr)->sin_addr.s_addr, &ret->addr);
        return usable(&ret->addr, true);
    }
    if (item->ifa_addr->sa_family != AF_INET6)
        return false;
    memcpy(ret->addr.bytes, &((const struct sockaddr_in6 *)item->ifa_addr)->sin6_addr, 16);
    return usable(&ret->addr, false);
}

static int collect_addresses(struct peer_host *host)
{
    struct ifaddrs *list;

    host->addresses = calloc(OFFLINE_ADDRESSES_MAX, sizeof(*host->addresses));
    if (!host->addresses)
        return -ENOMEM;
    if (getifaddrs(&list) < 0)
        return -errno;
    for (const struct ifaddrs *item = list; item; item = item->ifa_next) {
        struct ip_prefix prefix;
        bool known = false;

        if (!address_of(item, &prefix))
            continue;
        for (size_t i = 0; i < host->n_addresses && !known; i++)
            known = ip_prefix_compare(&host->addresses[i], &prefix) == 0;
        if (!known && host->n_addresses < OFFLINE_ADDRESSES_MAX)
            host->addresses[host->n_addresses++] = prefix;
    }
    freeifaddrs(list);
    return 0;
}

int offline_addresses(struct offline_addresses *ret)
{
    struct peer_host host = {0};
    int r = collect_addresses(&host);

    for (size_t i = 0; i < host.n_addresses && r == 0; i++) {
        char text[IP_TEXT_MAX];

        ret->texts[ret->n] = strdup(ip_addr_format(&host.addresses[i].addr, text));
        if (ret->texts[ret->n])
            ret->n++;
        else
            r = -ENOMEM;
    }
    free(host.addresses);
    return r;
}

void offline_addresses_free(struct offline_addresses *addresses)
{
    for (size_t i = 0; i < addresses->n; i++)
        free(addresses->texts[i]);
    addresses->n = 0;
}

/* Borrows namespaces and tags of the units. */
static int collect_units(struct peer_host *host, const struct units *units)
{
    host->pus = calloc(units->n + 1, sizeof(*host->pus));
    if (!host->pus)
        return -ENOMEM;
    for (uint32_t i = 0; i < ABI_PUS_MAX; i++) {
        const struct unit *unit = units_get(units, i);

        if (unit && !unit->gone)
            host->pus[host->n_pus++] =
                (struct peer_pu){.namespace = unit->namespace, .tags = unit->tags};
    }
    return 0;
}

int offline_describe(const struct config *config, const struct units *units,
                     char message[KEYS_MESSAGE_MAX], char **ret)
{
    struct peer_host host = {.enforcer_id = config->enforcer_id};
    uint8_t private_key[WIRE_KEY_BYTES];
    int r;

    r = keys_load_or_make(config->key, private_key, message);
    if (r < 0)
        return r;
    r = wire_public_key(private_key, host.public_key);
    keys_wipe(private_key);
    if (r == 0)
        r = collect_addresses(&host);
    if (r == 0)
        r = collect_units(&host, units);
    if (r == 0) {
        *ret = peer_host_format(&host);
        r = *ret ? 0 : -ENOMEM;
    }
    if (r < 0)
        snprintf(message, KEYS_MESSAGE_MAX, "%s", error_text(r));
    free(host.addresses);
    free(host.pus);
    return r;
}
