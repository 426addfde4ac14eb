/* SPDX-License-Identifier: Apache-2.0 */
/* runtime.c - warder-runtime: an OCI runtime in front of another.
 *
 * On `create` and `run` it gives the bundle's config.json a linux.seccomp whose listener warderd
 * gets, and in any case it becomes the runtime behind (exec): exit status, output, descriptors and
 * signals are that one's. warderd chooses the policy and makes the gate, as for the hook; without
 * its answer nothing starts. What fails is one line on stderr and in the engine's --log, and
 * config.json is as it was. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "args.h"
#include "behind.h"
#include "bundle.h"
#include "warder/ask.h"
#include "warder/exempt.h"
#include "warder/json.h"
#include "warder/native.h"
#include "warder/opt.h"
#include "warder/own.h"
#include "warder/policy.h"
#include "warder/wire.h"

#define OWN_PREFIX     "--warder-"
#define WARDERD_CONFIG "/etc/warder/warderd.json"

struct runtime {
	const char *config_file; /* NULL: BEHIND_CONFIG if it is there */
	const char *behind_name, *policy, *mode, *socket;
	bool check, help, version;
	struct args args;
	struct behind behind;
	char *path; /* of the runtime behind */
	struct bundle bundle;
	struct answer answer;
	struct bpf_prog gate;
	struct json_object *seccomp, *left;
	const char *mend; /* what may help when the stage fails */
};

enum { GO_ON = 0, LEAVE_ALONE = 1 };

/* One line in the log that the engine reads, in the runtimes' own form. */
static void log_line(const struct args *a, const char *level, const char *text)
{
	struct json_object *line;
	struct timespec t;
	struct tm tm;
	char when[32];
	auto_fd fd = open(a->log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);

	if (fd < 0)
		return;
	clock_gettime(CLOCK_REALTIME, &t);
	strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t.tv_sec, &tm));
	line = json_object_new_object();
	if (line && json_add(line, "level", json_object_new_string(level)) &&
	    json_add(line, "msg", json_object_new_string(text)) &&
	    json_add(line, "time", json_object_new_string(when))) {
		if (a->log_json)
			dprintf(fd, "%s\n",
				json_object_to_json_string_ext(
					line,
					JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
		else
			dprintf(fd, "time=\"%s\" level=%s msg=%s\n", when, level,
				json_object_to_json_string(json_object_object_get(line, "msg")));
	}
	json_object_put(line);
}

/* A `create` has the container's stderr: what is no failure goes to the log where there is one. */
static void say(const struct runtime *rt, const char *level, const char *text)
{
	char line[1024];

	snprintf(line, sizeof line, "warder-runtime: %s", text);
	if (rt->args.log)
		log_line(&rt->args, level, line);
	if (!rt->args.log || !strcmp(level, "error"))
		dprintf(STDERR_FILENO, "%s\n", line);
}

static int load_behind(struct runtime *rt, struct err *e)
{
	const char *file = rt->config_file ? rt->config_file : BEHIND_CONFIG;
	int r = 0;

	behind_init(&rt->behind);
	if (rt->config_file || !access(file, F_OK))
		r = behind_load(file, &rt->behind, e);
	if (r)
		return r;
	if (rt->behind_name)
		rt->behind.runtime = rt->behind_name;
	if (rt->socket)
		rt->behind.socket = rt->socket;
	return behind_find(&rt->behind, &rt->path, e);
}

static int read_bundle(struct runtime *rt, struct err *e)
{
	const char *dir = rt->args.bundle ? rt->args.bundle : ".";
	auto_free char *file = NULL;

	if (rt->args.config)
		return bundle_open(rt->args.config, &rt->bundle, e);
	if (asprintf(&file, "%s/config.json", dir) < 0) {
		file = NULL;
		return err_set(e, ENOMEM, "read config.json");
	}
	return bundle_open(file, &rt->bundle, e);
}

/* Read here too, so that exempt workloads start while warderd is away. The rest of the document is
 * warderd's business. */
static int check_exempt(struct runtime *rt, struct err *e)
{
	const char *file = rt->behind.config ? rt->behind.config : WARDERD_CONFIG;
	struct json_object *doc = NULL;
	struct json_at at = { .file = file }, key;
	struct exempt x = { 0 };
	int r;

	if (!rt->behind.config && access(file, F_OK))
		return GO_ON;
	r = json_read(file, &doc, e);
	at.v = doc;
	if (!r)
		r = json_is_object(&at, e);
	if (!r && json_child(&at, "exempt", &key))
		r = exempt_parse(&key, &x, e);
	if (!r && exempt_match(&x, rt->args.id, rt->bundle.config.annotations))
		r = LEAVE_ALONE;
	json_object_put(doc);
	return r;
}

/* A listener to somebody else cannot be shared, one to warderd is there already. */
static int check_listener(struct runtime *rt, struct err *e)
{
	const char *path;

	if (!native_has_listener(rt->bundle.seccomp, &path))
		return GO_ON;
	if (path && !strcmp(path, rt->behind.socket))
		return LEAVE_ALONE;
	return err_set(e, EINVAL,
		       "the profile in %s has a listener of its own (%s), and a container can have "
		       "one",
		       rt->bundle.path, path ? path : "no listenerPath");
}

static int receive(struct runtime *rt, int sock, uint64_t deadline, struct err *e)
{
	struct wire_msg m = { 0 };
	int r = wire_recv(sock, deadline, &m, e);

	if (r == -ENODATA)
		r = err_set(e, EPROTO, "it closed the connection");
	if (!r)
		r = answer_parse(m.text, m.len, &rt->answer, e);
	if (!r && !rt->answer.ok)
		r = err_set(e, EINVAL, "%s", rt->answer.error);
	if (!r && !rt->answer.exempt)
		r = m.n_fds == 1 ? ask_get_prog(m.fds[0], &rt->gate, e)
				 : err_set(e, EPROTO, "it sent %d descriptors, not one program",
					   m.n_fds);
	wire_fini(&m);
	return r ? r : rt->answer.exempt ? LEAVE_ALONE : GO_ON;
}

static int ask_daemon(struct runtime *rt, struct err *e)
{
	const uint64_t deadline = wire_deadline(rt->behind.timeout_ns);
	struct ask a = {
		.id = rt->args.id,
		.annotations = rt->bundle.config.annotations,
		.caps_known = rt->bundle.config.caps_known,
		.caps = rt->bundle.config.bounding,
	};
	auto_free char *text = NULL;
	auto_fd sock = -1;
	size_t len = 0;
	int r;

	behind_choose(&rt->behind, a.annotations, &a.policy, &a.mode);
	a.policy = rt->policy ? rt->policy : a.policy;
	a.mode = rt->mode ? rt->mode : a.mode;
	r = wire_connect(rt->behind.socket, deadline, &sock, e);
	if (r)
		return err_wrap(e, "warderd");
	rt->mend = "see warderd's log";
	r = ask_format(&a, &text, &len, e);
	if (!r)
		r = wire_send(sock, deadline, text, len, NULL, 0, e);
	if (!r)
		r = receive(rt, sock, deadline, e);
	return r < 0 ? err_wrap(e, "warderd") : r;
}

/* In enforce a call that cannot be asked about would go on unblocked. */
static int check_left(struct runtime *rt, const struct native_runtime *limits, struct err *e)
{
	const char *names = json_object_to_json_string_ext(rt->left, JSON_C_TO_STRING_PLAIN);
	char line[512];

	if (!json_object_array_length(rt->left))
		return GO_ON;
	if (mode_parse(rt->answer.mode) == MODE_ENFORCE)
		return err_set(e, EINVAL,
			       "policy %s blocks %s, which %s does not let be asked about here",
			       rt->answer.policy, names, limits->name);
	snprintf(line, sizeof line,
		 "container %s: %s does not let %s be asked about here: let through unseen",
		 rt->args.id, limits->name, names);
	say(rt, "warning", line);
	return GO_ON;
}

static int make_profile(struct runtime *rt, struct err *e)
{
	char metadata[POLICY_NAME_MAX + 16];
	const struct native_opts o = {
		.runtime = behind_limits(&rt->behind),
		.socket = rt->behind.socket,
		.metadata = metadata,
		.own = rt->behind.replace ? NULL : rt->bundle.seccomp,
	};
	int r;

	snprintf(metadata, sizeof metadata, "%s:%s", rt->answer.policy, rt->answer.mode);
	r = native_profile(&rt->gate, &o, &rt->seccomp, &rt->left, e);
	return r ? err_wrap(e, "%s", rt->bundle.path) : check_left(rt, o.runtime, e);
}

static int put_profile(struct runtime *rt, struct err *e)
{
	if (!rt->check)
		return bundle_put(&rt->bundle, rt->seccomp, e);
	puts(json_object_to_json_string_ext(rt->seccomp, JSON_C_TO_STRING_PRETTY |
								 JSON_C_TO_STRING_NOSLASHESCAPE));
	return GO_ON;
}

static const struct {
	int (*run)(struct runtime *rt, struct err *e);
	const char *mend;
} stages[] = {
	{ read_bundle, "is --bundle a bundle?" },
	{ check_exempt, "\"config\" is warderd's configuration file" },
	{ check_listener, "take it out, or run this container by the runtime behind" },
	{ ask_daemon, "is warderd running, and is \"socket\" its listener.sock?" },
	{ make_profile, "use the hook, another runtime, or a policy that allows them" },
	{ put_profile, "the bundle must be writable" },
};

static int start(struct runtime *rt, struct err *e)
{
	int r = GO_ON;

	for (size_t i = 0; i < ARRAY_LEN(stages) && r == GO_ON; i++) {
		rt->mend = stages[i].mend;
		r = stages[i].run(rt, e);
	}
	return r < 0 ? err_wrap(e, "container %s", rt->args.id) : r;
}

/* Becomes the runtime behind. Returns only on failure. */
static int become(struct runtime *rt, char **argv, struct err *e)
{
	struct err undo;
	int num;

	argv[0] = rt->path;
	execv(rt->path, argv);
	num = errno;
	rt->mend = "see \"runtime\" in " BEHIND_CONFIG;
	if (rt->seccomp && bundle_undo(&rt->bundle, &undo))
		say(rt, "error", undo.msg);
	return err_set(e, num, "exec %s", rt->path);
}

/* argv: what stands in front of the runtime's own words is its name's place. */
static int run(struct runtime *rt, int argc, char **argv, struct err *e)
{
	int r;

	args_read(argc - 1, argv + 1, &rt->args);
	rt->mend = "see \"runtime\" in " BEHIND_CONFIG " and warder-runtime(8)";
	r = load_behind(rt, e);
	if (r)
		return r;
	rt->mend = "give it as the runtime's manual does, with long options";
	if (rt->args.kind == ARGS_UNCLEAR)
		return err_set(e, EINVAL, "cannot tell what \"%s\" means in this command line",
			       rt->args.unclear);
	if (rt->args.kind == ARGS_START && rt->args.id)
		r = start(rt, e);
	if (r < 0 || rt->check)
		return r;
	return become(rt, argv, e);
}

static void runtime_fini(struct runtime *rt)
{
	json_object_put(rt->left);
	json_object_put(rt->seccomp);
	bpf_fini(&rt->gate);
	answer_fini(&rt->answer);
	bundle_fini(&rt->bundle);
	behind_fini(&rt->behind);
	free(rt->path);
}

static int parse_own(struct runtime *rt, int argc, char **argv, int *first, struct err *e)
{
	const struct opt rows[] = {
		{ "warder-config", 0, OPT_STR, &rt->config_file, "FILE",
		  "the configuration (default " BEHIND_CONFIG " if it is there)" },
		{ "warder-runtime", 0, OPT_STR, &rt->behind_name, "RUNTIME",
		  "the runtime behind: a path, or a name in PATH (default runc)" },
		{ "warder-socket", 0, OPT_STR, &rt->socket, "PATH",
		  "warderd's listener socket (default /run/warder/listener.sock)" },
		{ "warder-policy", 0, OPT_STR, &rt->policy, "NAME",
		  "an installed policy (default: the configuration's, then warderd's)" },
		{ "warder-mode", 0, OPT_STR, &rt->mode, "MODE",
		  "audit, enforce or record (default: the configuration's, then warderd's)" },
		{ "warder-check", 0, OPT_FLAG, &rt->check, NULL,
		  "print the linux.seccomp that a create or run would get; change and start "
		  "nothing" },
		{ "warder-help", 0, OPT_FLAG, &rt->help, NULL, "print this and exit" },
		{ "warder-version", 0, OPT_FLAG, &rt->version, NULL, "print the version and exit" },
		{ 0 },
	};
	const struct opt_usage usage = {
		.program = "warder-runtime",
		.args = "RUNTIME'S WORDS...",
		.purpose = "OCI runtime in front of another: brings containers under warderd.",
		.rows = rows,
		.tail = "Everything behind these options is the runtime's, its --help too. Exit "
			"status: the\nruntime's; 1 when the container must not start.\n",
		.own_help = true,
	};
	int n = 1, r;

	while (n < argc && !strncmp(argv[n], OWN_PREFIX, strlen(OWN_PREFIX)))
		n += strchr(argv[n], '=') || !strcmp(argv[n], OWN_PREFIX "check") ||
				     !strcmp(argv[n], OWN_PREFIX "help") ||
				     !strcmp(argv[n], OWN_PREFIX "version")
			     ? 1
			     : 2;
	r = opt_parse(&usage, n < argc ? n : argc, argv, first, e);
	if (!r && rt->help)
		opt_help(&usage, stdout);
	if (!r && rt->version)
		printf("warder-runtime %s\n", WARDER_VERSION);
	return r;
}

static int check_own(const struct runtime *rt, struct err *e)
{
	if (rt->policy && !policy_name_ok(rt->policy))
		return err_set(e, EINVAL,
			       "--warder-policy %s: no policy name (letters, digits, . _ -)",
			       rt->policy);
	if (rt->mode && mode_parse(rt->mode) < 0)
		return err_set(e, EINVAL, "--warder-mode %s: neither audit, enforce nor record",
			       rt->mode);
	return 0;
}

int main(int argc, char **argv)
{
	struct runtime rt = { .mend = "try --warder-help" };
	struct err e = { 0 };
	int first = 1, r;

	r = parse_own(&rt, argc, argv, &first, &e);
	if (!r)
		r = check_own(&rt, &e);
	if (!r && (rt.help || rt.version))
		return EXIT_SUCCESS;
	if (!r)
		r = run(&rt, argc - first + 1, argv + first - 1, &e);
	if (r < 0) {
		char line[sizeof e.msg + 256];

		snprintf(line, sizeof line, "%s (%s)", e.msg, rt.mend);
		say(&rt, "error", line);
	}
	runtime_fini(&rt);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
