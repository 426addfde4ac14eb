/* SPDX-License-Identifier: Apache-2.0 */
/* profile.c - warder profile: the table of its verbs. */
#include "cli.h"

static const struct cli_verb verbs[] = {
	{ "merge", cli_profile_merge, "what any of several profiles allows" },
	{ "intersect", cli_profile_intersect, "what all of several profiles allow" },
	{ "diff", cli_profile_diff, "the calls that two profiles answer differently" },
	{ "covers", cli_profile_covers, "does one allow all that another allows?" },
	{ "lint", cli_profile_lint, "what in a profile is wrong, or not as it looks" },
	{ "loaded", cli_profile_loaded, "against the filters loaded in a process" },
	{ "convert", cli_profile_convert, "in another form: OCI, Docker, Podman, SeccompProfile" },
	{ "from-strace", cli_profile_from_strace, "from the output of strace" },
	{ "from-audit", cli_profile_from_audit, "from seccomp records of the audit log or dmesg" },
	{ 0 },
};

int cli_profile(int argc, char **argv)
{
	const struct cli_table table = {
		.program = "warder profile",
		.purpose = "Combine, compare, convert and make seccomp profiles. Nothing is "
			   "installed.",
		.verbs = verbs,
		.tail = "Examples:\n"
			"  warder profile merge -o web.json monday.json tuesday.json\n"
			"  warder profile diff docker-default.json web.json\n"
			"  warder profile convert --format spo --name web web.json\n",
	};

	return cli_dispatch(&table, argc, argv);
}
