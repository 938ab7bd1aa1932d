/* SPDX-License-Identifier: MIT */
/*
 * The language of xl.cfg(5), xl.conf(5) and xlcpupool.cfg(5): what was assigned to which key, with its place in the
 * text. What the keys mean is config.c's and conf.c's.
 */
#ifndef XL_LANG_H
#define XL_LANG_H

#include "config.h"

struct lang_value {
	char *text;			/* a string or a number as it is written; NULL: a list */
	struct lang_value *items;	/* of a list */
	unsigned int nr;
	unsigned int line, column;	/* from 1 */
	const char *file;
};

struct lang_setting {
	char *key;
	struct lang_value value;
	bool asked;			/* somebody wanted to know */
};

struct lang {
	const struct reporter *reporter;
	struct lang_setting *settings;	/* each key once, in the order of first mention */
	unsigned int nr;
	unsigned int room;
	char **files;			/* names that the values point to */
	unsigned int nr_files;
	unsigned int nr_errors;		/* that were reported, by anybody */
};

void lang_init(struct lang *l, const struct reporter *reporter);
/*
 * Reads assignments; those of an earlier text are replaced by those with the same key, or added to with +=.
 * Returns 0, or -EINVAL after each statement that is wrong was reported.
 */
int lang_read(struct lang *l, const char *file, const char *text, size_t len);
void lang_free(struct lang *l);

/* What was assigned; NULL if nothing was. */
const struct lang_value *lang_find(struct lang *l, const char *key);
/* The same, but a list (or a single value) is reported as a warning and taken as nothing. */
const struct lang_value *lang_single(struct lang *l, const char *key);
const struct lang_value *lang_list(struct lang *l, const char *key);
/* The text of a single value, NULL if there is none. */
const char *lang_string(struct lang *l, const char *key);
/* A number (decimal, 0x, 0); what is none or is out of @low..@high is reported as a warning. True if *number is set. */
bool lang_number(struct lang *l, const char *key, long long low, long long high, long long *number);
/* 0 or another number. */
bool lang_bool(struct lang *l, const char *key, bool *yes);

/* Reads a number as the language has it, without blanks around it. */
bool lang_text_number(const char *text, long long *number);

/* Reports; the place is @v's (NULL: none). Each line gets the form that struct reporter asks for. */
__attribute__((format(printf, 5, 6)))
void lang_say(struct lang *l, bool is_error, const struct lang_value *v, const char *key, const char *format, ...);

/* "file:line:column: key" for a parser of its own (disk, vif). */
void lang_where(const struct lang_value *v, const char *key, char *buf, size_t size);

#endif
