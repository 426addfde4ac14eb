/* SPDX-License-Identifier: Apache-2.0 */
/* rows.c - policies as text, calls, and what is decided and what the gate does, in the interpreter.
 * Every action, operator and option of a policy has a row. In the texts ' stands for ". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "subject.h"

#define X64     SUBJECT_X64
#define I386    SUBJECT_I386
#define X32(nr) (0x40000000 | (nr))

#define ALLOW    SECCOMP_RET_ALLOW
#define NOTIFY   SECCOMP_RET_USER_NOTIF
#define ERR(n)   (SECCOMP_RET_ERRNO | (n))
#define TRACE(n) (SECCOMP_RET_TRACE | (n))

struct row {
	uint32_t arch; /* 0 ends the rows */
	int nr;
	uint64_t arg[3];
	uint8_t act;
	uint16_t errnum;
	uint32_t gate;
};

struct sheet {
	const char *what;
	const char *text;
	bool record;
	struct row rows[14];
};

#define X86_3 "'architectures':['SCMP_ARCH_X86_64','SCMP_ARCH_X86','SCMP_ARCH_X32']"
#define DENY  "{'defaultAction':'SCMP_ACT_ERRNO'," X86_3 ","

/* One comparison on argument 1 of socket (41), once in the profile and once in a rule of Warder's;
 * openat2 (437) keeps the ENOSYS tail away. */
#define ARGS(op, v, v2) \
	"'args':[{'index':1,'op':'SCMP_CMP_" op "','value':" v ",'valueTwo':" v2 "}]"
#define OPENAT2 "{'names':['openat2'],'action':'SCMP_ACT_ALLOW'}"
#define BOTH(op, v, v2, ...)                                                                    \
	{ op " in the profile",                                                                 \
	  DENY "'syscalls':[" OPENAT2                                                           \
	       ",{'names':['socket'],'action':'SCMP_ACT_ALLOW'," ARGS(op, v, v2) "}]}",         \
	  false,                                                                                \
	  { __VA_ARGS__ } },                                                                    \
	{                                                                                       \
		op " in a rule",                                                                \
			DENY "'syscalls':[" OPENAT2 "],'warder':{'rules':[{'names':['socket']," \
			     "'verdict':'allow'," ARGS(op, v, v2) "}]}}",                       \
			false,                                                                  \
		{                                                                               \
			__VA_ARGS__                                                             \
		}                                                                               \
	}
#define YES(v)                                              \
	{                                                   \
		X64, 41, { 9, (v), 9 }, ACT_ALLOW, 0, ALLOW \
	}
#define NO(v)                                                \
	{                                                    \
		X64, 41, { 9, (v), 9 }, ACT_ERRNO, 1, NOTIFY \
	}
#define FIVE 4294967301ULL /* 5 with bit 32 */
#define HIGH (2ULL << 32)

/* A default action: what read (named) and mkdir (not) get, and a number newer than all names. */
#define DEFAULT(act, more, mkdir, data, newest, newest_data, gate)                            \
	{                                                                                     \
		"default " act,                                                               \
			"{'defaultAction':'" act "'" more "," X86_3 ",'syscalls':["           \
			"{'names':['read'],'action':'SCMP_ACT_ERRNO','errnoRet':77}," OPENAT2 \
			"]}",                                                                 \
			false,                                                                \
		{                                                                             \
			{ X64, 0, { 0 }, ACT_ERRNO, 77, NOTIFY },                             \
				{ X64, 83, { 0 }, mkdir, data, gate },                        \
			{                                                                     \
				X64, 500, { 0 }, newest, newest_data,                         \
					newest == ACT_ERRNO ? NOTIFY : (gate)                 \
			}                                                                     \
		}                                                                             \
	}

static const struct sheet sheets[] = {
	BOTH("EQ", "4294967301", "0", YES(FIVE), NO(5), NO(FIVE + 1), NO(FIVE - 1), NO(FIVE | HIGH),
	     NO(0), NO(UINT64_MAX)),
	BOTH("NE", "4294967301", "0", NO(FIVE), YES(5), YES(FIVE + 1), YES(FIVE - 1),
	     YES(FIVE | HIGH), YES(0), YES(UINT64_MAX)),
	BOTH("LT", "4294967301", "0", NO(FIVE), YES(5), NO(FIVE + 1), YES(FIVE - 1), NO(HIGH),
	     YES(0), YES(UINT32_MAX), NO(UINT64_MAX)),
	BOTH("LE", "4294967301", "0", YES(FIVE), YES(5), NO(FIVE + 1), YES(FIVE - 1), NO(HIGH),
	     YES(0), YES(UINT32_MAX), NO(UINT64_MAX)),
	BOTH("GE", "4294967301", "0", YES(FIVE), NO(5), YES(FIVE + 1), NO(FIVE - 1), YES(HIGH),
	     NO(0), NO(UINT32_MAX), YES(UINT64_MAX)),
	BOTH("GT", "4294967301", "0", NO(FIVE), NO(5), YES(FIVE + 1), NO(FIVE - 1), YES(HIGH),
	     NO(0), NO(UINT32_MAX), YES(UINT64_MAX)),
	BOTH("MASKED_EQ", "4294967303", "4294967301", YES(FIVE), NO(5), NO(FIVE + 1), YES(FIVE + 8),
	     YES(FIVE | HIGH), NO(0), NO(UINT64_MAX)),
	DEFAULT("SCMP_ACT_ALLOW", "", ACT_ALLOW, 0, ACT_ALLOW, 0, ALLOW),
	DEFAULT("SCMP_ACT_LOG", "", ACT_LOG, 0, ACT_LOG, 0, NOTIFY),
	DEFAULT("SCMP_ACT_TRACE", ",'defaultErrnoRet':6", ACT_TRACE, 6, ACT_TRACE, 6, TRACE(6)),
	DEFAULT("SCMP_ACT_NOTIFY", "", ACT_NOTIFY, 0, ACT_ERRNO, 38, NOTIFY),
	DEFAULT("SCMP_ACT_ERRNO", "", ACT_ERRNO, 1, ACT_ERRNO, 38, NOTIFY),
	DEFAULT("SCMP_ACT_ERRNO", ",'defaultErrnoRet':13", ACT_ERRNO, 13, ACT_ERRNO, 38, NOTIFY),
	DEFAULT("SCMP_ACT_TRAP", "", ACT_TRAP, 0, ACT_ERRNO, 38, SECCOMP_RET_TRAP),
	DEFAULT("SCMP_ACT_KILL", "", ACT_KILL_THREAD, 0, ACT_ERRNO, 38, NOTIFY),
	DEFAULT("SCMP_ACT_KILL_THREAD", "", ACT_KILL_THREAD, 0, ACT_ERRNO, 38, NOTIFY),
	DEFAULT("SCMP_ACT_KILL_PROCESS", "", ACT_KILL_PROCESS, 0, ACT_ERRNO, 38, NOTIFY),
	{ "every action of a rule of the profile",
	  DENY "'syscalls':[" OPENAT2 ",{'names':['read'],'action':'SCMP_ACT_ALLOW'},"
	       "{'names':['open'],'action':'SCMP_ACT_LOG'},"
	       "{'names':['close'],'action':'SCMP_ACT_TRACE','errnoRet':9},"
	       "{'names':['stat'],'action':'SCMP_ACT_NOTIFY'},"
	       "{'names':['fstat'],'action':'SCMP_ACT_ERRNO','errnoRet':22},"
	       "{'names':['lstat'],'action':'SCMP_ACT_TRAP'},"
	       "{'names':['poll'],'action':'SCMP_ACT_KILL_THREAD'},"
	       "{'names':['lseek'],'action':'SCMP_ACT_KILL_PROCESS'},"
	       "{'names':['mmap'],'action':'SCMP_ACT_KILL'},"
	       "{'names':['mprotect'],'action':'SCMP_ACT_ERRNO','errnoRet':0}]}",
	  false,
	  { { X64, 0, { 0 }, ACT_ALLOW, 0, ALLOW },
	    { X64, 2, { 0 }, ACT_LOG, 0, NOTIFY },
	    { X64, 3, { 0 }, ACT_TRACE, 9, TRACE(9) },
	    { X64, 4, { 0 }, ACT_NOTIFY, 0, NOTIFY },
	    { X64, 5, { 0 }, ACT_ERRNO, 22, NOTIFY },
	    { X64, 6, { 0 }, ACT_TRAP, 0, SECCOMP_RET_TRAP },
	    { X64, 7, { 0 }, ACT_KILL_THREAD, 0, NOTIFY },
	    { X64, 8, { 0 }, ACT_KILL_PROCESS, 0, NOTIFY },
	    { X64, 9, { 0 }, ACT_KILL_THREAD, 0, NOTIFY },
	    { X64, 10, { 0 }, ACT_ERRNO, 0, NOTIFY },
	    { X64, 1, { 0 }, ACT_ERRNO, 1, NOTIFY } } },
	{ "Docker's form: archMap, includes, excludes, minKernel",
	  "{'defaultAction':'SCMP_ACT_ERRNO','archMap':[{'architecture':'SCMP_ARCH_X86_64',"
	  "'subArchitectures':['SCMP_ARCH_X86']}],'syscalls':[" OPENAT2 ","
	  "{'names':['bpf'],'action':'SCMP_ACT_ALLOW','includes':{'caps':['CAP_BPF']}},"
	  "{'names':['chroot'],'action':'SCMP_ACT_ALLOW','includes':{'caps':['CAP_SYS_CHROOT']}},"
	  "{'names':['clone'],'action':'SCMP_ACT_ALLOW','excludes':{'caps':['CAP_CHOWN']}},"
	  "{'names':['ptrace'],'action':'SCMP_ACT_ALLOW','includes':{'minKernel':'4.8'}},"
	  "{'names':['mount'],'action':'SCMP_ACT_ALLOW','includes':{'arches':['arm64']}},"
	  "{'name':'read','action':'SCMP_ACT_ALLOW'}]}",
	  false,
	  { { X64, 321, { 0 }, ACT_ERRNO, 1, NOTIFY },
	    { X64, 161, { 0 }, ACT_ALLOW, 0, ALLOW },
	    { X64, 56, { 0 }, ACT_ERRNO, 1, NOTIFY },
	    { X64, 101, { 0 }, ACT_ALLOW, 0, ALLOW },
	    { X64, 165, { 0 }, ACT_ERRNO, 1, NOTIFY },
	    { X64, 0, { 0 }, ACT_ALLOW, 0, ALLOW },
	    { I386, 3, { 0 }, ACT_ALLOW, 0, ALLOW },
	    { X64, X32(0), { 0 }, ACT_KILL_THREAD, 0, NOTIFY } } },
	{ "two conditions, and the same index twice",
	  DENY
	  "'syscalls':[" OPENAT2 ",{'names':['socket'],'action':'SCMP_ACT_ALLOW','args':["
	  "{'index':0,'op':'SCMP_CMP_EQ','value':2},{'index':1,'op':'SCMP_CMP_EQ','value':1}]},"
	  "{'names':['personality'],'action':'SCMP_ACT_ALLOW','args':["
	  "{'index':0,'op':'SCMP_CMP_EQ','value':0},{'index':0,'op':'SCMP_CMP_EQ','value':8}]}]}",
	  false,
	  { { X64, 41, { 2, 1 }, ACT_ALLOW, 0, ALLOW },
	    { X64, 41, { 2, 2 }, ACT_ERRNO, 1, NOTIFY },
	    { X64, 41, { 1, 1 }, ACT_ERRNO, 1, NOTIFY },
	    { X64, 135, { 0 }, ACT_ALLOW, 0, ALLOW },
	    { X64, 135, { 8 }, ACT_ALLOW, 0, ALLOW },
	    { X64, 135, { 1 }, ACT_ERRNO, 1, NOTIFY } } },
	{ "libseccomp's order of conflicting conditions",
	  DENY "'syscalls':[" OPENAT2 ",{'names':['personality'],'action':'SCMP_ACT_ERRNO',"
	       "'errnoRet':5,'args':[{'index':0,'op':'SCMP_CMP_EQ','value':1}]},"
	       "{'names':['personality'],'action':'SCMP_ACT_ERRNO','errnoRet':7,"
	       "'args':[{'index':1,'op':'SCMP_CMP_EQ','value':2}]},"
	       "{'names':['fcntl'],'action':'SCMP_ACT_ERRNO','errnoRet':9,"
	       "'args':[{'index':1,'op':'SCMP_CMP_EQ','value':4}]},"
	       "{'names':['fcntl'],'action':'SCMP_ACT_ALLOW'}]}",
	  false,
	  { { X64, 135, { 1, 2 }, ACT_ERRNO, 7, NOTIFY },
	    { X64, 135, { 1, 3 }, ACT_ERRNO, 5, NOTIFY },
	    { X64, 72, { 0, 4 }, ACT_ALLOW, 0, ALLOW } } },
	{ "verdicts of Warder's rules, before the profile",
	  DENY "'syscalls':[{'names':['read','ptrace','keyctl','openat2'],"
	       "'action':'SCMP_ACT_ALLOW'}],'warder':{'mode':'enforce','rules':["
	       "{'names':['ptrace'],'verdict':'kill','message':'no'},"
	       "{'names':['keyctl'],'verdict':'deny','errno':'ENOSYS'},"
	       "{'names':['mkdir'],'verdict':'allow'},"
	       "{'names':['rmdir'],'verdict':'deny','errno':'EACCES','live':false},"
	       "{'names':['unlink'],'verdict':'deny'}]}}",
	  false,
	  { { X64, 101, { 0 }, ACT_KILL_PROCESS, 0, NOTIFY },
	    { I386, 26, { 0 }, ACT_KILL_PROCESS, 0, NOTIFY },
	    { X64, X32(521), { 0 }, ACT_KILL_PROCESS, 0, NOTIFY },
	    { X64, 250, { 0 }, ACT_ERRNO, 38, NOTIFY },
	    { X64, 83, { 0 }, ACT_ALLOW, 0, ALLOW },
	    { I386, 39, { 0 }, ACT_ALLOW, 0, ALLOW },
	    { X64, 84, { 0 }, ACT_ERRNO, 13, ERR(13) },
	    { X64, 87, { 0 }, ACT_ERRNO, 1, NOTIFY },
	    { X64, 0, { 0 }, ACT_ALLOW, 0, ALLOW } } },
	{ "the first rule of Warder's that matches wins",
	  DENY
	  "'syscalls':[{'names':['socket','openat2'],'action':'SCMP_ACT_ALLOW'}],"
	  "'warder':{'rules':["
	  "{'names':['socket'],'verdict':'deny','errno':'EACCES','args':["
	  "{'index':0,'op':'SCMP_CMP_EQ','value':1},{'index':1,'op':'SCMP_CMP_NE','value':5}]},"
	  "{'names':['socket'],'verdict':'kill','args':["
	  "{'index':0,'op':'SCMP_CMP_LE','value':1}]},"
	  "{'names':['socket'],'verdict':'deny','errno':'EPROTO','live':false,'args':["
	  "{'index':2,'op':'SCMP_CMP_GT','value':9}]}]}}",
	  false,
	  { { X64, 41, { 1, 4 }, ACT_ERRNO, EACCES, NOTIFY },
	    { X64, 41, { 1, 5 }, ACT_KILL_PROCESS, 0, NOTIFY },
	    { X64, 41, { 0, 4 }, ACT_KILL_PROCESS, 0, NOTIFY },
	    { X64, 41, { 2, 0, 10 }, ACT_ERRNO, EPROTO, ERR(EPROTO) },
	    { X64, 41, { 2, 0, 9 }, ACT_ALLOW, 0, ALLOW },
	    { X64, 41, { 1ULL << 32 | 1, 0, 9 }, ACT_ALLOW, 0, ALLOW } } },
	{ "a rule on a call that x86 multiplexes",
	  DENY "'syscalls':[{'names':['socketcall','ipc','socket','bind','openat2'],"
	       "'action':'SCMP_ACT_ALLOW'}],'warder':{'rules':["
	       "{'names':['bind','shmat'],'verdict':'deny','errno':'EACCES'}]}}",
	  false,
	  { { I386, 361, { 0 }, ACT_ERRNO, EACCES, NOTIFY },
	    { I386, 102, { 2 }, ACT_ERRNO, EACCES, NOTIFY },
	    { I386, 102, { 1 }, ACT_ALLOW, 0, ALLOW },
	    { I386, 117, { 21 }, ACT_ERRNO, EACCES, NOTIFY },
	    { I386, 117, { 21 | 1 << 16 }, ACT_ERRNO, EACCES, NOTIFY },
	    { I386, 117, { 22 }, ACT_ALLOW, 0, ALLOW },
	    { X64, 49, { 0 }, ACT_ERRNO, EACCES, NOTIFY } } },
	{ "the four and the two",
	  DENY "'syscalls':[{'names':['execve','openat2'],'action':'SCMP_ACT_ALLOW'}]}",
	  false,
	  { { X64, 15, { 0 }, ACT_ERRNO, 1, ALLOW },
	    { X64, 219, { 0 }, ACT_ERRNO, 1, ALLOW },
	    { X64, 60, { 0 }, ACT_ERRNO, 1, ALLOW },
	    { X64, 231, { 0 }, ACT_ERRNO, 1, ALLOW },
	    { X64, 59, { 0 }, ACT_ALLOW, 0, NOTIFY },
	    { X64, 322, { 0 }, ACT_ERRNO, 1, NOTIFY },
	    { I386, 1, { 0 }, ACT_ERRNO, 1, ALLOW },
	    { I386, 119, { 0 }, ACT_ERRNO, 1, NOTIFY }, /* sigreturn: not one of the four */
	    { I386, 173, { 0 }, ACT_ERRNO, 1, ALLOW },
	    { I386, 11, { 0 }, ACT_ALLOW, 0, NOTIFY },
	    { X64, X32(60), { 0 }, ACT_ERRNO, 1, ALLOW },
	    { X64, X32(520), { 0 }, ACT_ALLOW, 0, NOTIFY } } },
	{ "record, with recordSkip",
	  DENY "'syscalls':[{'names':['read','openat2'],'action':'SCMP_ACT_ALLOW'}],"
	       "'warder':{'mode':'record','recordSkip':['getuid']}}",
	  true,
	  { { X64, 0, { 0 }, ACT_ALLOW, 0, NOTIFY },
	    { X64, 102, { 0 }, ACT_ERRNO, 1, ALLOW },
	    { X64, 39, { 0 }, ACT_ERRNO, 1, NOTIFY },
	    { X64, 59, { 0 }, ACT_ERRNO, 1, NOTIFY },
	    { X64, 60, { 0 }, ACT_ERRNO, 1, ALLOW },
	    { I386, 24, { 0 }, ACT_ERRNO, 1, ALLOW },
	    { 0xc00000b7, 1, { 0 }, ACT_KILL_THREAD, 0, NOTIFY } } },
	{ "record, with the default of recordSkip",
	  DENY "'syscalls':[" OPENAT2 "],'warder':{'mode':'record'}}",
	  true,
	  { { X64, 39, { 0 }, ACT_ERRNO, 1, ALLOW },
	    { X64, 437, { 0 }, ACT_ALLOW, 0, NOTIFY },
	    { X64, 500, { 0 }, ACT_ERRNO, 38, NOTIFY } } },
	{ "no architectures: the native one, no ENOSYS tail",
	  "{'defaultAction':'SCMP_ACT_ERRNO','syscalls':[" OPENAT2 "]}",
	  false,
	  { { X64, 437, { 0 }, ACT_ALLOW, 0, ALLOW },
	    { X64, 500, { 0 }, ACT_ERRNO, 1, NOTIFY },
	    { I386, 437, { 0 }, ACT_KILL_THREAD, 0, NOTIFY },
	    { I386, 1, { 0 }, ACT_KILL_THREAD, 0, NOTIFY } } },
};

static char *with_quotes(const char *text)
{
	char *copy = strdup(text);

	assert_non_null(copy);
	for (char *at = copy; *at; at++)
		if (*at == '\'')
			*at = '"';
	return copy;
}

static void check_row(const struct sheet *sheet, const struct subject *s, size_t index)
{
	const struct row *row = &sheet->rows[index];
	struct seccomp_data call = { .arch = row->arch, .nr = row->nr };
	struct verdict v;
	uint32_t gate;

	for (size_t i = 0; i < ARRAY_LEN(row->arg); i++)
		call.args[i] = row->arg[i];
	v = decide(s->d, &call);
	gate = bpf_run(&s->f.gate, &call, NULL);
	if (v.act != row->act || v.errnum != row->errnum || gate != row->gate)
		fail_msg("%s, row %zu: act %d errno %d gate 0x%x (%s)", sheet->what, index, v.act,
			 v.errnum, gate, decide_why(s->d, v));
}

static void test_sheets(void **state)
{
	size_t rows = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sheets); i++) {
		auto_free char *text = with_quotes(sheets[i].text);
		struct subject s;
		struct err e;

		if (subject_parse(&s, text, sheets[i].record, &e))
			fail_msg("%s: %s", sheets[i].what, e.msg);
		for (size_t k = 0; sheets[i].rows[k].arch; k++, rows++)
			check_row(&sheets[i], &s, k);
		subject_fini(&s);
	}
	print_message("%zu rows of %zu policies\n", rows, ARRAY_LEN(sheets));
}

/* What libseccomp, and so runc, refuses: two actions for the same conditions; and with x86, where
 * socketcall's arguments cannot be seen, for one multiplexed call. */
static void test_refused(void **state)
{
	static const char *const texts[] = {
		DENY "'syscalls':[{'names':['ioctl'],'action':'SCMP_ACT_ALLOW','args':["
		     "{'index':0,'op':'SCMP_CMP_EQ','value':1}]},"
		     "{'names':['ioctl'],'action':'SCMP_ACT_LOG','args':["
		     "{'index':0,'op':'SCMP_CMP_EQ','value':1}]}]}",
		DENY "'syscalls':[{'names':['socket'],'action':'SCMP_ACT_ALLOW','args':["
		     "{'index':0,'op':'SCMP_CMP_EQ','value':1}]},"
		     "{'names':['socket'],'action':'SCMP_ACT_LOG','args':["
		     "{'index':0,'op':'SCMP_CMP_EQ','value':2}]}]}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		auto_free char *text = with_quotes(texts[i]);
		struct subject s;
		struct err e;

		assert_int_equal(subject_parse(&s, text, false, &e), -EINVAL);
		assert_non_null(strstr(e.msg, "syscalls[1] ("));
		subject_fini(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sheets),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests_name("rows", tests, NULL, NULL);
}
