/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - warderd: options, configuration, then keeper_run(). */
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "config.h"
#include "keeper.h"
#include "log.h"

#include "warder/names.h"
#include "warder/opt.h"

struct options {
	const char *config, *socket, *policies, *policy, *mode, *events, *api, *metrics;
	uint64_t timeout_ns, ready_fd;
	bool replace;
};

#define NO_FD UINT64_MAX

static int apply(const struct options *o, struct config *c, struct err *e)
{
	int mode;

	if (o->config && config_load(o->config, c, e))
		return -e->num;
	if (o->socket)
		c->socket = o->socket;
	if (o->policies)
		c->policies = o->policies;
	if (o->events)
		config_set_events(c, o->events);
	if (o->api)
		c->api = o->api;
	if (o->metrics)
		c->metrics = o->metrics;
	if (o->timeout_ns)
		c->timeout_ns = o->timeout_ns;
	if (o->policy && !policy_name_ok(o->policy))
		return err_set(e, EINVAL, "--policy: \"%s\" is no policy name", o->policy);
	if (o->policy)
		c->policy = o->policy;
	if (o->mode) {
		mode = mode_parse(o->mode);
		if (mode < 0)
			return err_set(e, EINVAL,
				       "--mode: \"%s\" is no mode (audit, enforce, record)",
				       o->mode);
		c->mode = mode;
	}
	return 0;
}

static int parse(int argc, char **argv, struct options *o, struct err *e)
{
	const struct opt rows[] = {
		{ "config", 'c', OPT_STR, &o->config, "FILE",
		  "read the configuration from FILE; options come on top" },
		{ "socket", 's', OPT_STR, &o->socket, "PATH",
		  "take containers over at PATH (default /run/warder/listener.sock)" },
		{ "policies", 'P', OPT_STR, &o->policies, "DIR",
		  "the folder of installed policies (default /etc/warder/policies)" },
		{ "policy", 'p', OPT_STR, &o->policy, "NAME",
		  "the default policy (default \"default\": DIR/default.json)" },
		{ "mode", 'm', OPT_STR, &o->mode, "MODE",
		  "audit, enforce or record, for all containers (default: the policy's own)" },
		{ "events", 'e', OPT_STR, &o->events, "FILE",
		  "append events to FILE, - for stdout (default /var/log/warder/events.json)" },
		{ "timeout", 't', OPT_DURATION, &o->timeout_ns, "TIME",
		  "for each hand-over (default 5s)" },
		{ "api", 0, OPT_STR, &o->api, "PATH",
		  "serve the HTTP API at PATH, none: not at all (default api.sock beside "
		  "listener.sock)" },
		{ "metrics", 0, OPT_STR, &o->metrics, "ADDRESS:PORT",
		  "serve GET /metrics over TCP too (default: not)" },
		{ "replace", 0, OPT_FLAG, &o->replace, NULL,
		  "take over from the warderd that runs at the socket" },
		{ "ready-fd", 0, OPT_U64, &o->ready_fd, "N",
		  "write a newline to descriptor N when ready, and close it" },
		{ 0 },
	};
	const struct opt_usage usage = {
		.program = "warderd",
		.args = "",
		.purpose = "supervise the system calls of containers",
		.rows = rows,
		.tail = "Runs in the foreground and logs to stderr. Ends on SIGTERM or SIGINT.\n",
	};
	int first, r = opt_parse(&usage, argc, argv, &first, e);

	if (!r && first < argc)
		r = err_set(e, EINVAL, "unexpected argument \"%s\" (see warderd --help)",
			    argv[first]);
	return r;
}

/* Each session holds a descriptor. */
static void raise_descriptors(void)
{
	struct rlimit l;

	if (!getrlimit(RLIMIT_NOFILE, &l) && l.rlim_cur < l.rlim_max) {
		l.rlim_cur = l.rlim_max;
		setrlimit(RLIMIT_NOFILE, &l);
	}
}

int main(int argc, char **argv)
{
	struct options o = { .ready_fd = NO_FD };
	struct config c;
	struct keeper_opts k = { .config = &c };
	struct err e;
	int r;

	config_init(&c);
	r = parse(argc, argv, &o, &e);
	if (r > 0)
		return 0;
	if (!r)
		r = apply(&o, &c, &e);
	if (!r) {
		raise_descriptors();
		names_init();
		k.ready_fd = o.ready_fd == NO_FD ? -1 : (int)o.ready_fd;
		k.replace = o.replace;
		r = keeper_run(&k, &e);
	}
	if (r)
		log_say("%s", e.msg);
	config_fini(&c);
	return r ? 1 : 0;
}
