/* SPDX-License-Identifier: MIT */
/*
 * Writing JSON with libyajl, laid out as libxl does. Each call takes a key for use in an object, or NULL in a list and
 * at the top.
 */
#ifndef XL_JSON_H
#define XL_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <yajl/yajl_gen.h>
#include <yajl/yajl_tree.h>

yajl_gen json_new(void);
/* The text, malloc()ed, and the end of @g. */
char *json_finish(yajl_gen g);

void json_open(yajl_gen g, const char *key);
void json_close(yajl_gen g);
void json_open_list(yajl_gen g, const char *key);
void json_close_list(yajl_gen g);
void json_string(yajl_gen g, const char *key, const char *value);
/* Nothing if @value is NULL. */
void json_text(yajl_gen g, const char *key, const char *value);
void json_number(yajl_gen g, const char *key, uint64_t value);
void json_bool(yajl_gen g, const char *key, bool value);
void json_null(yajl_gen g, const char *key);
/* A tree that was read, as it is. */
void json_tree(yajl_gen g, const char *key, yajl_val tree);

/* 01234567-89ab-cdef-0123-456789abcdef into @buf of 37 bytes or more. */
void json_uuid(char *buf, const uint8_t uuid[16]);

/* By enum disk_backend and enum disk_format; NULL ends them. */
extern const char *const disk_backend_words[], *const disk_format_words[];

struct disk_config;
struct vif_config;
void disk_to_json(yajl_gen g, const struct disk_config *disk);
void vif_to_json(yajl_gen g, const struct vif_config *vif);

#endif
