// SPDX-License-Identifier: MIT
/* xenstore-control: a command for the daemon (check, log, quota ...) and what it answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

/* Exit codes of Xen 4.17's. */
#define CODE_USAGE	2
#define CODE_REFUSED	3

static int refused(struct xs_handle *h, int error)
{
	char *help;

	if (error != EINVAL) {
		fprintf(stderr, "Error %d when trying to execute command.\n", error);
		return CODE_REFUSED;
	}
	fprintf(stderr, "Command not supported. Valid commands are:\n");
	help = xs_control_command(h, "help", NULL, 0);
	fprintf(stderr, "%s\n", help ? help : "help");
	free(help);
	return CODE_REFUSED;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	struct xs_handle *h;
	char *words, *answer;
	size_t len = 0;
	int code = 0;

	if (argc < 2) {
		fprintf(stderr, "Usage:\n%s <command> [<arg>...]\n", slash ? slash + 1 : argv[0]);
		return CODE_USAGE;
	}
	for (int i = 2; i < argc; i++)
		len += strlen(argv[i]) + 1;
	words = malloc(len + 1);
	if (!words) {
		fprintf(stderr, "Allocation error.\n");
		return CODE_USAGE;
	}
	len = 0;
	for (int i = 2; i < argc; i++) {
		strcpy(words + len, argv[i]);
		len += strlen(argv[i]) + 1;
	}
	h = xs_open(0);
	if (!h) {
		fprintf(stderr, "Failed to contact Xenstored.\n");
		free(words);
		return CODE_USAGE;
	}
	answer = xs_control_command(h, argv[1], words, len);
	if (answer)
		puts(answer);
	else
		code = refused(h, errno);
	free(answer);
	free(words);
	xs_close(h);
	return code;
}
