// SPDX-License-Identifier: MIT
/*
 * A worker's rights, given up one after the other: what is asked of the kernel after this is what worker.h lists, and the
 * rest kills the worker, which costs its own device alone. In this order, for each step needs rights that the next takes:
 *
 * 1. an empty root folder;
 * 2. its own user without groups, so without capabilities; no new privileges; the end together with the keeper;
 * 3. limits: no core, no more descriptors, few processes (the kernel's own I/O threads count);
 * 4. the filter, for all threads that there are, and no more can be made. Calls whose answer does not depend on arguments
 *    come first: the kernel keeps a table of those.
 */
#include <errno.h>
#include <grp.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "worker.h"

#define PROCESSES	64

static void limit(int what, rlim_t most)
{
	struct rlimit r = { most, most };

	if (setrlimit(what, &r))
		worker_die("the worker can't limit itself: %m");
}

static void filter(const struct worker_rule *more, unsigned int count)
{
	static const struct worker_rule all[] = {
		{ SCMP_SYS(read), -1 }, { SCMP_SYS(write), -1 }, { SCMP_SYS(sendto), -1 }, { SCMP_SYS(recvfrom), -1 },
		{ SCMP_SYS(poll), -1 }, { SCMP_SYS(ppoll), -1 }, { SCMP_SYS(munmap), -1 }, { SCMP_SYS(exit_group), -1 },
		{ SCMP_SYS(clock_gettime), -1 }, { SCMP_SYS(restart_syscall), -1 }, { SCMP_SYS(rt_sigreturn), -1 },
		{ SCMP_SYS(brk), -1 }, { SCMP_SYS(madvise), -1 }, { SCMP_SYS(getpid), -1 },
#ifdef FAULT_POINTS
		{ SCMP_SYS(kill), -1 },
#endif
	};
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
	/* For all threads that there are. */
	int err = f ? seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1) : -ENOMEM;

	for (unsigned int i = 0; !err && i < sizeof(all) / sizeof(all[0]); i++)
		err = seccomp_rule_add(f, SCMP_ACT_ALLOW, all[i].call, 0);
	/* No memory that can be executed. */
	if (!err)
		err = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, 4, 0));
	if (!err)
		err = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 2, SCMP_A0(SCMP_CMP_EQ, FD_EVENTS),
				       SCMP_A1(SCMP_CMP_EQ, EVTCHN_NOTIFY));
	for (unsigned int i = 0; !err && i < count; i++)
		err = more[i].second < 0 ? seccomp_rule_add(f, SCMP_ACT_ALLOW, more[i].call, 0) :
		      seccomp_rule_add(f, SCMP_ACT_ALLOW, more[i].call, 1, SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)more[i].second));
	if (!err)
		err = seccomp_load(f);
	if (err)
		worker_die("the worker's filter of system calls can't be set: %s", strerror(-err));
	seccomp_release(f);
}

void worker_leave(uint32_t uid, const char *root)
{
	char byte;

	if (chroot(root) || chdir("/"))
		worker_die("the worker can't go to its empty folder %s: %m", root);
	if (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
		worker_die("the worker can't become user %u: %m", uid);
	prctl(PR_SET_DUMPABLE, 0);
	/* The change of user has undone this; and if the keeper died meanwhile, its end of the socket is closed. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || recv(FD_CONTROL, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
		_exit(4);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		worker_die("the worker can't renounce privileges: %m");
}

void worker_sandbox(const struct worker_rule *more, unsigned int count, size_t memory_most)
{
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_NPROC, PROCESSES);
	limit(RLIMIT_NOFILE, FD_OWN + WORKER_OWN_FDS);
	if (memory_most)
		limit(RLIMIT_AS, memory_most);
	filter(more, count);
}
