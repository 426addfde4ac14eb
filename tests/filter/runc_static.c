/* SPDX-License-Identifier: Apache-2.0 */
/* runc_static.c - `meaning` against the program that a real runc loads for the same profile.
 *
 * A container is started under ptrace until runc hands its seccomp program to the kernel: that
 * program is read from its memory, the container is ended, and both programs are run in the
 * interpreter over every ABI, number and boundary argument. Documents in Docker's form are given to
 * runc as resolved. Needs root, runc and a static busybox. */
#include <fcntl.h>
#include <glob.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "calls.h"
#include "probe.h"

struct bench {
	char dir[64];
	struct subject s;
	struct bpf_prog theirs;
	size_t compared, different, documents, failed;
};

static void compare(void *ctx, const struct seccomp_data *call, bool again)
{
	struct bench *b = ctx;
	uint32_t ours = bpf_run(&b->s.f.meaning, call, NULL);
	uint32_t theirs = bpf_run(&b->theirs, call, NULL);

	(void)again;
	b->compared++;
	if (ours != theirs && b->different++ < 20)
		printf("# arch 0x%x nr %d arg0 0x%llx: ours 0x%x, runc's 0x%x\n", call->arch,
		       call->nr, (unsigned long long)call->args[0], ours, theirs);
}

static struct json_object *cond_object(const struct cond *c)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "index", json_object_new_int(c->index));
	json_object_object_add(o, "value", json_object_new_uint64(c->value));
	json_object_object_add(o, "valueTwo", json_object_new_uint64(c->value2));
	json_object_object_add(o, "op", json_object_new_string(names_op_scmp((enum op)c->op)));
	return o;
}

static void add_effect(struct json_object *o, const char *act, const char *num, struct effect f)
{
	json_object_object_add(o, act, json_object_new_string(names_action_scmp((enum act)f.act)));
	if (f.act == ACT_ERRNO || f.act == ACT_TRACE)
		json_object_object_add(o, num, json_object_new_int(f.errnum));
}

/* What Docker would hand to the runtime. */
static struct json_object *resolved(const struct ruleset *r)
{
	struct json_object *o = json_object_new_object();
	struct json_object *arches = json_object_new_array(), *calls = json_object_new_array();

	add_effect(o, "defaultAction", "defaultErrnoRet", r->fallthrough);
	for (int i = 0; i < r->n_arches; i++)
		json_object_array_add(arches,
				      json_object_new_string(names_arch_scmp(r->arches[i])));
	for (int i = 0; i < r->n_rules; i++) {
		struct json_object *entry = json_object_new_object();
		struct json_object *names = json_object_new_array();
		struct json_object *args = json_object_new_array();

		json_object_array_add(names, json_object_new_string(r->rules[i].name));
		for (int k = 0; k < r->rules[i].conds.n; k++)
			json_object_array_add(args, cond_object(&r->rules[i].conds.c[k]));
		json_object_object_add(entry, "names", names);
		json_object_object_add(entry, "args", args);
		add_effect(entry, "action", "errnoRet", r->rules[i].effect);
		json_object_array_add(calls, entry);
	}
	json_object_object_add(o, "architectures", arches);
	json_object_object_add(o, "syscalls", calls);
	return o;
}

static int write_config(const struct bench *b, struct json_object *seccomp)
{
	static const char text[] =
		"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"rootfs\"},\"process\":{\"cwd\":\"/"
		"\","
		"\"args\":[\"/busybox\",\"true\"],\"user\":{\"uid\":0,\"gid\":0}},"
		"\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"}],"
		"\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"},"
		"{\"type\":\"ipc\"},{\"type\":\"uts\"}]}}";
	struct json_object *config = json_tokener_parse(text);
	char path[PATH_MAX];
	int rc;

	json_object_object_add(json_object_object_get(config, "linux"), "seccomp", seccomp);
	snprintf(path, sizeof path, "%s/config.json", b->dir);
	rc = json_object_to_file(path, config);
	json_object_put(config);
	return rc;
}

/* seccomp(2) and prctl(2) stop for the tracer. */
static void trace_loads(void)
{
	struct sock_filter insn[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_seccomp, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_prctl, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { ARRAY_LEN(insn), insn };

	if (syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog))
		_exit(90);
}

static _Noreturn void be_runc(const struct bench *b)
{
	char root[PATH_MAX], id[32];
	int null = open("/dev/null", O_RDWR);

	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	snprintf(root, sizeof root, "%s/state", b->dir);
	snprintf(id, sizeof id, "warder-static-%d", getppid());
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	trace_loads();
	execlp("runc", "runc", "--root", root, "run", "--bundle", b->dir, id, NULL);
	_exit(91);
}

static bool read_from(pid_t pid, uint64_t at, void *to, size_t size)
{
	struct iovec local = { to, size }, remote = { (void *)(uintptr_t)at, size };

	return process_vm_readv(pid, &local, 1, &remote, 1, 0) == (ssize_t)size;
}

/* Is this the call that loads a program? Then takes a copy of it. */
static bool take_program(pid_t pid, struct bpf_prog *out)
{
	struct __ptrace_syscall_info info;
	struct sock_fprog prog;
	struct bpf_prog p;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) <= 0)
		return false;
	if (!(info.seccomp.nr == __NR_seccomp && info.seccomp.args[0] == SECCOMP_SET_MODE_FILTER) &&
	    !(info.seccomp.nr == __NR_prctl && info.seccomp.args[0] == PR_SET_SECCOMP))
		return false;
	if (!read_from(pid, info.seccomp.args[2], &prog, sizeof prog) || !prog.len)
		return false;
	p = (struct bpf_prog){ prog.len, calloc(prog.len, sizeof *p.insn) };
	if (!p.insn || !read_from(pid, (uintptr_t)prog.filter, p.insn, p.len * sizeof *p.insn)) {
		bpf_fini(&p);
		return false;
	}
	*out = p;
	return true;
}

/* Lets runc and all that it starts go on until a program is loaded. PTRACE_O_EXITKILL and the kill
 * of the first process end what is left. */
static bool trace(pid_t first, struct bpf_prog *out)
{
	const long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
			     PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
	bool found = false;
	int status;
	pid_t pid;

	if (waitpid(first, &status, 0) != first || ptrace(PTRACE_SETOPTIONS, first, 0, options))
		return false;
	ptrace(PTRACE_CONT, first, 0, 0);
	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		int event = status >> 16, sig = 0;

		if (!WIFSTOPPED(status))
			continue;
		if (found) {
			kill(pid, SIGKILL);
		} else if (event == PTRACE_EVENT_SECCOMP && take_program(pid, out)) {
			found = true;
			kill(pid, SIGKILL);
			kill(first, SIGKILL);
		}
		if (!event && WSTOPSIG(status) != SIGSTOP)
			sig = WSTOPSIG(status);
		ptrace(PTRACE_CONT, pid, 0, sig);
	}
	return found;
}

__attribute__((format(printf, 1, 2))) static bool shell(const char *format, ...)
{
	char command[PATH_MAX * 2];
	va_list ap;

	va_start(ap, format);
	vsnprintf(command, sizeof command, format, ap);
	va_end(ap);
	return system(command) == 0;
}

static bool capture(struct bench *b, struct json_object *seccomp)
{
	bool found;
	pid_t pid;

	if (write_config(b, seccomp))
		return false;
	pid = fork();
	if (!pid)
		be_runc(b);
	found = trace(pid, &b->theirs);
	/* it is not there any more where runc saw its init die and cleaned up itself */
	shell("runc --root %s/state delete --force warder-static-%d >/dev/null 2>&1", b->dir,
	      getpid());
	return found;
}

static void run_document(struct bench *b, const char *path, uint64_t caps)
{
	const char *name = strrchr(path, '/') + 1;
	size_t compared = b->compared, different = b->different;
	struct json_object *doc;
	struct err e;

	b->documents++;
	if (subject_load(&b->s, path, caps, &e)) {
		printf("not ok %zu - %s\n", b->documents, e.msg);
		b->failed++;
		return;
	}
	doc = strstr(path, "default.json") ? resolved(&b->s.r) : json_object_from_file(path);
	if (capture(b, doc)) {
		calls_all(&b->s, compare, b);
		different = b->different - different;
		b->failed += different > 0;
		printf("%sok %zu - %s, %zu calls, runc's program has %zu instructions, ours %zu, "
		       "%zu different\n",
		       different ? "not " : "", b->documents, name, b->compared - compared,
		       b->theirs.len, b->s.f.meaning.len, different);
		bpf_fini(&b->theirs);
	} else {
		printf("not ok %zu - %s, runc loaded no program\n", b->documents, name);
		b->failed++;
	}
	subject_fini(&b->s);
}

static bool make_bundle(struct bench *b)
{
	snprintf(b->dir, sizeof b->dir, "/tmp/warder-static-XXXXXX");
	return mkdtemp(b->dir) &&
	       shell("mkdir -p %s/rootfs/proc && cp /bin/busybox %s/rootfs", b->dir, b->dir);
}

int main(void)
{
	static const char *const defaults[] = { "tests/data/docker-default.json",
						"tests/data/podman-default.json" };
	struct bench b = { 0 };
	glob_t g;

	setvbuf(stdout, NULL, _IONBF, 0);
	if (geteuid() || access("/usr/sbin/runc", X_OK) || access("/bin/busybox", X_OK)) {
		fputs("runc_static: needs root, runc and busybox\n", stderr);
		return 1;
	}
	if (!make_bundle(&b) || glob("tests/data/differential/*.json", 0, NULL, &g)) {
		fputs("runc_static: run it in the repository's root\n", stderr);
		return 1;
	}
	for (size_t i = 0; i < ARRAY_LEN(defaults) * 2 + g.gl_pathc; i++) {
		bool is_default = i < ARRAY_LEN(defaults) * 2;
		run_document(&b, is_default ? defaults[i / 2] : g.gl_pathv[i - 4],
			     is_default && i % 2 ? SUBJECT_ALL_CAPS : SUBJECT_CAPS);
	}
	globfree(&g);
	shell("rm -rf %s", b.dir);
	printf("1..%zu\n# figure runc: %zu documents, %zu (document, abi, call, arguments) "
	       "compared "
	       "with the program that runc loads, %zu different\n",
	       b.documents, b.documents, b.compared, b.different);
	return b.failed > 0;
}
