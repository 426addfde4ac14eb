/* SPDX-License-Identifier: Apache-2.0 */
/* own.h - ownership: clean-up by scope, hand-over by name.
 *
 * auto_fd, auto_free, auto_file close or free on every way out of a scope.
 * take_fd() and take_ptr() move a resource out of such a variable, so that
 * who owns it is always visible in the text. */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void own_close(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void own_free(void *p)
{
	free(*(void **)p);
}

static inline void own_fclose(FILE *const *f)
{
	if (*f)
		fclose(*f);
}

#define auto_fd   __attribute__((cleanup(own_close))) int
#define auto_free __attribute__((cleanup(own_free)))
#define auto_file __attribute__((cleanup(own_fclose))) FILE *

static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#define take_ptr(p)                         \
	({                                  \
		__typeof__(p) taken_ = (p); \
		(p) = NULL;                 \
		taken_;                     \
	})

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
