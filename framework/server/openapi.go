package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mesokit/mesokit/framework/app"
)

type object = map[string]any

var pathParam = regexp.MustCompile(`\{(\w+)\}`)

// openAPI makes the OpenAPI 3.1 document of the routes.
func openAPI(all []route) []byte {
	s := &schemas{defs: object{}}
	s.addApp()
	paths := object{}
	for _, r := range all {
		op := object{"operationId": r.id, "summary": r.summary}
		var params []object
		for _, m := range pathParam.FindAllStringSubmatch(r.path, -1) {
			schema := object{"type": "string"}
			if m[1] == "index" || m[1] == "version" {
				schema = object{"type": "integer", "minimum": 0}
			}
			params = append(params, object{"name": m[1], "in": "path", "required": true, "schema": schema})
		}
		for _, p := range r.query {
			schema := object{"type": p.kind}
			if len(p.list) > 0 {
				schema["enum"] = p.list
			}
			if p.many {
				schema = object{"type": "array", "items": schema}
			}
			params = append(params, object{"name": p.name, "in": "query", "description": p.what, "schema": schema})
		}
		if params != nil {
			op["parameters"] = params
		}
		switch {
		case r.bodySchema != "":
			op["requestBody"] = object{"required": true, "content": object{"application/json": object{"schema": ref(r.bodySchema)}}}
		case r.body != nil:
			op["requestBody"] = object{"required": true, "content": object{"application/json": object{"schema": s.of(reflect.TypeOf(r.body))}}}
		}
		media := r.media
		if media == "" {
			media = "application/json"
		}
		content := object{}
		if r.answer != nil {
			content["schema"] = s.of(reflect.TypeOf(r.answer))
		}
		answers := object{strconv.Itoa(r.status): object{"description": "OK", "content": object{media: content}},
			"default": object{"description": "A problem", "content": object{"application/problem+json": object{"schema": s.of(reflect.TypeFor[Problem]())}}}}
		if r.bodySchema == "App" {
			answers["201"] = object{"description": "The application is new", "content": object{media: content}}
		}
		op["responses"] = answers
		if r.need == nobody {
			op["security"] = []object{}
		}
		at, _ := paths[r.path].(object)
		if at == nil {
			at = object{}
			paths[r.path] = at
		}
		at[strings.ToLower(r.method)] = op
	}
	doc := object{
		"openapi": "3.1.0",
		"info": object{"title": "mesokit scheduler", "version": "1", "license": object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
			"description": "Applications on Mesos: submit, look at, explain, change. A scheduler that does not lead redirects to the one that does (307)."},
		"paths": paths,
		"components": object{"schemas": s.defs, "securitySchemes": object{
			"basic": object{"type": "http", "scheme": "basic"}, "bearer": object{"type": "http", "scheme": "bearer"}}},
		"security": []object{{}, {"basic": []string{}}, {"bearer": []string{}}},
	}
	out, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("the API cannot be described: %v", err)) // only a mistake in the table does that
	}
	return out
}

func ref(name string) object { return object{"$ref": "#/components/schemas/" + name} }

// schemas makes JSON schemas of Go types.
type schemas struct{ defs object }

// addApp takes the schema of applications over, with its definitions under names of their own.
func (s *schemas) addApp() {
	text := strings.ReplaceAll(string(app.Schema()), `"#/$defs/`, `"#/components/schemas/App.`)
	text = strings.ReplaceAll(text, `"$ref": "#"`, `"$ref": "#/components/schemas/App"`)
	var doc object
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		panic(fmt.Sprintf("the schema of applications: %v", err)) // it is embedded, and tested
	}
	defs, _ := doc["$defs"].(object)
	for name, def := range defs {
		s.defs["App."+name] = def
	}
	for _, key := range []string{"$defs", "$schema", "$id"} {
		delete(doc, key)
	}
	s.defs["App"] = doc
}

var typeArgument = regexp.MustCompile(`\[.*\.`)

func (s *schemas) of(t reflect.Type) object {
	switch t {
	case reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case reflect.TypeFor[rawApp]():
		return ref("App")
	}
	if m, ok := reflect.New(t).Interface().(interface{ MarshalText() ([]byte, error) }); ok && t.Kind() != reflect.Struct {
		_ = m
		return object{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int32, reflect.Int64:
		return object{"type": "integer"}
	case reflect.Uint, reflect.Uint8, reflect.Uint32, reflect.Uint64:
		return object{"type": "integer", "minimum": 0}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.Slice:
		return object{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Struct:
		name := strings.TrimSuffix(strings.TrimSuffix(typeArgument.ReplaceAllString(t.Name(), "."), "]"), "View")
		name = strings.Replace(name, "View", "", 1)
		if _, known := s.defs[name]; !known {
			s.defs[name] = object{} // in case it contains itself
			s.defs[name] = s.object(t)
		}
		return ref(name)
	}
	return object{"type": "string"}
}

func (s *schemas) object(t reflect.Type) object {
	props, required := object{}, map[string]bool{}
	var add func(t reflect.Type)
	add = func(t reflect.Type) {
		for f := range fields(t) {
			if f.Anonymous && f.Tag.Get("json") == "" {
				add(f.Type)
				continue
			}
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "-" || !f.IsExported() {
				continue
			}
			if name == "" {
				name = f.Name
			}
			props[name] = s.of(f.Type)
			if !strings.Contains(options, "omitempty") {
				required[name] = true
			}
		}
	}
	add(t)
	o := object{"type": "object", "properties": props, "additionalProperties": false}
	if len(required) > 0 {
		o["required"] = slices.Sorted(maps.Keys(required))
	}
	return o
}

func fields(t reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if !yield(t.Field(i)) {
				return
			}
		}
	}
}
