/* SPDX-License-Identifier: Apache-2.0 */
/* listener.c - see listener.h. */
#include "listener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "warder/ask.h"
#include "warder/native.h"
#include "warder/notify.h"
#include "warder/oci.h"
#include "warder/own.h"
#include "warder/wire.h"
#include "worker.h"

struct handover {
	struct handover *next;
	struct worker *worker;
	pthread_t thread;
	int sock;
	_Atomic bool ended;
	uint64_t deadline;
	/* filled on the way */
	char who[128]; /* "container abc", for messages */
	const struct compiled *compiled;
	char policy[POLICY_NAME_MAX];
	enum mode mode;
	bool starting; /* the program's first exec is still to come, and will be seen */
	struct kin kin;
};

static const char *annotation(struct json_object *annotations, const char *key)
{
	struct json_object *v;

	return annotations && json_object_object_get_ex(annotations, key, &v)
		       ? json_object_get_string(v)
		       : NULL;
}

static int check_peer(int sock, struct err *e)
{
	struct ucred peer;
	int r = wire_peer(sock, &peer, e);

	if (r || peer.uid == 0 || peer.uid == geteuid())
		return r;
	return err_set(e, EPERM, "the peer is user %u.", (unsigned)peer.uid);
}

/* Chooses policy and mode for a container, and has the policy compiled for its capabilities. */
static int choose(struct handover *h, const struct choice *want, bool caps_known, uint64_t caps,
		  struct err *e)
{
	const struct warn warn = { log_warn, NULL };
	struct policies_key key = { .caps_known = caps_known, .caps = caps };
	const struct compiled *c = NULL;
	enum mode mode;
	int r = config_choose_policy(h->worker->config, want, &key.name, e);

	if (!r)
		r = policies_load(h->worker->policies, h->worker->config->policies, &key, &c, &warn,
				  e);
	if (r)
		return r;
	r = config_choose_mode(h->worker->config, want, c->policy->mode, &mode, e);
	if (!r && mode == MODE_RECORD) {
		policies_put(h->worker->policies, c);
		c = NULL;
		key.notify_all = true;
		r = policies_load(h->worker->policies, h->worker->config->policies, &key, &c, &warn,
				  e);
	}
	if (r) {
		policies_put(h->worker->policies, c);
		return r;
	}
	h->compiled = c;
	h->mode = mode;
	snprintf(h->policy, sizeof h->policy, "%s", key.name);
	return 0;
}

static int send_answer(struct handover *h, const struct answer *a, int fd, struct err *e)
{
	auto_free char *text = NULL;
	size_t len;
	int r = answer_format(a, &text, &len, e);

	return r ? r : wire_send(h->sock, h->deadline, text, len, &fd, fd >= 0, e);
}

/* Tells our hook why not; the reason goes on to the log with the caller. */
static int send_refusal(struct handover *h, const struct err *why)
{
	struct answer a = { .error = why->msg };
	struct err ignored;

	send_answer(h, &a, -1, &ignored);
	return -why->num;
}

/* The hook's question: answered with the gate to install, or with why not. */
static int answer_ask(struct handover *h, const struct ask *ask, struct err *e)
{
	const struct choice want = {
		.policy = ask->policy,
		.mode = ask->mode,
		.annotated_policy = annotation(ask->annotations, "io.warder.policy"),
		.annotated_mode = annotation(ask->annotations, "io.warder.mode"),
	};
	struct answer a = { .ok = true };
	auto_fd prog = -1;
	int r;

	snprintf(h->who, sizeof h->who, "container %s", ask->id);
	if (exempt_match(&h->worker->config->exempt, ask->id, ask->annotations)) {
		log_say("%s: exempt", h->who);
		a.exempt = true;
		return send_answer(h, &a, -1, e);
	}
	r = choose(h, &want, ask->caps_known, ask->caps, e);
	if (!r)
		r = ask_put_prog(&h->compiled->filter.gate, &prog, e);
	if (r)
		return send_refusal(h, e);
	a.policy = h->policy;
	a.mode = mode_word(h->mode);
	a.syscalls_all = h->mode == MODE_RECORD;
	return send_answer(h, &a, prog, e);
}

/* listenerMetadata: "POLICY" or "POLICY:MODE". */
struct metadata {
	char policy[POLICY_NAME_MAX + 1]; /* one more: too long is seen to be too long */
	const char *mode;
};

static struct metadata read_metadata(const char *text)
{
	struct metadata m = { .mode = NULL };
	size_t len = strcspn(text, ":");

	memcpy(m.policy, text, len < sizeof m.policy ? len : sizeof m.policy - 1);
	m.mode = text[len] ? text + len + 1 : NULL;
	return m;
}

/* What enters a container goes by what the container goes by now. */
static int choose_kin(struct handover *h, const struct oci_process_state *ps, struct err *e)
{
	int r;

	if (strcmp(ps->state.status, "running") != 0 ||
	    !worker_kin(h->worker, ps->state.id, ps->pid, &h->kin))
		return 0;
	r = policies_at(h->worker->policies, h->kin.policy, &h->compiled, e);
	if (r)
		return r;
	h->mode = h->kin.mode;
	snprintf(h->policy, sizeof h->policy, "%s", h->compiled->policy->name);
	return 1;
}

/* A native runtime's hand-over: policy and mode by the container it enters, by annotation,
 * listenerMetadata, default. A profile that does not ask about exec would never be seen to leave
 * the runtime's own part. */
static int choose_native(struct handover *h, const struct oci_process_state *ps, struct err *e)
{
	const struct metadata metadata = read_metadata(ps->metadata);
	const struct choice want = {
		.policy = *ps->metadata ? metadata.policy : NULL,
		.mode = metadata.mode,
		.annotated_policy = oci_annotation(&ps->state, "io.warder.policy"),
		.annotated_mode = oci_annotation(&ps->state, "io.warder.mode"),
	};
	struct oci_config config = { 0 };
	struct err unread;
	int r;

	snprintf(h->who, sizeof h->who, "container %s", ps->state.id);
	if (oci_config_read(ps->state.bundle, &config, &unread)) {
		log_say("%s: its config.json is not known (%s): taken as without capabilities",
			h->who, unread.msg);
		config.caps_known = true;
	}
	/* crun says nothing of what enters, but warder-runtime names the mode and asks about exec
	 */
	h->starting = ps->pid ? config.seccomp && native_asks_exec(config.seccomp)
			      : metadata.mode != NULL;
	r = choose_kin(h, ps, e);
	if (!r)
		r = choose(h, &want, config.caps_known, config.bounding, e);
	oci_config_fini(&config);
	return r < 0 ? r : 0;
}

static int start_session(struct handover *h, const struct oci_process_state *ps, bool asked,
			 int *listener, struct err *e)
{
	struct json_object *notes = ps->state.annotations;
	const struct newcomer n = {
		.start = { .id = ps->state.id,
			   .name = oci_label(notes, OCI_NAME),
			   .pod = oci_label(notes, OCI_POD),
			   .namespace = oci_label(notes, OCI_NAMESPACE),
			   .policy = h->compiled->index,
			   .wiring = asked ? WIRING_HOOK : WIRING_NATIVE,
			   .mode = h->mode,
			   .init = ps->pid,
			   .starting = asked || h->starting,
			   .after_ns = h->compiled->policy->fallback_after_ns,
			   .listener = *listener },
		.compiled = h->compiled,
		.kin = h->kin.found ? &h->kin : NULL,
	};
	int r;

	if (!notify_is_listener(*listener))
		return err_set(e, EINVAL, "the descriptor is no seccomp listener");
	r = worker_add(h->worker, &n, e);
	if (!r) {
		*listener = -1;
		h->compiled = NULL;
	}
	return r;
}

/* The ContainerProcessState and its listener. asked: our hook sent it and waits for a word. */
static int take_listener(struct handover *h, struct wire_msg *msg, bool asked, struct err *e)
{
	struct oci_process_state ps = { 0 };
	struct answer ok = { .ok = true };
	int r = oci_process_state_parse(msg->text, msg->len, msg->n_fds, &ps, e);

	if (!r && !asked)
		r = choose_native(h, &ps, e);
	if (!r)
		r = start_session(h, &ps, asked, &msg->fds[ps.seccomp_fd_index], e);
	if (!r)
		log_say("%s: policy %s, mode %s, init %d%s", h->who, h->policy, mode_word(h->mode),
			(int)ps.pid, asked ? "" : " (native)");
	if (asked)
		r = r ? send_refusal(h, e) : send_answer(h, &ok, -1, e);
	oci_process_state_fini(&ps);
	return r;
}

static int converse(struct handover *h, struct err *e)
{
	struct wire_msg msg = { 0 };
	struct ask ask = { 0 };
	bool asked;
	int r = check_peer(h->sock, e);

	if (!r)
		r = wire_recv(h->sock, h->deadline, &msg, e);
	if (r)
		return r;
	asked = ask_is(msg.text, msg.len);
	if (asked) {
		r = ask_parse(msg.text, msg.len, &ask, e);
		r = r ? send_refusal(h, e) : answer_ask(h, &ask, e);
		ask_fini(&ask);
		wire_fini(&msg);
		memset(&msg, 0, sizeof msg);
		if (!r)
			r = wire_recv(h->sock, h->deadline, &msg, e);
	}
	if (!r)
		r = take_listener(h, &msg, asked, e);
	wire_fini(&msg);
	return r;
}

static void *run(void *arg)
{
	struct handover *h = arg;
	struct err e;
	int r = converse(h, &e);

	if (r && r != -ENODATA)
		log_say("%s refused: %s", h->who, e.msg);
	policies_put(h->worker->policies, h->compiled);
	shutdown(h->sock, SHUT_RDWR);
	atomic_store(&h->ended, true);
	eventfd_write(h->worker->wake, 1);
	return NULL;
}

bool listener_full(struct worker *w)
{
	int n = 0;

	pthread_mutex_lock(&w->lock);
	for (struct handover *h = w->handovers; h; h = h->next)
		n++;
	pthread_mutex_unlock(&w->lock);
	return n >= LISTENER_MAX;
}

/* The connection stays in the queue and would wake us again at once. */
static void wait_for_room(int error)
{
	const struct timespec nap = { 0, 100000000 };

	log_say("a hand-over waits: %s", strerror(error));
	nanosleep(&nap, NULL);
}

void listener_accept(struct worker *w)
{
	struct handover *h = calloc(1, sizeof *h);
	int r;

	if (!h) {
		log_say("a hand-over refused: out of memory");
		return;
	}
	h->sock = accept4(w->listener, NULL, NULL, SOCK_CLOEXEC);
	if (h->sock < 0) {
		if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
			wait_for_room(errno);
		free(h);
		return;
	}
	h->worker = w;
	h->deadline = wire_deadline(w->config->timeout_ns);
	snprintf(h->who, sizeof h->who, "a hand-over");
	pthread_mutex_lock(&w->lock);
	r = pthread_create(&h->thread, NULL, run, h);
	if (!r) {
		h->next = w->handovers;
		w->handovers = h;
	}
	pthread_mutex_unlock(&w->lock);
	if (r) {
		log_say("a hand-over refused: no thread: %s", strerror(r));
		close(h->sock);
		free(h);
	}
}

static void join_some(struct worker *w, bool all)
{
	struct handover **at, *h, *gone = NULL;

	pthread_mutex_lock(&w->lock);
	at = &w->handovers;
	while ((h = *at)) {
		if (!all && !atomic_load(&h->ended)) {
			at = &h->next;
			continue;
		}
		if (!atomic_load(&h->ended))
			shutdown(h->sock, SHUT_RDWR);
		*at = h->next;
		h->next = gone;
		gone = h;
	}
	pthread_mutex_unlock(&w->lock);
	while ((h = gone)) {
		gone = h->next;
		pthread_join(h->thread, NULL);
		close(h->sock);
		free(h);
	}
}

void listener_reap(struct worker *w)
{
	join_some(w, false);
}

void listener_stop(struct worker *w)
{
	join_some(w, true);
}
