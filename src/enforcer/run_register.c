/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "base/error.h"
#include "enforcer/enforcer.h"
#include "enforcer/https.h"
#include "enforcer/offline.h"
#include "enforcer/registration.h"
#include "enforcer/state.h"

static int fail(int exit_code, const char *message)
{
    fprintf(stderr, "bulkhead-enforcer: %s\n", message);
    return exit_code;
}

static int said(const struct registration *registration, const char *how)
{
    assert(registration);

    printf("%s as %s (ID %s, number %u) in namespace %s\n", how, registration->name,
           registration->id, registration->number, registration->namespace);
    return fflush(stdout) != 0 ? ENFORCER_FAILED : ENFORCER_DONE;
}

static int register_host(const struct options *options, const struct config *config)
{
    _cleanup_registration_ struct registration *registration = NULL, *known = NULL;
    _cleanup_buf_ struct buf problem = BUF_INIT(8192);
    uint32_t wait_s = 0;
    int r = registration_load(options->state, &problem, &registration);

    if (r == 0 && !registration_ended(registration, time(NULL)))
        return said(registration, "registered already,");
    if (r < 0 && r != -ENOENT)
        return fail(ENFORCER_WRONG_INPUT, problem.data ? problem.data : error_text(r));
    known = TAKE_PTR(registration);
    r = https_init();
    if (r == 0)
        r = known ? registration_renew(config, known, &problem, &wait_s, &registration)
                  : registration_make(config, &problem, &wait_s, &registration);
    if (r < 0)
        return fail(ENFORCER_FAILED, problem.data ? problem.data : error_text(r));
    r = registration_save(options->state, registration);
    if (r < 0)
        return fail(ENFORCER_FAILED, "the registration cannot be stored in the state directory");
    return said(registration, known ? "registered again" : "registered");
}

int enforcer_register(const struct options *options)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    _cleanup_config_ struct config *config = NULL;
    _cleanup_close_
    int lock = -1;
    int r = config_load(options->config, &diagnostics, &config);

    offline_print(&diagnostics);
    if (r < 0)
        return r == -ENOMEM ? ENFORCER_FAILED : ENFORCER_WRONG_INPUT;
    if (config->mode != MODE_CONSOLE)
        return fail(ENFORCER_WRONG_INPUT, "only with mode: console there is a Console to register "
                                          "at");
    lock = state_lock(options->state);
    if (lock < 0)
        return fail(ENFORCER_FAILED, lock == -EBUSY ? "the daemon runs, and registers by itself"
                                                    : "the state directory cannot be used");
    return register_host(options, config);
}
