// SPDX-License-Identifier: MIT
/* xl console on its own, for the tests: xlconsole DOMID; "xlconsole -f DOMID" forks it as xl create -c does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include "../../../dom0-tools/xl/console.h"

int main(int argc, char **argv)
{
	int status;
	pid_t pid;

	if (argc == 2)
		return console_run(atoi(argv[1]), CONSOLE_PV, 0, -1);
	if (argc != 3 || strcmp(argv[1], "-f"))
		return 2;
	pid = console_start(atoi(argv[2]));
	fprintf(stderr, "started\n");
	return pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ? 3 : WEXITSTATUS(status);
}
