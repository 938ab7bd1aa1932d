// SPDX-License-Identifier: MIT
/*
 * Uses each function of libxenstore and prints what came: a test runs it with our library and with Debian's and
 * compares. Compiled against include/xenstore.h.
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xenstore.h>

#define THREADS 4
#define ROUNDS 60

static struct xs_handle *h;

static void said(const char *what, bool good)
{
	printf("%s: %s\n", what, good ? "good" : strerrordesc_np(errno));
}

static void values(void)
{
	unsigned int len = 77;
	char *p;

	said("write", xs_write(h, XBT_NULL, "/lib/a", "va\0lue", 6));
	p = xs_read(h, XBT_NULL, "/lib/a", &len);
	printf("read: %u %d %d\n", len, memcmp(p, "va\0lue", 6), p[6]);
	free(p);
	said("read none", xs_read(h, XBT_NULL, "/lib/none", &len));
	said("mkdir", xs_mkdir(h, XBT_NULL, "/lib/dir"));
	said("write nothing", xs_write(h, XBT_NULL, "/lib/empty", "", 0));
	p = xs_read(h, XBT_NULL, "/lib/empty", NULL);
	printf("empty: %s\n", p ? p : "NULL");
	free(p);
	said("too long", xs_write(h, XBT_NULL, "/lib/a", (char[5000]){ 0 }, 5000));
	said("bad path", xs_write(h, XBT_NULL, "/lib a", "", 0));
	said("rm", xs_rm(h, XBT_NULL, "/lib/dir"));
	said("rm nothing", xs_rm(h, XBT_NULL, "/none/none"));
	said("restrict", xs_restrict(h, 1) || (errno = 0));
}

static void directories(void)
{
	unsigned int n = 0;
	char path[64], **names;

	names = xs_directory(h, XBT_NULL, "/lib", &n);
	for (unsigned int i = 0; i < n; i++)
		printf("child %s\n", names[i]);
	free(names);
	names = xs_directory(h, XBT_NULL, "/lib/a", &n);
	printf("no children: %d %u\n", !!names, n);
	free(names);
	said("no directory", xs_directory(h, XBT_NULL, "/lib/none", &n));
	for (int i = 0; i < 800; i++) {
		snprintf(path, sizeof(path), "/lib/many/child%d", i);
		xs_mkdir(h, XBT_NULL, path);
	}
	names = xs_directory(h, XBT_NULL, "/lib/many", &n);
	printf("many: %u %s %s\n", n, names[0], names[n - 1]);
	free(names);
}

static void permissions(void)
{
	struct xs_permissions set[] = { { 0, XS_PERM_NONE }, { 3, XS_PERM_READ }, { 4, XS_PERM_READ | XS_PERM_WRITE } };
	struct xs_permissions odd = { 1, XS_PERM_OWNER }, parsed[2] = { { 9, 9 }, { 9, 9 } }, *got;
	unsigned int n = 0;

	said("set permissions", xs_set_permissions(h, XBT_NULL, "/lib/a", set, 3));
	said("odd permissions", xs_set_permissions(h, XBT_NULL, "/lib/a", &odd, 1));
	got = xs_get_permissions(h, XBT_NULL, "/lib/a", &n);
	for (unsigned int i = 0; i < n; i++)
		printf("permission %u %u\n", got[i].id, got[i].perms);
	free(got);
	said("strings", xs_strings_to_perms(parsed, 2, "r5\0w6"));
	printf("%u %u %u %u\n", parsed[0].id, parsed[0].perms, parsed[1].id, parsed[1].perms);
	said("bad strings", xs_strings_to_perms(parsed, 2, "r5\0x6"));
}

static void print_event(char **event)
{
	if (event)
		printf("event %s %s\n", event[XS_WATCH_PATH], event[XS_WATCH_TOKEN]);
	else
		printf("no event: %s\n", strerrordesc_np(errno));
	free(event);
}

static void watches(void)
{
	struct xs_handle *filtered = xs_open(XS_UNWATCH_FILTER);
	struct pollfd p = { .fd = xs_fileno(h), .events = POLLIN };
	unsigned int n = 0;

	print_event(xs_check_watch(h));
	said("watch", xs_watch(h, "/lib/w", "token"));
	said("poll", poll(&p, 1, 60000) == 1);
	print_event(xs_read_watch(h, &n));
	printf("%u\n", n);
	printf("poll empty %d\n", poll(&p, 1, 0));
	xs_write(h, XBT_NULL, "/lib/w/x", "1", 1);
	xs_write(h, XBT_NULL, "/lib/w/y", "1", 1);
	print_event(xs_read_watch(h, &n));
	said("poll again", poll(&p, 1, 60000) == 1);
	print_event(xs_check_watch(h));
	print_event(xs_check_watch(h));
	said("same again", xs_watch(h, "/lib/w", "token"));
	said("unwatch", xs_unwatch(h, "/lib/w", "token"));
	said("unwatch again", xs_unwatch(h, "/lib/w", "token"));

	xs_watch(filtered, "/lib/f", "one");
	xs_watch(filtered, "/lib/f", "two");
	xs_write(filtered, XBT_NULL, "/lib/f/x", "1", 1);
	xs_unwatch(filtered, "/lib/f", "one");
	print_event(xs_read_watch(filtered, &n));
	print_event(xs_read_watch(filtered, &n));
	print_event(xs_check_watch(filtered));
	xs_close(filtered);
}

static void *count_up(void *arg)
{
	unsigned int len;

	for (int i = 0; i < ROUNDS; i++) {
		xs_transaction_t t;
		char text[16], *p;

		do {
			t = xs_transaction_start(h);
			p = xs_read(h, t, "/lib/count", &len);
			snprintf(text, sizeof(text), "%d", atoi(p) + 1);
			free(p);
			xs_write(h, t, "/lib/count", text, strlen(text));
		} while (!xs_transaction_end(h, t, false) && errno == EAGAIN);
	}
	return NULL;
}

static void threads(void)
{
	pthread_t t[THREADS];
	char *p;

	xs_write(h, XBT_NULL, "/lib/count", "0", 1);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, count_up, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	p = xs_read(h, XBT_NULL, "/lib/count", NULL);
	printf("counted %s\n", p);
	free(p);
	said("end of none", xs_transaction_end(h, 999, true));
}

static void domains(void)
{
	char *p = xs_get_domain_path(h, 7);

	printf("%s\n", p);
	free(p);
	printf("introduced %d %d\n", xs_is_domain_introduced(h, 0), xs_is_domain_introduced(h, 6));
	said("introduce", xs_introduce_domain(h, 6, 1, 1));
	printf("introduced %d\n", xs_is_domain_introduced(h, 6));
	said("target", xs_set_target(h, 6, 0));
	said("resume", xs_resume_domain(h, 6));
	said("release", xs_release_domain(h, 6));
	said("release again", xs_release_domain(h, 6));
	printf("suspend port %d\n", xs_suspend_evtchn_port(6));
	xs_write(h, XBT_NULL, "/local/domain/6/device/suspend/event-channel", "42", 2);
	printf("suspend port %d\n", xs_suspend_evtchn_port(6));
	p = xs_control_command(h, "print", (char[]){ "hello" }, 6);
	printf("control %s\n", p);
	free(p);
	said("control", xs_debug_command(h, "nonsense", NULL, 0));
}

static void small_things(void)
{
	static const char *const pairs[][2] = {
		{ "/a", "/a" }, { "/a", "/a/b" }, { "/a", "/ab" }, { "/a/b", "/a" }, { "a", "a/b" }, { "/", "/" },
	};
	int ends[2];
	pid_t pid;

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		printf("subpath %s %s %d\n", pairs[i][0], pairs[i][1], xs_path_is_subpath(pairs[i][0], pairs[i][1]));
	printf("%d\n", !strcmp(xs_daemon_rundir(), getenv("XENSTORED_RUNDIR")));
	printf("%d\n", !strncmp(xs_daemon_socket(), xs_daemon_rundir(), strlen(xs_daemon_rundir())));
	if (!pipe(ends))
		printf("write_all %d\n", xs_write_all(ends[1], "abc", 3));
	fflush(stdout);
	pid = fork();
	if (!pid) {
		xs_daemon_destroy_postfork(h);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	said("parent goes on", xs_write(h, XBT_NULL, "/lib/after", "1", 1));
}

int main(void)
{
	h = xs_open(0);
	said("open", h);
	if (!h)
		return 1;
	values();
	directories();
	permissions();
	watches();
	threads();
	domains();
	small_things();
	xs_close(h);
	h = xs_daemon_open();
	said("daemon_open", h);
	xs_daemon_close(h);
	h = xs_domain_open();
	said("domain_open", h);
	xs_daemon_close(h);
	h = xs_daemon_open_readonly();
	said("open_readonly", h);
	xs_close(h);
	xs_close(NULL);
	return 0;
}
