// SPDX-License-Identifier: MIT
/*
 * xenstore and its eight names: xenstore-read, -write, -rm, -exists, -list, -ls, -chmod, -watch. Options, output and
 * exit codes are Xen 4.17's, byte for byte, since scripts depend on them; docs/man/xenstore.1 tells what each does.
 *
 * All but ls and watch do their work in one transaction, again from its beginning if it met a conflict; so what they
 * print waits until it has ended.
 */
#include <err.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <xenstore.h>
#include "text.h"

enum mode { MODE_READ, MODE_WRITE, MODE_RM, MODE_EXISTS, MODE_LIST, MODE_LS, MODE_CHMOD, MODE_WATCH, MODES };

/* letters: the options that it takes besides -h and -s */
static const struct {
	const char *name, *letters, *usage;
} modes[MODES] = {
	[MODE_READ] = { "read", "pR", "[-h] [-p] [-s] [-R] key [...]" },
	[MODE_WRITE] = { "write", "R", "[-h] [-s] [-R] key value [...]" },
	[MODE_RM] = { "rm", "t", "[-h] [-s] [-t] key [...]" },
	[MODE_EXISTS] = { "exists", "", "[-h] [-p] [-s] key [...]" },
	[MODE_LIST] = { "list", "p", "[-h] [-p] [-s] key [...]" },
	[MODE_LS] = { "ls", "fp", "[-h] [-f] [-p] [-s] [path]" },
	[MODE_CHMOD] = { "chmod", "ur", "[-h] [-u] [-r] [-s] key <mode [modes...]>" },
	[MODE_WATCH] = { "watch", "n", "[-h] [-n NR] key" },
};

static struct {
	bool prefix, flat, tidy, upward, recurse, raw;
	int events;			/* -n, negative: no end */
} opt = { .events = -1 };

static struct xs_handle *xsh;
static xs_transaction_t xth;
static const char *program;
static bool by_word;			/* called as xenstore MODE */

static void usage(enum mode m) __attribute__((noreturn));
static void usage(enum mode m)
{
	errx(1, "Usage: %s %s%s%s", program, by_word ? modes[m].name : "", by_word ? " " : "", modes[m].usage);
}

/* --- what is printed when the transaction has ended --- */

static char *output;
static size_t output_len, output_room;

static void print_bytes(const char *data, size_t len)
{
	if (output_room - output_len < len) {
		output_room = (output_len + len) * 2;
		output = realloc(output, output_room);
		if (!output)
			err(1, "malloc");
	}
	memcpy(output + output_len, data, len);
	output_len += len;
}

static void print_text(const char *text)
{
	print_bytes(text, strlen(text));
}

/* --- ls --- */

#define TAG_LEN 8			/* of ` = "..."` */
#define COLUMN_PERMS 60

static int width = 80, perms_column = COLUMN_PERMS;

static void show_perms(const char *path, const char *name)
{
	static const char letters[] = "nrwb";
	unsigned int count;
	struct xs_permissions *perms = xs_get_permissions(xsh, XBT_NULL, path, &count);

	if (!perms) {
		warn("\ncould not access permissions for %s", name);
		return;
	}
	printf("  (");
	for (unsigned int i = 0; i < count; i++)
		printf("%s%c%u", i ? "," : "", letters[perms[i].perms & 3], perms[i].id);
	putchar(')');
	free(perms);
}

/* ` = "value"`, cut to what fits behind @column characters, with dots up to the permissions. */
static void show_value(const char *path, int column)
{
	unsigned int len;
	char *value = xs_read(xsh, XBT_NULL, path, &len);

	if (!value) {
		printf(":\n");
		return;
	}
	if ((size_t)width < column + len + TAG_LEN) {
		printf(" = \"%.*s\\...\"", width - TAG_LEN - column, text_escape(value, len));
	} else {
		column += printf(" = \"%s\"", text_escape(value, len));
		if (opt.prefix) {
			int stop = perms_column < width ? perms_column : width;

			putchar(' ');
			for (column++; column < stop; column++)
				putchar(column & 1 ? '.' : ' ');
		}
	}
	free(value);
}

static void ls(const char *path, int depth)
{
	unsigned int count;
	char **names = xs_directory(xsh, XBT_NULL, path, &count), *child;

	if (!names) {
		/* It may go away while we are at it. */
		if (depth && errno == ENOENT)
			return;
		err(1, "xs_directory (%s)", path);
	}
	for (unsigned int i = 0; i < count; i++) {
		int column = 0;

		if (asprintf(&child, "%s%s%s", path, path[strlen(path) - 1] == '/' ? "" : "/", names[i]) < 0)
			err(1, "malloc in do_ls");
		if (opt.flat)
			fputs(child, stdout);
		else
			column = printf("%*s%.*s", depth, "", width - TAG_LEN - depth, names[i]);
		show_value(child, column);
		if (opt.prefix)
			show_perms(child, names[i]);
		putchar('\n');
		ls(child, depth + 1);
		free(child);
	}
	free(names);
}

/* --- chmod --- */

static void set_perms(const char *path, struct xs_permissions *perms, unsigned int count)
{
	if (!xs_set_permissions(xsh, xth, path, perms, count))
		err(1, "Error occurred setting permissions on '%s'", path);
}

static void chmod_tree(const char *path, struct xs_permissions *perms, unsigned int count)
{
	unsigned int n;
	char **names, *child;

	set_perms(path, perms, count);
	if (!opt.recurse)
		return;
	names = xs_directory(xsh, xth, path, &n);
	if (!names) {
		if (errno == ENOENT)
			return;
		err(1, "xs_directory (%s)", path);
	}
	for (unsigned int i = 0; i < n; i++) {
		if (asprintf(&child, "%s%s%s", path, path[strlen(path) - 1] == '/' ? "" : "/", names[i]) < 0)
			err(1, "malloc");
		chmod_tree(child, perms, count);
		free(child);
	}
	free(names);
}

static void parse_perm(struct xs_permissions *p, const char *text)
{
	switch (*text) {
	case 'r':
		p->perms = XS_PERM_READ;
		break;
	case 'w':
		p->perms = XS_PERM_WRITE;
		break;
	case 'b':
		p->perms = XS_PERM_READ | XS_PERM_WRITE;
		break;
	case 'n':
		p->perms = XS_PERM_NONE;
		break;
	default:
		errx(1, "Invalid permission specification: '%c'", *text);
	}
	p->id = *text ? strtol(text + 1, NULL, 10) : 0;
}

static void run_chmod(int argc, char **argv)
{
	struct xs_permissions *perms = calloc(argc, sizeof(*perms));
	char *path = strdup(argv[0]), *slash;

	if (!perms || !path)
		err(1, "malloc");
	for (int i = 1; i < argc; i++)
		parse_perm(&perms[i - 1], argv[i]);
	chmod_tree(path, perms, argc - 1);
	while (opt.upward && (slash = strrchr(path, '/')) && slash != path) {
		*slash = 0;
		set_perms(path, perms, argc - 1);
	}
	free(path);
	free(perms);
}

/* --- the others; each returns the exit code, or -1 with errno for "once more" --- */

static int run_read(char **argv)
{
	for (; *argv; argv++) {
		unsigned int len;
		char *value = xs_read(xsh, xth, *argv, &len);

		if (!value) {
			warnx("couldn't read path %s", *argv);
			return 1;
		}
		if (opt.prefix) {
			print_text(*argv);
			print_text(": ");
		}
		if (opt.raw) {
			print_bytes(value, len);
		} else {
			print_text(text_escape(value, len));
			print_text("\n");
		}
		free(value);
	}
	return 0;
}

static int run_write(char **argv)
{
	for (; *argv; argv += 2) {
		char *value = strdup(argv[1]);
		size_t len;
		bool good;

		if (!value)
			err(1, "malloc");
		len = opt.raw ? strlen(value) : text_unescape(value);
		good = xs_write(xsh, xth, *argv, value, len);
		free(value);
		if (!good) {
			warnx("could not write path %s", *argv);
			return 1;
		}
	}
	return 0;
}

/* -t: the parents too, as long as nothing else is in them and they have no value. */
static void tidy(char *path)
{
	char *slash;

	while ((slash = strrchr(path, '/')) && slash != path) {
		unsigned int count, len = 0;
		char **names, *value;

		*slash = 0;
		value = xs_read(xsh, xth, path, &len);
		names = xs_directory(xsh, xth, path, &count);
		if (!value || len || !names || count)
			slash = NULL;
		free(value);
		free(names);
		if (!slash || !xs_rm(xsh, xth, path))
			return;
	}
}

static int run_rm(char **argv)
{
	for (; *argv; argv++) {
		char *path = strdup(*argv);

		if (!path)
			err(1, "malloc");
		if (!xs_rm(xsh, xth, path)) {
			warnx("could not remove path %s", path);
			return 1;
		}
		if (opt.tidy)
			tidy(path);
		free(path);
	}
	return 0;
}

static int run_exists(char **argv)
{
	for (; *argv; argv++) {
		char *value = xs_read(xsh, xth, *argv, NULL);

		if (!value)
			return 1;
		free(value);
	}
	return 0;
}

static int run_list(char **argv)
{
	for (; *argv; argv++) {
		unsigned int count;
		char **names = xs_directory(xsh, xth, *argv, &count);

		if (!names) {
			warnx("could not list path %s", *argv);
			return 1;
		}
		for (unsigned int i = 0; i < count; i++) {
			if (opt.prefix) {
				print_text(*argv);
				print_text("/");
			}
			print_text(names[i]);
			print_text("\n");
		}
		free(names);
	}
	return 0;
}

static void run_watch(char **argv)
{
	for (; *argv; argv++)
		if (!xs_watch(xsh, *argv, *argv))
			errx(1, "Unable to add watch on %s\n", *argv);
	for (int i = 0; opt.events < 0 || i < opt.events; i++) {
		unsigned int num;
		char **event = xs_read_watch(xsh, &num);

		if (!event)
			continue;
		puts(event[XS_WATCH_PATH]);
		fflush(stdout);
		free(event);
	}
}

static int run_once(enum mode m, int argc, char **argv)
{
	switch (m) {
	case MODE_READ:
		return run_read(argv);
	case MODE_WRITE:
		return run_write(argv);
	case MODE_RM:
		return run_rm(argv);
	case MODE_EXISTS:
		return run_exists(argv);
	case MODE_LIST:
		return run_list(argv);
	default:
		run_chmod(argc, argv);
		return 0;
	}
}

static int run_in_transaction(enum mode m, int argc, char **argv)
{
	int code;

	for (;;) {
		output_len = 0;
		xth = xs_transaction_start(xsh);
		if (xth == XBT_NULL)
			errx(1, "couldn't start transaction");
		code = run_once(m, argc, argv);
		if (xs_transaction_end(xsh, xth, code))
			break;
		if (code || errno != EAGAIN)
			errx(1, "couldn't end transaction");
	}
	if (output_len)
		fwrite(output, 1, output_len, stdout);
	return code;
}

static void parse(enum mode m, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "help", 0, NULL, 'h' }, { "flat", 0, NULL, 'f' }, { "prefix", 0, NULL, 'p' },
		{ "tidy", 0, NULL, 't' }, { "upto", 0, NULL, 'u' }, { "recurse", 0, NULL, 'r' },
		{ "number", 1, NULL, 'n' }, { "raw", 0, NULL, 'R' }, { NULL, 0, NULL, 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, "hfspturn:R", longs, NULL)) != -1) {
		if (c == '?' || c == 's')
			continue;
		if (c == 'h' || !strchr(modes[m].letters, c))
			usage(m);
		opt.flat |= c == 'f';
		opt.prefix |= c == 'p';
		opt.tidy |= c == 't';
		opt.upward |= c == 'u';
		opt.recurse |= c == 'r';
		opt.raw |= c == 'R';
		if (c == 'n')
			opt.events = atoi(optarg);
	}
	if (m == MODE_LS)
		return;
	if (optind == argc || (m == MODE_WRITE && (argc - optind) % 2))
		usage(m);
}

/* The mode, of the program's name or of its first argument, which is then taken away. */
static enum mode find_mode(int *argc, char ***argv)
{
	const char *dash = strstr(program, "xenstore-"), *name = NULL;

	if (dash) {
		name = strrchr(program, '/') ? strrchr(program, '/') + 1 : program;
		name = strncmp(name, "xenstore-", 9) ? NULL : name + 9;
	}
	if (!name) {
		if (*argc < 2)
			errx(1, "Usage: %s <mode> [-h] [...]", program);
		name = (*argv)[1];
		(*argc)--;
		(*argv)++;
		by_word = true;
	}
	for (enum mode m = 0; m < MODES; m++)
		if (!strcmp(modes[m].name, name))
			return m;
	errx(1, "unknown mode %s\n", name);
}

int main(int argc, char **argv)
{
	struct winsize size;
	enum mode m;

	program = argv[0];
	m = find_mode(&argc, &argv);
	parse(m, argc, argv);
	argc -= optind;
	argv += optind;
	if (m == MODE_LS) {
		if (opt.flat) {
			width = INT_MAX / 2;
			perms_column = 0;
		}
		if (!ioctl(1, TIOCGWINSZ, &size) && size.ws_col > TAG_LEN) {
			width = size.ws_col - 2;
		}
	}
	xsh = xs_open(0);
	if (!xsh)
		err(1, "xs_open");
	if (m == MODE_WATCH) {
		run_watch(argv);
	} else if (m == MODE_LS) {
		if (!argc)
			ls("/", 0);
		for (; *argv; argv++)
			ls(*argv, 0);
	} else {
		int code = run_in_transaction(m, argc, argv);

		xs_close(xsh);
		return code;
	}
	xs_close(xsh);
	return 0;
}
