/* SPDX-License-Identifier: Apache-2.0 */
/* replay.c - main() of a fuzz target that is fed from files: one TAP line for each. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
	static uint8_t data[4 << 20];
	FILE *f = fopen(path, "rb");
	size_t n;

	if (!f)
		return 1;
	n = fread(data, 1, sizeof data, f);
	fclose(f);
	return LLVMFuzzerTestOneInput(data, n);
}

int main(int argc, char **argv)
{
	int bad = 0;

	printf("1..%d\n", argc - 1);
	for (int i = 1; i < argc; i++) {
		int r = replay(argv[i]);

		printf("%s %d - %s\n", r ? "not ok" : "ok", i, argv[i]);
		fflush(stdout);
		bad |= r;
	}
	return bad;
}
