/* SPDX-License-Identifier: Apache-2.0 */
/* config.h - warderd's configuration, and who may choose a container's policy.
 *
 * A JSON object; every key is optional:
 *   "socket"       where containers are handed over       (/run/warder/listener.sock)
 *   "policies"     the folder of installed policies       (/etc/warder/policies)
 *   "policy"       the default policy's name              (default)
 *   "mode"         "audit"|"enforce"|"record": for all containers, before the policy's own
 *   "events"       file for events, "-" for stdout        (/var/log/warder/events.json)
 *                  or up to ARENA_SINKS outputs, [{"sink": "file", "path": ...}, ...]: sink.h
 *   "budget"       {"rate", "burst"}: event lines of a session, per second and at once; rate 0: any
 *   "timeout"      for each hand-over                     (5s)
 *   "api"          socket of the HTTP API, "none": off    (api.sock beside "socket")
 *   "metrics"      "ADDRESS:PORT" for GET /metrics alone  (off)
 *   "annotations"  { "policy": [names], "mode": ["audit"] }: what a workload's annotations
 *                  io.warder.policy and io.warder.mode may ask for. "enforce" always.
 *   "exempt"       [ { "namespace": .., "container": .., "annotations": {..} } ]: see exempt.h
 * An unknown key is an error here: a misspelt restriction must not be lost. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "fold.h"
#include "sink.h"
#include "warder/err.h"
#include "warder/exempt.h"
#include "warder/json.h"
#include "warder/policy.h"

#define CONFIG_LIST 64

struct config {
	struct json_object *doc; /* owns the strings; NULL: defaults only */
	const char *socket, *policies, *policy;
	const char *api;     /* NULL: beside the socket; "none": off */
	const char *metrics; /* NULL: off */
	int mode;            /* enum mode; -1: the policy's own */
	uint64_t timeout_ns;
	struct exempt exempt;
	int n_sinks;
	struct sink_config sinks[ARENA_SINKS];
	struct budget budget;
	int n_policies, n_modes;
	const char *allow_policy[CONFIG_LIST];
	enum mode allow_mode[CONFIG_LIST];
};

void config_init(struct config *c); /* the defaults */
/* Over the defaults. Errors: EINVAL with file and JSON path; c untouched. */
int config_load(const char *path, struct config *c, struct err *e);
void config_fini(struct config *c);
/* Events go to this file alone, "-": to stdout. */
void config_set_events(struct config *c, const char *path);
bool config_has(const struct config *c, enum sink_type t);

/* What was asked for: by whoever wires the container (hook's command line, listenerMetadata), and
 * by the workload (annotations). NULL: nothing. */
struct choice {
	const char *policy, *mode;
	const char *annotated_policy, *annotated_mode;
};

/* Which installed policy. Errors: EPERM (not in the administrator's list), EINVAL (no name of a
 * policy). */
int config_choose_policy(const struct config *c, const struct choice *want, const char **name,
			 struct err *e);
/* Which mode, given the policy's own. Errors: EPERM, EINVAL. */
int config_choose_mode(const struct config *c, const struct choice *want, enum mode own,
		       enum mode *mode, struct err *e);
