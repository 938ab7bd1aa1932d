// SPDX-License-Identifier: MIT
/*
 * A thin layer over libyajl. It fails only without memory; text that is no UTF-8 goes out as it is, as with libxl.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "json.h"

yajl_gen json_new(void)
{
	yajl_gen g = yajl_gen_alloc(NULL);

	if (!g)
		abort();
	yajl_gen_config(g, yajl_gen_beautify, 1);
	yajl_gen_config(g, yajl_gen_indent_string, "    ");
	return g;
}

char *json_finish(yajl_gen g)
{
	const unsigned char *text = NULL;
	size_t len = 0;
	char *copy;

	yajl_gen_get_buf(g, &text, &len);
	copy = malloc(len + 1);
	if (!copy)
		abort();
	memcpy(copy, text, len);
	copy[len] = 0;
	yajl_gen_free(g);
	return copy;
}

static void put_key(yajl_gen g, const char *key)
{
	if (key)
		yajl_gen_string(g, (const unsigned char *)key, strlen(key));
}

void json_open(yajl_gen g, const char *key)
{
	put_key(g, key);
	yajl_gen_map_open(g);
}

void json_close(yajl_gen g)
{
	yajl_gen_map_close(g);
}

void json_open_list(yajl_gen g, const char *key)
{
	put_key(g, key);
	yajl_gen_array_open(g);
}

void json_close_list(yajl_gen g)
{
	yajl_gen_array_close(g);
}

void json_string(yajl_gen g, const char *key, const char *value)
{
	put_key(g, key);
	yajl_gen_string(g, (const unsigned char *)value, strlen(value));
}

void json_text(yajl_gen g, const char *key, const char *value)
{
	if (value)
		json_string(g, key, value);
}

void json_number(yajl_gen g, const char *key, uint64_t value)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)value);

	put_key(g, key);
	yajl_gen_number(g, text, n);
}

void json_bool(yajl_gen g, const char *key, bool value)
{
	put_key(g, key);
	yajl_gen_bool(g, value);
}

void json_null(yajl_gen g, const char *key)
{
	put_key(g, key);
	yajl_gen_null(g);
}

void json_tree(yajl_gen g, const char *key, yajl_val v)
{
	put_key(g, key);
	switch (v->type) {
	case yajl_t_object:
		yajl_gen_map_open(g);
		for (size_t i = 0; i < v->u.object.len; i++)
			json_tree(g, v->u.object.keys[i], v->u.object.values[i]);
		yajl_gen_map_close(g);
		break;
	case yajl_t_array:
		yajl_gen_array_open(g);
		for (size_t i = 0; i < v->u.array.len; i++)
			json_tree(g, NULL, v->u.array.values[i]);
		yajl_gen_array_close(g);
		break;
	case yajl_t_string:
		yajl_gen_string(g, (const unsigned char *)v->u.string, strlen(v->u.string));
		break;
	case yajl_t_number:
		yajl_gen_number(g, v->u.number.r, strlen(v->u.number.r));
		break;
	case yajl_t_true:
	case yajl_t_false:
		yajl_gen_bool(g, v->type == yajl_t_true);
		break;
	default:
		yajl_gen_null(g);
	}
}

void json_uuid(char *buf, const uint8_t uuid[16])
{
	for (int i = 0; i < 16; i++)
		buf += sprintf(buf, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", uuid[i]);
}
