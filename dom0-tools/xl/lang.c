// SPDX-License-Identifier: MIT
/*
 * The language of the configuration files. A text is a row of statements, apart by newlines or semicolons:
 *
 *	key = value		key: a lower-case letter, then letters, digits, '_', '.'
 *	key += value		text joins to text, list to list
 *
 * A value is a string in single or double quotes with C's escapes, a number (a digit, then digits, a-f, x), or a list
 * in brackets, in which newlines and a last comma may be; '#' starts a comment. What xl of 4.17 reads is read here with
 * the same meaning; besides, a carriage return is white space.
 *
 *  1. The text is never written, and nothing behind its end is looked at: it need not end with a zero.
 *  2. A statement that is wrong gives one report and assigns nothing; reading goes on after the line.
 *  3. Lists nest at most LANG_DEPTH deep, so the parser's stack is bounded.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lang.h"

#define LANG_DEPTH	16
#define LANG_ERRORS	20

struct cursor {
	struct lang *l;
	const char *file;
	const char *p, *end;
	const char *line_start;
	unsigned int line;
	const char *key;		/* of the statement, for reports; NULL at its start */
};

static void *must(void *p)
{
	if (!p) {
		fputs("xl: no memory\n", stderr);
		abort();
	}
	return p;
}

void lang_where(const struct lang_value *v, const char *key, char *buf, size_t size)
{
	snprintf(buf, size, "%s:%u:%u: %s", v->file, v->line, v->column, key);
}

void lang_say(struct lang *l, bool is_error, const struct lang_value *v, const char *key, const char *format, ...)
{
	char line[1024];
	int n = 0;
	va_list ap;

	if (is_error)
		l->nr_errors++;
	if (v)
		n = snprintf(line, sizeof(line), "%s:%u:%u: ", v->file, v->line, v->column);
	if (key && n >= 0 && n < (int)sizeof(line))
		n += snprintf(line + n, sizeof(line) - n, "%s: ", key);
	va_start(ap, format);
	if (n >= 0 && n < (int)sizeof(line))
		vsnprintf(line + n, sizeof(line) - n, format, ap);
	va_end(ap);
	report_line(l->reporter, is_error, line);
}

void lang_init(struct lang *l, const struct reporter *reporter)
{
	memset(l, 0, sizeof(*l));
	l->reporter = reporter;
}

static void value_free(struct lang_value *v)
{
	for (unsigned int i = 0; i < v->nr; i++)
		value_free(&v->items[i]);
	free(v->items);
	free(v->text);
	memset(v, 0, sizeof(*v));
}

void lang_free(struct lang *l)
{
	for (unsigned int i = 0; i < l->nr; i++) {
		value_free(&l->settings[i].value);
		free(l->settings[i].key);
	}
	for (unsigned int i = 0; i < l->nr_files; i++)
		free(l->files[i]);
	free(l->files);
	free(l->settings);
	memset(l, 0, sizeof(*l));
}

/* --- reading ------------------------------------------------------------------------------- */

/* Reports what is wrong at @p; "near" shows some of the text. */
static int wrong(struct cursor *c, const char *p, const char *what)
{
	struct lang_value at = {
		.file = c->file, .line = c->line, .column = p - c->line_start + 1,
	};
	char near[32];
	size_t n = 0;

	while (n < sizeof(near) - 1 && p + n < c->end && p[n] != '\n') {
		near[n] = p[n] >= ' ' && p[n] < 127 ? p[n] : '?';
		n++;
	}
	near[n] = 0;
	if (n)
		lang_say(c->l, true, &at, c->key, "%s, near `%s'", what, near);
	else
		lang_say(c->l, true, &at, c->key, "%s, at the end of the line", what);
	return -EINVAL;
}

static int peek(const struct cursor *c)
{
	return c->p < c->end ? (unsigned char)*c->p : -1;
}

static void newline(struct cursor *c)
{
	c->p++;
	c->line++;
	c->line_start = c->p;
}

/* Skips blanks and a comment; with @lines newlines too. */
static void skip(struct cursor *c, bool lines)
{
	for (;;) {
		int ch = peek(c);

		if (ch == ' ' || ch == '\t' || ch == '\r') {
			c->p++;
		} else if (ch == '#') {
			while (c->p < c->end && *c->p != '\n')
				c->p++;
		} else if (ch == '\n' && lines) {
			newline(c);
		} else {
			return;
		}
	}
}

static int digit(int ch)
{
	if (ch >= '0' && ch <= '9')
		return ch - '0';
	if (ch >= 'a' && ch <= 'f')
		return ch - 'a' + 10;
	if (ch >= 'A' && ch <= 'F')
		return ch - 'A' + 10;
	return 99;
}

/* The character behind a backslash at c->p. */
static int read_escape(struct cursor *c, char *out)
{
	static const char names[] = "abfnrtv'\"\\", values[] = "\a\b\f\n\r\t\v'\"\\";
	const char *start = c->p - 1;
	const char *found;
	int base = 8, digits = 3, n = 0, number = 0;

	if (c->p < c->end && *c->p && (found = strchr(names, *c->p))) {
		*out = values[found - names];
		c->p++;
		return 0;
	}
	if (c->p < c->end && *c->p == 'x') {
		base = 16;
		digits = 2;
		c->p++;
	}
	while (n < digits && c->p < c->end && digit(*c->p) < base) {
		number = number * base + digit(*c->p);
		c->p++;
		n++;
	}
	if (!n || number > 255 || !number)
		return wrong(c, start, "no such escape; there are \\a \\b \\f \\n \\r \\t \\v \\' \\\" \\\\, \\OCTAL and \\xHEX");
	*out = number;
	return 0;
}

static int read_string(struct cursor *c, struct lang_value *v)
{
	const char *start = c->p;
	char quote = *c->p++;
	const char *close = c->p;
	size_t n = 0;

	while (close < c->end && *close != quote && *close != '\n')
		close += *close == '\\' && close + 1 < c->end && close[1] != '\n' ? 2 : 1;
	if (close >= c->end || *close != quote)
		return wrong(c, start, "the quote is not closed on the same line");
	v->text = must(malloc(close - c->p + 1));
	while (c->p < close) {
		char ch = *c->p++;

		if (ch == '\\' && read_escape(c, &ch))
			return -EINVAL;
		if (!ch)
			return wrong(c, c->p - 1, "a string can't hold a zero byte");
		v->text[n++] = ch;
	}
	v->text[n] = 0;
	c->p = close + 1;
	return 0;
}

static int read_value(struct cursor *c, struct lang_value *v, int depth);

static int read_list(struct cursor *c, struct lang_value *v, int depth)
{
	if (depth >= LANG_DEPTH)
		return wrong(c, c->p, "lists are nested too deeply; 16 levels are accepted");
	c->p++;
	for (;;) {
		skip(c, true);
		if (peek(c) == ']') {
			c->p++;
			return 0;
		}
		if ((v->nr & (v->nr - 1)) == 0) {
			unsigned int room = v->nr ? v->nr * 2 : 1;

			v->items = must(realloc(v->items, room * sizeof(*v->items)));
		}
		memset(&v->items[v->nr], 0, sizeof(*v->items));
		v->nr++;
		if (read_value(c, &v->items[v->nr - 1], depth + 1))
			return -EINVAL;
		skip(c, true);
		if (peek(c) == ',')
			c->p++;
		else if (peek(c) != ']')
			return wrong(c, c->p, "after a list's value there has to be `,' or `]'");
	}
}

static int read_value(struct cursor *c, struct lang_value *v, int depth)
{
	const char *start = c->p;
	int ch = peek(c);

	v->file = c->file;
	v->line = c->line;
	v->column = c->p - c->line_start + 1;
	if (ch == '"' || ch == '\'')
		return read_string(c, v);
	if (ch == '[')
		return read_list(c, v, depth);
	if (ch >= '0' && ch <= '9') {
		while ((ch = peek(c)), (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'f') || ch == 'x')
			c->p++;
		v->text = must(strndup(start, c->p - start));
		return 0;
	}
	return wrong(c, start, "no value; accepted are a string in quotes, a number and a [list]");
}

static bool is_key_char(int ch)
{
	return (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '_' || ch == '.';
}

static struct lang_setting *setting_of(struct lang *l, const char *key)
{
	for (unsigned int i = 0; i < l->nr; i++)
		if (!strcmp(l->settings[i].key, key))
			return &l->settings[i];
	return NULL;
}

/* Takes @key and what @v holds. */
static int assign(struct cursor *c, char *key, struct lang_value *v, bool add)
{
	struct lang *l = c->l;
	struct lang_setting *s = setting_of(l, key);

	if (s && add && !s->value.text != !v->text) {
		lang_say(l, true, v, key, "%s; it was set in line %u", v->text ?
			 "a single value can't be added to a list" : "a list can't be added to a single value", s->value.line);
		value_free(v);
		free(key);
		return -EINVAL;
	}
	if (s) {
		free(key);
	} else {
		if (l->nr == l->room) {
			l->room = l->room ? l->room * 2 : 32;
			l->settings = must(realloc(l->settings, l->room * sizeof(*l->settings)));
		}
		s = &l->settings[l->nr++];
		memset(s, 0, sizeof(*s));
		s->key = key;
		add = false;
	}
	if (!add) {
		value_free(&s->value);
		s->value = *v;
	} else if (v->text) {
		size_t n = strlen(s->value.text);

		s->value.text = must(realloc(s->value.text, n + strlen(v->text) + 1));
		strcpy(s->value.text + n, v->text);
		value_free(v);
	} else if (v->nr) {
		unsigned int room = 1;

		/* read_list() counts on room for a power of two. */
		while (room < s->value.nr + v->nr)
			room *= 2;
		s->value.items = must(realloc(s->value.items, room * sizeof(*v->items)));
		memcpy(s->value.items + s->value.nr, v->items, v->nr * sizeof(*v->items));
		s->value.nr += v->nr;
		free(v->items);
	}
	return 0;
}

static int read_statement(struct cursor *c)
{
	const char *start = c->p;
	struct lang_value v = { 0 };
	char *key;
	bool add;
	int rc;

	if (peek(c) < 'a' || peek(c) > 'z')
		return wrong(c, c->p, "a statement is KEY = VALUE, the key in lower case");
	while (is_key_char(peek(c)))
		c->p++;
	key = must(strndup(start, c->p - start));
	c->key = key;
	skip(c, false);
	add = peek(c) == '+' && c->p + 1 < c->end && c->p[1] == '=';
	if (add)
		c->p++;
	rc = peek(c) == '=' ? 0 : wrong(c, c->p, "after a key there has to be `=' or `+='");
	if (!rc) {
		c->p++;
		skip(c, false);
		rc = read_value(c, &v, 0);
	}
	if (!rc) {
		skip(c, false);
		if (c->p < c->end && *c->p != '\n' && *c->p != ';')
			rc = wrong(c, c->p, "there is more behind the value; a statement ends with a newline or `;'");
	}
	if (rc) {
		value_free(&v);
		free(key);
	} else {
		rc = assign(c, key, &v, add);
	}
	c->key = NULL;
	return rc;
}

int lang_read(struct lang *l, const char *file, const char *text, size_t len)
{
	struct cursor c = {
		.l = l, .p = text, .end = text + len, .line_start = text, .line = 1,
	};
	int rc = 0, errors = 0;

	l->files = must(realloc(l->files, (l->nr_files + 1) * sizeof(*l->files)));
	c.file = l->files[l->nr_files++] = must(strdup(file));
	for (;;) {
		skip(&c, true);
		if (c.p >= c.end)
			return rc;
		if (*c.p == ';') {
			c.p++;
			continue;
		}
		if (!read_statement(&c))
			continue;
		rc = -EINVAL;
		if (++errors == LANG_ERRORS)
			return rc;
		while (c.p < c.end && *c.p != '\n')
			c.p++;
	}
}

/* --- asking -------------------------------------------------------------------------------- */

const struct lang_value *lang_find(struct lang *l, const char *key)
{
	struct lang_setting *s = setting_of(l, key);

	if (!s)
		return NULL;
	s->asked = true;
	return &s->value;
}

const struct lang_value *lang_single(struct lang *l, const char *key)
{
	const struct lang_value *v = lang_find(l, key);

	if (v && !v->text) {
		lang_say(l, false, v, key, "a list is ignored here; a single value is accepted");
		return NULL;
	}
	return v;
}

const struct lang_value *lang_list(struct lang *l, const char *key)
{
	const struct lang_value *v = lang_find(l, key);

	if (v && v->text) {
		lang_say(l, false, v, key, "a single value is ignored here; a [list] is accepted");
		return NULL;
	}
	return v;
}

const char *lang_string(struct lang *l, const char *key)
{
	const struct lang_value *v = lang_single(l, key);

	return v ? v->text : NULL;
}

bool lang_text_number(const char *text, long long *number)
{
	char *end;

	errno = 0;
	*number = strtoll(text, &end, 0);
	return end != text && !*end && !errno;
}

bool lang_number(struct lang *l, const char *key, long long low, long long high, long long *number)
{
	const struct lang_value *v = lang_single(l, key);
	long long n;

	if (!v)
		return false;
	if (!lang_text_number(v->text, &n)) {
		lang_say(l, false, v, key, "`%s' is no number and is ignored; %lld to %lld is accepted", v->text, low, high);
		return false;
	}
	if (n < low || n > high) {
		lang_say(l, false, v, key, "%lld is ignored; %lld to %lld is accepted", n, low, high);
		return false;
	}
	*number = n;
	return true;
}

bool lang_bool(struct lang *l, const char *key, bool *yes)
{
	long long n;

	if (!lang_number(l, key, INT32_MIN, UINT32_MAX, &n))
		return false;
	*yes = n != 0;
	return true;
}
