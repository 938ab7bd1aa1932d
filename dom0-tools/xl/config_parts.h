/* SPDX-License-Identifier: MIT */
/* What the two halves of the reader of xl.cfg share: config.c and config_devices.c. */
#ifndef XL_CONFIG_PARTS_H
#define XL_CONFIG_PARTS_H

#include <stdlib.h>
#include <string.h>
#include "lang.h"

#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

static inline void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

static inline char *copy(const char *text)
{
	return text ? must(strdup(text)) : NULL;
}

/* One more entry of an array of @nr. */
static inline void *grow(void *array, unsigned int *nr, size_t size)
{
	array = must(realloc(array, (*nr + 1) * size));
	memset((char *)array + *nr * size, 0, size);
	(*nr)++;
	return array;
}

/* free()s each of the pointers. */
#define FREE_ALL(...)	free_all((void *const[]){ __VA_ARGS__ }, COUNT(((void *const[]){ __VA_ARGS__ })))
static inline void free_all(void *const *list, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		free(list[i]);
}

/* Take what the text says into @c, and report what is wrong there. */
void config_take_devices(struct guest_config *c, struct lang *l, const struct xl_conf *conf);
void config_take_hardware(struct guest_config *c, struct lang *l);

#endif
