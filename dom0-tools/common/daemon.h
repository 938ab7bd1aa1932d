/* SPDX-License-Identifier: MIT */
/*
 * How a daemon of dom0 comes up. It is started in the foreground, opens what it can, goes behind, and says when it serves;
 * only then does the command that started it end, with status 0. If it dies before, that command says so, with status 1.
 */
#ifndef COMMON_DAEMON_H
#define COMMON_DAEMON_H

#include <stdbool.h>

/*
 * Forks. Returns in the child alone, which is in a session of its own, in the folder / with umask 022: the descriptor for
 * daemon_serves(). The parent waits for that and ends; with @print_pid it prints the child's number first.
 * What goes wrong is one sentence on stderr behind "@program: ", and the end.
 */
int daemon_behind(const char *program, bool print_pid);
/* Points stdin, stdout, and stderr without @keep_errors, to /dev/null. */
void daemon_silence(bool keep_errors);
/* Tells who started the daemon that it serves, and closes @ready. False if nobody is there to hear it; no harm is in that. */
bool daemon_serves(int ready);

#endif
