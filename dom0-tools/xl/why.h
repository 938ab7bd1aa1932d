/* SPDX-License-Identifier: MIT */
/* What is kept for xl why. */
#ifndef XL_WHY_H
#define XL_WHY_H

/* The sentence for which guest @name was not made. */
void why_keep_failure(const char *name, const char *reason);

#endif
