/* SPDX-License-Identifier: MIT */
/* The few string functions the hypervisor uses; on the host they are libc's. */
#ifndef LIB_STRING_H
#define LIB_STRING_H

#ifdef XENOLITH_HOST
#include <string.h>
#else
#include "lib/types.h"
void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
#endif

/* One 4 KiB page, by the widest string instruction. */
void clear_page(void *page);
void copy_page(void *dst, const void *src);

#endif
