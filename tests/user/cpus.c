// SPDX-License-Identifier: MIT
/*
 * CPUs that go and come: each is taken offline and brought online again through
 * sysfs while processes compute, read clocks and fork. In a PV guest that is a
 * vcpu going down for good and up again with a first context.
 */
#include "tap.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>

static volatile int *stop;

static bool set_online(int cpu, bool on)
{
	char path[64];
	int fd, rc;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", cpu);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return false;
	rc = write(fd, on ? "1" : "0", 1);
	close(fd);
	return rc == 1;
}

/* What each process checks all the time: a computation, the clock, a child. */
static int work(int seed)
{
	struct timespec before, now;
	int bad = 0, status;

	clock_gettime(CLOCK_MONOTONIC, &before);
	while (!*stop) {
		double x = seed;
		pid_t pid;

		for (int i = 0; i < 20000; i++)
			x = x * 1.0000001 + 1.0;
		clock_gettime(CLOCK_MONOTONIC, &now);
		bad += now.tv_sec < before.tv_sec || (now.tv_sec == before.tv_sec && now.tv_nsec < before.tv_nsec);
		before = now;
		pid = fork();
		if (pid == 0)
			_exit(x > seed ? 3 : 4);
		bad += pid < 0 || waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 3;
	}
	return bad;
}

int main(void)
{
	int cpus = nr_cpus_online(), status, bad = 0;
	pid_t pid[4];

	stop = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	note("%d CPUs", cpus);
	if (cpus < 2) {
		skip("CPUs go offline and come back", "there is one CPU");
		return tap_end();
	}
	for (int i = 0; i < 4; i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			_exit(work(i + 1) != 0);
	}
	for (int round = 0; round < 3; round++) {
		for (int cpu = 1; cpu < cpus; cpu++) {
			bad += !set_online(cpu, false);
			bad += nr_cpus_online() != cpus - 1 || run_on(cpu);
			bad += !set_online(cpu, true);
			bad += nr_cpus_online() != cpus || !run_on(cpu) || sched_getcpu() != cpu;
			run_on(0);
		}
	}
	ok(!bad, "each of %d CPUs goes offline and comes back, 3 times", cpus - 1);
	for (int cpu = 1; cpu < cpus; cpu++)
		bad += !set_online(cpu, false);
	ok(!bad && nr_cpus_online() == 1, "all but one are offline");
	for (int cpu = 1; cpu < cpus; cpu++)
		bad += !set_online(cpu, true);
	ok(!bad && nr_cpus_online() == cpus, "all are online again");
	*stop = 1;
	for (int i = 0; i < 4; i++)
		bad += waitpid(pid[i], &status, 0) != pid[i] || status;
	ok(!bad, "the processes meanwhile noticed nothing");
	return tap_end();
}
