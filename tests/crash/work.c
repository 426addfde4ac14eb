/* SPDX-License-Identifier: Apache-2.0 */
/* work.c - what runs in the container of the crash test: millions of calls, each result checked.
 *
 *	work THREADS CALLS
 *
 * CALLS 0: until /tmp/stop is there. getppid(k) must fail with errno k + 1 (k 0..15: a rule each),
 *getpgid(0) must succeed with the one right value (a notified call that is allowed), in this order,
 *again and again. A call that takes more than 10 s counts as hung. Prints "denied=N allowed=N
 *wrong=N hung=N slowest_ms=N". */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Atomic long denied, allowed, wrong, hung, slowest_ns;
static long calls, right;

static long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void took(long ns)
{
	long seen = slowest_ns;

	while (ns > seen && !atomic_compare_exchange_weak(&slowest_ns, &seen, ns))
		continue;
	hung += ns > 10000000000L;
}

static void *work(void *arg)
{
	(void)arg;
	for (long i = 0; calls ? i < calls : (i & 1023) || access("/tmp/stop", F_OK); i++) {
		long k = i % 16, start = now_ns(), r = syscall(SYS_getppid, k);

		took(now_ns() - start);
		denied++;
		wrong += r != -1 || errno != k + 1;
		if (k)
			continue;
		start = now_ns();
		r = syscall(SYS_getpgid, 0);
		took(now_ns() - start);
		allowed++;
		wrong += r != right;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[64];
	int n = argc == 3 ? atoi(argv[1]) : 0;

	if (n < 1 || n > 64)
		return 2;
	calls = atol(argv[2]);
	right = getpgid(0);
	allowed++;
	for (int i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, work, NULL))
			return 2;
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	printf("denied=%ld allowed=%ld wrong=%ld hung=%ld slowest_ms=%ld\n", denied, allowed, wrong,
	       hung, slowest_ns / 1000000);
	return 0;
}
